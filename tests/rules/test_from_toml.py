"""Rewrite rules of a team's own: what they find, what they mend, and what is wrong with a broken one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK

SOFTMAX = """\
[[rule]]
name = "StableSoftmax"
code = "TEAM201"
find = "torch.log(torch.softmax($x, $...rest))"
replace = "torch.log_softmax($x, $...rest)"
where = { lacks = ["dtype"], unlike = { x = "raw_.*" } }
safety = "safe"
message = "The logarithm of a softmax is not stable."
why = "A probability that underflows gives a loss of minus infinity."
step = true
unchanged = [
    "import torch\\ntorch.log(torch.softmax(y, 1, dtype=torch.float64))",
    "import torch\\ntorch.log(torch.softmax(raw_scores, 1))",
]
example = [{ before = "import torch\\ntorch.log(torch.softmax(y, dim=1))", after = "import torch\\n\
torch.log_softmax(y, dim=1)" }]
"""
PRINT = """\
[[rule]]
name = "NoPrint"
code = "TEAM301"
find = "print($...rest)"
message = "Print nothing."
example = [{ before = "print(1)" }]
"""
TRAINING = """\
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)

    def forward(self, x):
        return torch.log(torch.softmax(self.layer(x), dim=1))  # not stable

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    (-model(torch.ones(4, 2))[:, 0]).mean().backward()
    optimizer.step()
    print(torch.log(torch.softmax(torch.ones(3), 0)))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "team.toml").write_text(SOFTMAX)
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path


def run(*arguments: str, rules: str = "team.toml") -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [*arguments, "--rules", rules], catch_exceptions=False)


def test_lint_finds_and_mends_by_a_rule_of_a_file(folder: Path) -> None:
    result = run("lint", "train.py", "--select", "TEAM201")
    assert result.exit_code == FINDINGS
    assert "train.py:9:16: TEAM201 StableSoftmax: The logarithm of a softmax is not stable." in result.stdout
    assert "(--fix does it)" in result.stdout
    assert run("lint", "train.py", "--select", "StableSoftmax", "--fix").exit_code == OK
    assert (folder / "train.py").read_text() == TRAINING.replace(
        "torch.log(torch.softmax(", "torch.log_softmax("
    ).replace("dim=1))", "dim=1)").replace("3), 0)))", "3), 0))")


def test_a_comment_silences_a_rule_of_a_file(folder: Path) -> None:
    text = TRAINING.replace("# not stable", "# noqa: TEAM201").replace(
        "(3), 0)))", "(3), 0)))  # lint-ignore: StableSoftmax"
    )
    (folder / "train.py").write_text(text)
    assert run("lint", "train.py", "--select", "TEAM").exit_code == OK


def test_apply_rewrites_what_it_converts_the_model_it_moves_among_it(folder: Path) -> None:
    assert run("apply", "train.py").exit_code == OK
    client, model = ((folder / "federated" / name).read_text() for name in ("client.py", "model.py"))
    assert "return torch.log_softmax(self.layer(x), dim=1)  # not stable\n" in model
    assert "print(torch.log_softmax(torch.ones(3), 0))\n" in client
    assert run("apply", "train.py", "--check").exit_code == OK
    assert (folder / "train.py").read_text() == TRAINING
    assert '"name": "stable_softmax",\n      "status": "changed"' in (folder / "federated/conversion.json").read_text()


def test_a_rule_of_a_file_is_left_out_as_any_step(folder: Path) -> None:
    assert run("apply", "train.py", "--skip", "stable_softmax").exit_code == OK
    assert "torch.log(torch.softmax" in (folder / "federated/model.py").read_text()


def test_rules_of_a_file_are_listed_and_explained(folder: Path) -> None:
    (folder / "team.toml").write_text(SOFTMAX + PRINT)
    listed = run("list").stdout
    steps, _, rules = listed.partition("\nRules:\n")
    assert steps.splitlines()[-1].startswith("  stable_softmax ") and steps.splitlines()[-1].endswith("[team.toml]")
    assert [line.split()[0] for line in rules.splitlines()[-2:]] == ["TEAM201", "TEAM301"]
    for name in ("TEAM201", "StableSoftmax"):
        text = run("explain", name).stdout
        assert text.startswith("TEAM201 StableSoftmax\n")
        assert "minus infinity" in text and "torch.log(torch.softmax(y, dim=1))" in text and "From: team.toml" in text
    assert "minus infinity" in run("explain", "stable_softmax").stdout


def test_a_step_comes_before_the_one_it_names(folder: Path) -> None:
    (folder / "team.toml").write_text(SOFTMAX + 'before = "count_steps"\n')
    steps = [line.split()[0] for line in run("list").stdout.partition("\n\n")[0].splitlines()[1:]]
    assert steps[steps.index("stable_softmax") + 1] == "count_steps"


def test_the_examples_are_run(folder: Path) -> None:
    result = run("list", "--test")
    assert (result.exit_code, result.stdout) == (OK, "TEAM201 StableSoftmax: 3 examples hold\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("log_softmax(y, dim=1)", "log_softmax(y)", "it makes\n    import torch\n    torch.log_softmax(y, dim=1)\n"),
        (
            "torch.log(torch.softmax(y, dim=1))",
            "torch.log(y)",
            "it finds nothing in\n    import torch\n    torch.log(y)",
        ),
        ("raw_scores", "scores", "it finds something (The logarithm of a softmax is not stable.)"),
        ('lacks = ["dtype"]', "lacks = []", "it finds something"),
    ],
)
def test_an_example_that_does_not_hold_is_shown(folder: Path, old: str, new: str, message: str) -> None:
    assert old in SOFTMAX
    (folder / "team.toml").write_text(SOFTMAX.replace(old, new))
    result = run("list", "--test")
    assert result.exit_code == FINDINGS
    assert result.stdout.startswith("TEAM201 StableSoftmax: FAILS\n")
    assert message in result.stdout.replace("\n  ", "\n") or message in result.stdout


BROKEN = {
    "not TOML": ("[[rule]]", "[[rule", r"is not TOML: .*line 1"),
    "no rule": ("[[rule]]", "[[rules]]", r"has to hold tables \[\[rule\]\]"),
    "no name": ('name = "StableSoftmax"', "", "rule 1 lacks `name`"),
    "no example": ("example = [", "unused = [", "has the key `unused`, which there is not"),
    "empty example": ("example = [{", "example = [] # [{", "lacks `example`"),
    "half an example": (', after = "', ', later = "', "an example has the key `later`"),
    "name": ('"StableSoftmax"', '"stable softmax"', "a name is one word"),
    "type": ('message = "', 'message = 3 # "', "`message` has to be a str, not 3"),
    "code of ours": ("TEAM201", "FLR201", "needs a code such as TEAM201"),
    "blocking code": ("TEAM201", "TEAM101", "a pattern cannot block a conversion"),
    "pattern": ("torch.log(torch.softmax($x, $...rest))", "torch.log(", "not an expression or a simple statement"),
    "template": ("torch.log_softmax($x, $...rest)", "torch.(", "not an expression or a simple statement"),
    "unbound": ("log_softmax($x, $...rest)", "log_softmax($y)", r"uses \$y, which `find` does not capture"),
    "bare name": ("rest))", "rest, dim=axis))", r"the name axis in `find` means nothing by itself"),
    "endless": ("torch.log_softmax($x", "torch.log(torch.softmax($x)", "replaced without end"),
    "safety": ('"safe"', '"sure"', '`safety` is "safe" or "unsafe"'),
    "condition": ("lacks", "misses", "`where` has the key `misses`"),
    "regular expression": ('"raw_.*"', '"raw_("', "`where.unlike.x` is no regular expression"),
    "captured": ("unlike = { x", "unlike = { z", r"`where` asks for \$z"),
    "before": ("step = true", 'step = true\nbefore = "nothing"', "is to come before nothing, which is no step"),
    "before without a step": ("step = true", 'before = "send_params"', "`before` says where a step comes"),
    "nothing to do": ('replace = "torch.log_softmax($x, $...rest)"\n', "", "are about a replacement"),
    "taken": ('"StableSoftmax"', '"UnsafeTorchLoad"', "the name UnsafeTorchLoad is taken"),
}


COMMANDS = ["explain FLR202", "lint train.py", "inspect train.py", "apply train.py"]


@pytest.mark.parametrize(
    ("case", "command"), [*((case, "list") for case in BROKEN), *(("safety", c) for c in COMMANDS)]
)
def test_a_broken_rule_is_one_sentence(folder: Path, case: str, command: str) -> None:
    old, new, message = BROKEN[case]
    assert old in SOFTMAX
    (folder / "team.toml").write_text(SOFTMAX.replace(old, new))
    result = run(*command.split())
    assert result.exit_code == ERROR
    assert result.stdout == ""
    assert re.fullmatch(rf"error: team\.toml.*{message}.*\n", result.stderr), result.stderr
    assert {path.name for path in folder.iterdir()} == {"team.toml", "train.py"}


def test_settings_name_files_of_rules(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.flare-codemods]\nrules = ["rules/team.toml"]\n')
    (folder / "rules").mkdir()
    (folder / "team.toml").rename(folder / "rules/team.toml")
    for command in ("lint train.py", "lint .", "list", "apply train.py --check"):
        result = CliRunner().invoke(main, command.split(), catch_exceptions=False)
        assert result.exit_code == (OK if command == "list" else FINDINGS)
        assert "TEAM201" in result.output or command.startswith("apply")
    assert "log_softmax" in CliRunner().invoke(main, ["apply", "train.py", "--diff"]).output
    (folder / "rules/team.toml").unlink()
    assert CliRunner(mix_stderr=False).invoke(main, ["list"]).stderr == (
        "error: rules/team.toml cannot be read: No such file or directory\n"
    )


def test_a_file_of_rules_that_is_not_there() -> None:
    result = run("list", rules="nothing.toml")
    assert result.exit_code == ERROR
    assert "'nothing.toml' does not exist" in result.stderr


def test_two_rules_of_one_name(folder: Path) -> None:
    (folder / "team.toml").write_text(PRINT + PRINT)
    assert run("list").stderr == "error: team.toml: the name NoPrint is taken; choose another\n"
