"""In a terminal: colours where they are wanted, the same words everywhere, and questions that are answered."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import engine.terminal
from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK

ROOT = Path(__file__).parent.parent
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
checkpoint = torch.load("x.pt")
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
COLOUR = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path


def terminal(*arguments: str, answers: str = "", **environment: str) -> tuple[int, str]:
    """Run a command in a terminal of its own: its exit code and what is seen there, with what is typed."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "40", "NO_COLOR": "", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "codemods", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the process has closed its end
            break
    os.close(ours)
    return process.wait(60), seen.decode().replace("\r\n", "\n")


def run(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, input=answers, catch_exceptions=False)


def test_a_terminal_gets_colours_and_the_same_words(folder: Path) -> None:
    code, seen = terminal("apply", "train.py", "--out", "a" * 50)
    assert code == OK
    assert COLOUR.search(seen)
    plain = run("apply", "train.py", "--out", "b" * 50).stdout
    assert COLOUR.sub("", seen) == plain.replace("b" * 50, "a" * 50)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_refused(environment: dict[str, str]) -> None:
    code, seen = terminal("apply", "train.py", **environment)
    assert (code, COLOUR.search(seen)) == (OK, None)


def test_brackets_are_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(engine.terminal, "_has_colours", lambda stream: True)
    engine.terminal.show("Optional[int] [bold]x[/bold] :smile: " * 5, engine.terminal.RESULTS)
    assert COLOUR.sub("", capsys.readouterr().out) == "Optional[int] [bold]x[/bold] :smile: " * 5 + "\n"


def test_without_a_terminal_rich_is_not_imported(folder: Path) -> None:
    code = (
        "import sys\nfrom codemods.__main__ import main\nmain(['apply', 'train.py'], standalone_mode=False)\n"
        "assert 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert done.returncode == 0


def test_each_change_is_asked_about(folder: Path) -> None:
    code, seen = terminal("apply", "train.py", "--interactive", answers="y\n" * 12)
    assert code == OK
    words = COLOUR.sub("", seen)
    asked = len(re.findall(r"Make this change(?: of \d+ hunks)? \[y,n,q,a,d,\?\]\?", words))
    changed = [
        s for s in json.loads((folder / "federated/conversion.json").read_text())["steps"] if s["status"] == "changed"
    ]
    assert asked == len(changed) == 9
    assert "\n+import nvflare.client as flare\n" in words and "\x1b[32m+import nvflare" in seen
    accepted = {path.name: path.read_bytes() for path in (folder / "federated").iterdir()}
    run("apply", "train.py", "--out", "usual")
    usual = {path.name: path.read_bytes() for path in (folder / "usual").iterdir()}
    assert accepted == usual


def test_a_change_that_is_declined_is_not_made_and_the_conversion_says_so(folder: Path) -> None:
    count = next(n for n, name in enumerate(asked_about(folder)) if name == "safe_checkpoint_load")
    result = run("apply", "train.py", "--interactive", answers="y\n" * count + "n\na\n")
    assert result.exit_code == OK
    assert "safe_checkpoint_load is left out. It is there for a reason: a pickled checkpoint" in result.stderr
    assert "train.py is converted in part, into " in result.stdout
    assert "  left out safe_checkpoint_load, which is there for a reason: a pickled" in result.stdout
    assert "is now a federated job" not in result.stdout
    record = json.loads((folder / "federated/conversion.json").read_text())
    assert record["left_out"] == ["safe_checkpoint_load"]
    client = (folder / "federated/client.py").read_text()
    assert "weights_only" not in client and "flare.send(" in client
    assert run("apply", "train.py", "--check").exit_code == FINDINGS
    assert run("renew", "federated", "--check").exit_code == OK


def asked_about(folder: Path) -> list[str]:
    """The steps that change something, in order."""
    run("apply", "train.py", "--out", "all")
    steps = json.loads((folder / "all/conversion.json").read_text())["steps"]
    return [step["name"] for step in steps if step["status"] == "changed"]


def test_what_needs_a_declined_change_is_left_out_too(folder: Path) -> None:
    count = asked_about(folder).index("wrap_in_is_running")
    result = run("apply", "train.py", "--interactive", answers="y\n" * count + "n\na\n")
    assert "send_params is left out, because it needs wrap_in_is_running." in result.stderr
    left_out = json.loads((folder / "federated/conversion.json").read_text())["left_out"]
    assert {"wrap_in_is_running", "load_global_params", "count_steps", "send_params"} <= set(left_out)
    assert "is_running" not in (folder / "federated/client.py").read_text()


def test_d_leaves_out_the_rest(folder: Path) -> None:
    names = asked_about(folder)
    assert run("apply", "train.py", "--interactive", answers="y\nd\n").exit_code == OK
    assert json.loads((folder / "federated/conversion.json").read_text())["left_out"] == names[1:]


@pytest.mark.parametrize("answers", ["q\n", "y\ny\nq\n", "", "y\n"])
def test_quitting_writes_nothing(folder: Path, answers: str) -> None:
    result = run("apply", "train.py", "--interactive", answers=answers)
    assert result.exit_code == ERROR
    assert result.stderr.endswith("error: you have quit; nothing was written\n")
    assert {path.name for path in folder.iterdir()} == {"train.py"}


@pytest.mark.parametrize("answer", ["?", "x", ""])
def test_help_is_shown_for_what_is_no_answer(answer: str) -> None:
    result = run("apply", "train.py", "--interactive", answers=f"{answer}\nq\n")
    assert "a - make this change and all that follow" in result.stderr


def test_a_decision_is_told_with_how_to_decide_otherwise(folder: Path) -> None:
    decided = "  decided  metrics: no metrics are sent: the script does not evaluate its model\n"
    assert f"{decided}           otherwise: write the evaluation" in run("apply", "train.py").stdout


def test_skipping_a_step_is_told_as_well(folder: Path) -> None:
    result = run("apply", "train.py", "--skip", "safe_checkpoint_load")
    assert "converted in part" in result.stdout
    assert "converted in part" not in run("apply", "train.py", "--skip", "rank_zero_exchange", "--out", "b").stdout
    document = json.loads(run("apply", "train.py", "--skip", "count_steps", "--out", "c", "--format", "json").stdout)
    assert (document["status"], document["left_out"]) == ("converted_in_part", ["count_steps"])


def test_a_job_can_be_changed_after_a_conversion_in_part(folder: Path) -> None:
    run("apply", "train.py", "--skip", "safe_checkpoint_load")
    assert run("job", "federated", "--rounds", "3").exit_code == OK


def test_the_report_says_what_is_left_out(folder: Path) -> None:
    run("apply", "train.py", "--skip", "safe_checkpoint_load", "--report", "report.html")
    assert "Converted in part, without safe_checkpoint_load" in (folder / "report.html").read_text()


def test_interactive_and_check_are_two_things(folder: Path) -> None:
    result = run("apply", "train.py", "--interactive", "--check")
    assert (result.exit_code, "choose one of them" in result.stderr) == (ERROR, True)
