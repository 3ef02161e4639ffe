"""Whatever Python file there is, linting ends with an answer or one sentence, never with a traceback."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from pathlib import Path

import hypothesmith
import pytest
from hypothesis import HealthCheck, given, settings

from engine.lint import Outcome, lint
from rules import RULES

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
MODULES = sorted(path for path in STANDARD_LIBRARY.glob("*.py") if path.stat().st_size < 40_000)[::3]
WORDS = "\n# load save sum mean Scale symeig data 0\nimport torch\n"


def linted(path: Path, content: bytes) -> Outcome:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lint([path], lambda: RULES)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_standard_library(module: Path, tmp_path: Path) -> None:
    outcome = linted(tmp_path / "module.py", module.read_bytes() + WORDS.encode())
    assert outcome.errors == ()
    assert not [result for result in outcome.left if result.code.startswith("FLR1")]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(source=hypothesmith.from_node())
def test_programs_made_at_random(source: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    outcome = linted(tmp_path_factory.mktemp("random") / "module.py", (source + WORDS).encode(errors="replace"))
    assert all("failed" not in error for error in outcome.errors)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"import torch\0", "is a binary file"),
        (b"import torch\n\xff\xfe", "is not text in a readable encoding"),
        (b"# coding: nonsense\nimport torch\n", "is not text in a readable encoding"),
        (b"import torch\nx = " + b"(" * 3000 + b")" * 3000, "nested"),
        (b"", None),
        (b"# torch", None),
        (b"\xef\xbb\xbfimport torch\r\nif 1:\r\n\tx = torch.load(p)\r\n", None),
        ("# coding: latin-1\nimport torch  # caf\u00e9\n".encode("latin-1"), None),
        (b"import torch\nx = " + b"[" * 60 + b"]" * 60 + b"\ntorch.load(x)\n", None),
        (b"import torch\n" + b"x = torch.zeros(3)\n" * 20_000, None),
    ],
    ids=["null", "bytes", "coding", "nesting", "empty", "comment", "CRLF", "Latin-1", "brackets", "20,000 lines"],
)
def test_odd_files_give_an_answer_or_one_sentence(content: bytes, said: str | None, tmp_path: Path) -> None:
    outcome = linted(tmp_path / "odd.py", content)
    told = [*outcome.errors, *(result.message for result in outcome.left if result.code == "FLR101")]
    assert all(sentence.count("\n") == 0 for sentence in told)
    assert bool(told) == bool(said)
    assert said is None or said in told[0]


def test_a_file_with_many_paths_is_walked_as_often_as_one_with_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[ast.AST] = []
    walk = ast.walk
    monkeypatch.setattr("ast.walk", lambda node: calls.append(node) or walk(node))
    head = "import argparse\nimport torch\nparser = argparse.ArgumentParser()\nargs = parser.parse_args()\n"
    train = "model = torch.nn.Linear(1, 1)\noptimizer = torch.optim.SGD(model.parameters())\nfor epoch in range(3):\n"
    train += "    model(x0).sum().backward()\n    optimizer.step()\n"
    trees = []
    for number in (2, 40):
        path = tmp_path / f"paths{number}.py"
        path.write_text(head + "".join(f"x{i} = torch.load('{i}.pt')\n" for i in range(number)) + train)
        calls.clear()
        found = lint([path], lambda: RULES).results
        assert sum(result.code == "FLR203" for result in found) == number
        trees.append(sum(isinstance(node, ast.Module) for node in calls))
    assert trees[0] == trees[1]


def test_a_file_with_many_fixes_looks_at_its_statements_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[ast.AST] = []
    walk = ast.walk
    monkeypatch.setattr("engine.concrete.ast.walk", lambda node: calls.append(node) or walk(node))
    counts = []
    for number in (1, 20):
        path = tmp_path / f"load{number}.py"
        path.write_text("import torch\n" + "if 1:\n    state = torch.load(path)\n" * number)
        calls.clear()
        assert len(lint([path], lambda: RULES).results) == number
        counts.append(len(calls))
    assert counts[0] == counts[1]
