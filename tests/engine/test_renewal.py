"""Converted folders are brought up to date with the options they were made with, and edits of the user's own stay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK

ROOT = Path(__file__).parents[2]
TRAINING = """\
import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(args.epochs):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
TEAM = """\
[[rule]]
name = "SmallRate"
code = "TEAM201"
find = "torch.optim.SGD($model, lr=0.1)"
replace = "torch.optim.SGD($model, lr=0.01)"
message = "The rate is large."
step = true
why = "it is"

[[rule.example]]
before = "torch.optim.SGD(m, lr=0.1)"
after = "torch.optim.SGD(m, lr=0.01)"
"""
STALE = "train.py: client.py, conversion.json\n    run python -m codemods renew federated\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a training script, to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


def change_source() -> None:
    Path("train.py").write_text(TRAINING.replace("lr=0.1", "lr=0.25"))


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--clients", "5", "--rounds", "7", "--local-epochs", "2"],
        ["--skip", "count_steps"],
        ["--only", "insert_flare_init"],
        ["--loop", "train.py:10", "--model", "model"],
        ["--recipe", "fedprox-pt", "--fedprox-mu", "0.5"],
    ],
    ids=" ".join,
)
def test_a_folder_is_renewed_with_the_options_it_was_made_with(options: list[str]) -> None:
    assert run("apply", "train.py", *options).exit_code == OK
    up_to_date = run("renew", "--check")
    assert (up_to_date.exit_code, up_to_date.stdout) == (OK, "federated is up to date with train.py\n")
    change_source()
    found = run("renew", "--check")
    assert (found.exit_code, found.stdout) == (FINDINGS, f"federated is out of date with {STALE}")
    assert "0.25" not in Path("federated/client.py").read_text()
    assert run("renew").stdout == "federated is renewed from train.py: client.py, conversion.json\n"
    renewed = {path.name: path.read_text() for path in Path("federated").iterdir()}
    assert run("apply", "train.py", *options, "--check").exit_code == OK
    assert "0.25" in renewed["client.py"]
    assert run("renew", "--check").exit_code == OK


def test_rules_of_a_team_are_read_again(folder: Path) -> None:
    Path("team.toml").write_text(TEAM)
    done = run("apply", "train.py", "--rules", "team.toml")
    assert done.exit_code == OK, done.stderr
    assert json.loads(Path("federated/conversion.json").read_text())["options"] == {"rules": ["../team.toml"]}
    assert "lr=0.01" in Path("federated/client.py").read_text()
    assert run("renew", "--check").exit_code == OK


def test_rules_that_the_configuration_names_are_read_again(folder: Path) -> None:
    Path("project").mkdir()
    Path("project/train.py").write_text(TRAINING)
    Path("project/team.toml").write_text(TEAM)
    Path("project/pyproject.toml").write_text('[tool.flare-codemods]\nrules = ["team.toml"]\n')
    run("apply", "project/train.py")
    assert "lr=0.01" in Path("project/federated/client.py").read_text()
    assert run("renew", "--check").exit_code == OK


def test_what_job_has_set_stays() -> None:
    run("apply", "train.py")
    run("job", "federated", "--rounds", "9", "--site", "hospital-a:local_epochs=2", "--site", "hospital-b")
    assert run("renew", "--check").exit_code == OK
    change_source()
    assert run("renew", "federated").exit_code == OK
    assert "hospital-a" in Path("federated/job.py").read_text()
    assert json.loads(Path("federated/conversion.json").read_text())["job"]["num_rounds"] == 9


def test_edits_of_the_users_own_stay_while_their_file_need_not_change() -> None:
    run("apply", "train.py")
    job = Path("federated/job.py")
    job.write_text(f"# mine\n{job.read_text()}")
    assert run("renew", "--check").exit_code == OK
    change_source()
    assert run("renew").exit_code == OK
    assert job.read_text().startswith("# mine\n")
    client = Path("federated/client.py")
    client.write_text(f"# mine\n{client.read_text()}")
    Path("train.py").write_text(TRAINING.replace("lr=0.1", "lr=0.5"))
    before = client.read_text()
    found = run("renew")
    assert found.exit_code == ERROR
    assert "client.py was edited since it was written and is kept; overwrite it with --force" in found.stderr
    assert client.read_text() == before
    assert run("renew", "--force").exit_code == OK
    assert "lr=0.5" in client.read_text()


def test_a_file_that_is_missing_is_written_again() -> None:
    run("apply", "train.py")
    Path("federated/model.py").unlink()
    assert run("renew", "--check").stdout.startswith("federated is out of date with train.py: model.py\n")
    assert run("renew").exit_code == OK
    assert Path("federated/model.py").is_file()


def test_a_file_that_is_no_longer_made_is_named() -> None:
    Path("net.py").write_text("import torch\n\n\ndef rate():\n    return 0.1\n")
    Path("train.py").write_text(f"import net\n{TRAINING}print(net.rate())\n")
    run("apply", "train.py")
    Path("train.py").write_text(TRAINING)
    assert "federated/net.py is no longer made; delete it" in run("renew").stdout


def test_every_converted_folder_below_is_looked_at_and_no_other(folder: Path) -> None:
    for name in ("one", "two/deep", ".hidden"):
        Path(name).mkdir(parents=True)
        (folder / name / "train.py").write_text(TRAINING)
        run("apply", f"{name}/train.py")
    Path("environment/federated").mkdir(parents=True)
    Path("environment/pyvenv.cfg").touch()
    Path("environment/federated/conversion.json").write_bytes(Path("one/federated/conversion.json").read_bytes())
    Path("other").mkdir()
    Path("other/conversion.json").write_text('{"from": "miles"}')
    found = run("renew", "--check")
    assert found.stdout.splitlines() == [
        f"{name}/federated is up to date with {name}/train.py" for name in ("one", "two/deep")
    ]
    assert found.exit_code == OK


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: Path("train.py").unlink(), "federated: its source train.py does not exist"),
        (lambda: Path("train.py").write_text("import torch\n"), "FLR103"),
        (lambda: Path("train.py").write_text("import torch\nfor x in range(3:\n"), "train.py:2"),
        (lambda: Path("federated/conversion.json").write_text('<<<<<<< HEAD\n{"class_path": "a.B"}'), "not valid JSON"),
    ],
)
def test_what_can_no_longer_be_converted_is_an_error(change, message: str) -> None:
    run("apply", "train.py")
    change()
    for arguments in (["renew", "--check"], ["renew"]):
        found = run(*arguments)
        assert found.exit_code == ERROR
        assert message in found.stderr
        assert "Traceback" not in found.stderr


@pytest.mark.parametrize("chosen", [[], ["--recipe", "cyclic-pt"]])
def test_a_script_that_trains_something_else_now_is_converted_anew(chosen: list[str]) -> None:
    run("apply", "train.py")
    run("job", "federated", *chosen)
    shutil.copyfile(ROOT / "fixtures/numpy_breast_cancer/source/train.py", "train.py")
    before = {path: path.read_bytes() for path in Path("federated").iterdir()}
    found = run("renew")
    assert found.exit_code == ERROR
    assert "fedavg-pt is not for what this script trains" in found.stderr
    assert "python -m codemods apply train.py --out federated --force" in found.stderr
    assert {path: path.read_bytes() for path in Path("federated").iterdir()} == before
    assert run("apply", "train.py", "--out", "federated", "--force").exit_code == OK
    assert run("renew", "--check").exit_code == OK


def test_that_there_is_nothing_to_renew_is_said() -> None:
    found = run("renew", "--check")
    assert (found.exit_code, found.stderr) == (OK, "there is no converted folder here\n")


def test_a_folder_that_is_named_and_holds_no_conversion_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    found = run("renew", "--check", "other")
    assert found.exit_code == ERROR
    assert found.stderr == "error: other is no converted folder and has none below it; give one that `apply` wrote\n"


def test_a_path_that_is_no_folder(folder: Path) -> None:
    found = run("renew", "train.py")
    assert (found.exit_code, found.stderr.startswith("error: train.py is not a folder")) == (ERROR, True)


def test_the_examples_of_this_project_are_up_to_date() -> None:
    found = run("renew", "--check", str(ROOT / "fixtures"))
    assert found.exit_code == OK, found.stdout
    assert len(found.stdout.splitlines()) == len(list((ROOT / "fixtures").glob("*/expected/conversion.json")))
