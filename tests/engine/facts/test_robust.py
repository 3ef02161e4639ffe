"""Whatever Python can parse, the analysis ends, and soon; what it cannot is one sentence."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import hypothesmith
import pytest
from hypothesis import HealthCheck, given, settings

from engine.facts import gather
from engine.inspection import describe
from engine.result import UserError
from engine.source import Project

STANDARD_LIBRARY = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-z]*.py"))[::12]
ODD = {
    "recursion": "def f(x):\n    return f(f(x))\nf(1)\n",
    "mutual": "def f(x):\n    g(x), g(x), g(x)\ndef g(x):\n    f(x), f(x), f(x)\nf(1)\n",
    "chain": "".join(f"def f{i}():\n    f{i + 1}(), f{i + 1}()\n" for i in range(60)) + "def f60(): pass\nf0()\n",
    "own property": "class A:\n    @property\n    def p(self): return self.p\n    def __len__(self): return len(self)\n"
    "    def __getitem__(self, k): return self[k]\n    def __call__(self): return self()\n"
    "a = A()\na.p, a[1], a(), len(a)\n",
    "own base": "class A(B): pass\nclass B(A): pass\nclass A(B): pass\nA().x()\n",
    "own element": "d = {}\nd['d'] = d\nl = []\nl.append(l)\nclass C:\n    def __init__(self, x): pass\nC(d), C(l)\n",
    "own import": "import train\nfrom train import *\n",
    "huge values": "x = 'a' * 10000000000\ny = [0] * 10**12\nz = '{:>1000000000}'.format(1)\n",
    "eval": "eval('1+' * 2000 + '1')\neval('(')\nexec('x = 1')\n",
    "unpacking": "a, *b = 1, 2, 3\n*c, = b\nprint(*a, **b)\n(d, e), f = 1\n",
    "match": "match x:\n    case [1, *rest]: pass\n    case {'a': b}: pass\n",
    "own parts": "import torch\nfrom torch import nn\na, b = nn.Module(), nn.Module()\na.b, b.a = b, a\n"
    "o = torch.optim.SGD(a.parameters(), lr=1)\nfor epoch in range(3):\n    a(1).backward()\n    o.step()\n",
}


def analysed(path: Path) -> None:
    """Gather and describe; a sentence for the user is an answer too."""
    try:
        facts = gather(Project(path))
    except UserError as error:
        assert "\n" not in str(error)
        return
    describe(facts)


@pytest.mark.parametrize("path", STANDARD_LIBRARY, ids=lambda path: path.stem)
def test_standard_library(path: Path) -> None:
    analysed(path)


@pytest.mark.parametrize("name", ODD)
def test_odd_programs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(ODD[name])
    analysed(path)


@pytest.mark.parametrize("statement", ["x = 1\n", "print(x)\n", "if x > 1:\n    y = f(x)\n"])
def test_twenty_thousand_lines(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "train.py"
    path.write_text("import torch\nx = torch.ones(1)\n" + statement * (20_000 // statement.count("\n")))
    analysed(path)


@pytest.mark.parametrize(
    "text",
    [
        "".join(" " * depth + "if x:\n" for depth in range(300)) + " " * 300 + "pass\n",
        "x = " + "[" * 300 + "]" * 300 + "\n",
        "x = a" + ".b" * 300 + "\n",
        "x = a" + "()" * 300 + "\n",
        "x = " + " + ".join("a" * 300) + "\n",
        "x = " + "not " * 300 + "a\n",
        "x = " + "lambda: " * 300 + "a\n",
    ],
)
def test_three_hundred_levels(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(text)
    analysed(path)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
@given(text=hypothesmith.from_grammar())
def test_generated_programs(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "train.py"
    path.write_bytes(text.encode(errors="replace"))
    analysed(path)
