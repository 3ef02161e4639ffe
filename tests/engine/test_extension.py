"""Steps and rules of an installed package: found by its entry points, and run, listed and ordered like our own."""

from __future__ import annotations

import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main

TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
STEP = """\
from engine.edit import Insert
from engine.pipeline import Step

def edits(plan):
    yield Insert(plan.frame.place, 'print("a round starts")\\n', inside=True)

step = Step("announce_rounds", "prints a line when a round starts", "so that logs are read more easily", edits)
"""
RULE = """\
from fixit import Invalid, LintRule
import libcst

class NoSgd(LintRule):
    "## What it does\\nFinds SGD."
    CODE = "ACME301"
    MESSAGE = "Use Adam."
    VALID = ["import torch\\ntorch.optim.Adam"]
    INVALID = ["import torch\\ntorch.optim.SGD"]

    def visit_Attribute(self, node: libcst.Attribute) -> None:
        if node.attr.value == "SGD":
            self.report(node)
"""
BLOCKER = """\
from fixit import LintRule
from rules.base import ProgramRule

class OnlyAdam(ProgramRule, LintRule):
    CODE, MESSAGE, REMEDY = "ACME101", "Our federation trains with Adam.", "Use torch.optim.Adam."
    VALID, INVALID = [], []

    @classmethod
    def check(cls, facts):
        for optimizer in facts.optimizers:
            if optimizer.name != "torch.optim.Adam":
                yield cls.found(optimizer.construction.scope.file, optimizer.construction.node)
"""
BOTH = "[flare_codemods.codemods]\nannounce = acme:step\n\n[flare_codemods.rules]\nsgd = acme_rules:NoSgd\n"


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training script to work on, and a folder of installed packages."""
    (tmp_path / "train.py").write_text(TRAINING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield
    for name in ("acme", "acme_rules"):
        sys.modules.pop(name, None)


def run(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


def install(folder: Path, entry_points: str, **modules: str) -> None:
    """Install a package of modules."""
    information = folder / "site" / "acme_flare-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-flare\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)
    for name, text in modules.items():
        (folder / "site" / f"{name}.py").write_text(text)
    invalidate_caches()


def test_a_step_and_a_rule_of_a_package_are_like_ours(tmp_path: Path) -> None:
    install(tmp_path, BOTH, acme=STEP, acme_rules=RULE)
    listed = run("list").stdout
    steps, _, rules = listed.partition("\n\n")
    assert steps.splitlines()[-1].split() == (
        "announce_rounds prints a line when a round starts [acme-flare (announce = acme:step)]".split()
    )
    assert rules.splitlines()[1].split() == "ACME301 NoSgd Use Adam. [acme-flare (sgd = acme_rules:NoSgd)]".split()
    assert "From: acme-flare (announce = acme:step)" in run("explain", "announce_rounds").stdout
    assert run("list", "--test").stdout == "ACME301 NoSgd: 2 examples hold\n"
    assert "train.py:4:13: ACME301 NoSgd: Use Adam." in run("lint", "train.py").stdout
    assert run("apply", "train.py").exit_code == 0
    assert '\n    print("a round starts")\n' in (tmp_path / "federated/client.py").read_text()


def test_a_step_says_what_it_comes_before(tmp_path: Path) -> None:
    step = STEP.replace("edits)", "edits, before='send_params')")
    install(tmp_path, "[flare_codemods.codemods]\nannounce = acme:step\n", acme=step)
    names = [line.split()[0] for line in run("list").stdout.partition("\n\n")[0].splitlines()[1:]]
    assert names[names.index("send_params") - 1] == "announce_rounds"


def test_a_rule_of_a_package_blocks_where_its_code_says_so(tmp_path: Path) -> None:
    install(tmp_path, "[flare_codemods.rules]\nadam = acme:OnlyAdam\n", acme=BLOCKER)
    for command in ("inspect", "apply"):
        done = run(command, "train.py")
        assert done.exit_code == 3
        assert "train.py:4" in done.stdout and "ACME101" in done.stdout


@pytest.mark.parametrize(
    ("entry_point", "module", "message"),
    [
        ("codemods]\na = missing:step", STEP, "cannot be loaded: ModuleNotFoundError: No module named 'missing'"),
        ("codemods]\na = acme:other", STEP, "cannot be loaded: AttributeError"),
        ("codemods]\na = acme:edits", STEP, "neither an engine.pipeline.Step nor a list of them"),
        ("rules]\na = acme:step", STEP, "neither a fixit LintRule nor a list of them"),
        ("rules]\na = acme:NoSgd", RULE.replace("ACME301", "FLR301"), "needs a code such as TEAM201"),
        ("rules]\na = acme:NoSgd", RULE.replace("MESSAGE", "TEXT"), "has no MESSAGE"),
        ("rules]\na = acme:NoSgd", "1 / 0\n", "cannot be loaded: ZeroDivisionError"),
        ("rules]\na = acme:NoSgd", "raise SystemExit(0)\n", "cannot be loaded: SystemExit: 0"),
        ("codemods]\na = acme:step", STEP.replace("yield ", "yield 3; "), "failed: TypeError: 3 is no edit"),
        ("codemods]\na = acme:step", STEP.replace("print(", "print(("), "failed: SyntaxError: '(' was never closed"),
        ("codemods]\na = acme:step", STEP.replace("announce_rounds", "send_params"), "the name send_params is taken"),
        ("codemods]\na = acme:step", STEP.replace("edits)", "edits, needs=('x',))"), "needs x, which is no step"),
        ("codemods]\na = acme:step", STEP.replace("plan.frame", "plan.nothing"), "the step announce_rounds failed: "),
    ],
)  # fmt: skip
def test_a_broken_extension_is_one_sentence(tmp_path: Path, entry_point: str, module: str, message: str) -> None:
    install(tmp_path, f"[flare_codemods.{entry_point}\n", acme=module)
    done = run("apply", "train.py")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: acme-flare (a = ") and message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "federated").exists()


def test_help_and_files_without_torch_do_not_look_for_packages(tmp_path: Path) -> None:
    install(tmp_path, "[flare_codemods.rules]\na = acme:NoSgd\n", acme="1 / 0\n")
    (tmp_path / "plain.py").write_text("print(1)\n")
    assert run("--help").exit_code == 0
    assert run("lint", "plain.py").exit_code == 0
    assert run("lint", "train.py").exit_code == 2
