"""``[tool.flare-codemods]``: which table holds for a file, what it may say, and what lint and apply make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, OK
from engine.configuration import Configuration
from engine.lint import Outcome, lint
from engine.result import UserError
from rules import RULES

LOAD = "import torch\nx = torch.load(path)\n"
BOTH = "import torch\nmodel.eval()\nx = torch.load(path)\ntorch.save(model, path)\n"
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(contents: dict[str, str]) -> None:
    for name, text in contents.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def table(text: str) -> str:
    return f"[tool.flare-codemods]\n{text}\n"


def linted(*paths: str, **options) -> Outcome:
    return lint([Path(path) for path in paths or ["."]], lambda: RULES, **options)


def codes(outcome: Outcome) -> list[str]:
    return [f"{result.place} {result.code or result.name}" for result in outcome.left]


def run(*arguments: str, **options) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False, **options)


def test_the_nearest_table_holds_alone() -> None:
    write(
        {
            "pyproject.toml": table('ignore = ["FLR202"]'),
            "a.py": BOTH,
            "inner/pyproject.toml": table('select = ["UnsafeTorchLoad"]'),
            "inner/deep/b.py": BOTH,
            "other/pyproject.toml": '[project]\nname = "flare-codemods"\n',
            "other/c.py": BOTH,
        }
    )
    assert codes(linted()) == ["a.py:4 FLR201", "inner/deep/b.py:3 FLR202", "other/c.py:4 FLR201"]
    assert Configuration().of(Path("inner/deep/b.py")).file == Path("inner/pyproject.toml").absolute()


def test_a_file_without_a_table_of_ours_says_nothing() -> None:
    write({"pyproject.toml": "[tool.other]\nkey = 1\n"})
    assert Configuration().of(Path("a.py")).file is None


@pytest.mark.parametrize("working_directory", [".", "inner"])
def test_patterns_are_relative_to_the_table(
    folder: Path, working_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        {"pyproject.toml": table('exclude = ["/inner/old/", "*_pb2.py"]\nper-file-ignores = {"tests/**" = ["FLR2"]}')}
    )
    write(dict.fromkeys(["inner/old/a.py", "inner/a_pb2.py", "tests/b.py", "inner/c.py", "old/d.py"], LOAD))
    monkeypatch.chdir(working_directory)
    found = {Path(result.place.file).resolve().relative_to(folder).as_posix() for result in linted(str(folder)).left}
    assert found == {"inner/c.py", "old/d.py"}


def test_what_is_excluded_is_so_when_named_too() -> None:
    write({"pyproject.toml": table('exclude = ["a.py"]'), "a.py": LOAD})
    assert linted("a.py") == Outcome((), (), 0)
    result = run("lint", "--fix", "-", "a.py", input=LOAD)
    assert (result.exit_code, result.stdout, result.stderr) == (OK, LOAD, "nothing found in 0 files\n")


def test_the_file_of_a_finding_says_whether_it_is_heard() -> None:
    write(
        {
            "pyproject.toml": table('per-file-ignores = {"old.py" = ["FLR112"], "train.py" = ["FLR112"]}'),
            "train.py": f"from net import Net\nfrom old import Old\n{TRAINING}".replace(
                "torch.nn.Linear(2, 1)", "torch.nn.Sequential(Net(), Old())"
            ),
        }
    )
    for name in ("Net", "Old"):
        write(
            {
                f"{name.lower()}.py": f"from torch import nn\n\nclass {name}(nn.Module):\n    def __init__(self):\n"
                "        super().__init__()\n        self.layers = [nn.Linear(2, 2)]\n"
            }
        )
    assert codes(linted("train.py")) == ["net.py:6 FLR112"]


def test_the_command_line_goes_before_the_table() -> None:
    write({"pyproject.toml": table('select = ["FLR201"]\nignore = ["FLR3"]'), "a.py": BOTH})
    assert codes(linted()) == ["a.py:4 FLR201"]
    assert codes(linted(select=["FLR202"])) == ["a.py:3 FLR202"]
    assert codes(linted(ignore=["FLR201"])) == []
    write({"pyproject.toml": table('ignore = ["FLR202"]')})
    assert codes(linted(ignore=["FLR201"])) == []
    assert codes(linted(select=["FLR2"])) == ["a.py:3 FLR202", "a.py:4 FLR201"]
    write({"pyproject.toml": table('per-file-ignores = {"a.py" = ["FLR202"]}')})
    assert codes(linted(select=["FLR2"])) == ["a.py:4 FLR201"]


def test_a_comment_for_a_rule_that_is_not_run_is_no_finding() -> None:
    write({"pyproject.toml": table('per-file-ignores = {"a.py" = ["FLR202"]}')})
    write({"a.py": "import torch  # noqa: FLR202\n", "b.py": "import torch  # noqa: FLR202\n"})
    assert codes(linted()) == ["b.py:1 UnusedSuppression"]


RULES_ALLOWED = "a list of rules, each by its code, the beginning of its code, or its name"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'selct = ["FLR1"]',
            "does not know selct; its keys are select, ignore, exclude, per-file-ignores, rules, apply",
        ),
        ('select = "FLR1"', f"select in [tool.flare-codemods] has to be {RULES_ALLOWED}"),
        ("select = [1]", f"select in [tool.flare-codemods] has to be {RULES_ALLOWED}"),
        ("exclude = [2020-01-01]", "exclude in [tool.flare-codemods] has to be a list of patterns as in .gitignore"),
        (
            'per-file-ignores = ["FLR1"]',
            f"per-file-ignores in [tool.flare-codemods] has to be a table of patterns, each with {RULES_ALLOWED}",
        ),
        ("apply = 3", "apply in [tool.flare-codemods] has to be a table with the keys clients, rounds, local-epochs"),
        (
            "apply = {client = 3}",
            "[tool.flare-codemods.apply] does not know client; its keys are clients, rounds, local-epochs",
        ),
        *(
            (
                f"apply = {{rounds = {v}}}",
                "rounds in [tool.flare-codemods.apply] has to be a whole number of at least 1",
            )
            for v in ("0", '"3"', "3.0", "true")
        ),
        ('ignore = ["FLR9"]', "no rule is called FLR9; `python -m codemods list` names them"),
        ('per-file-ignores = {a = ["Nope"]}', "no rule is called Nope; `python -m codemods list` names them"),
        ("select = [", "is not valid TOML"),
    ],
)
@pytest.mark.parametrize("command", ["lint", "apply"])
def test_what_is_not_allowed_is_one_sentence(text: str, said: str, command: str) -> None:
    write({"project/pyproject.toml": table(text), "project/a.py": TRAINING})
    result = run(command, "project/a.py")
    if command == "apply" and "no rule" in said:
        assert result.exit_code == OK
        return
    assert (result.exit_code, result.stdout) == (ERROR, "")
    assert result.stderr.startswith("error: project/pyproject.toml")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("project/federated").exists()


def test_a_table_that_is_none() -> None:
    write({"pyproject.toml": "tool.flare-codemods = 3\n"})
    with pytest.raises(UserError, match=r"^pyproject.toml: \[tool.flare-codemods\] has to be a table; its keys are "):
        Configuration().of(Path("a.py"))


def test_the_job_of_apply_takes_what_the_options_leave_open() -> None:
    write({"pyproject.toml": table("apply = {clients = 7, local-epochs = 2}"), "train.py": TRAINING})
    assert run("apply", "train.py", "--clients", "4").exit_code == OK
    job = Path("federated/job.py").read_text()
    for option, value in {"--clients": 4, "--rounds": 3, "--local-epochs": 2}.items():
        assert f'"{option}", type=int, default={value},' in job
