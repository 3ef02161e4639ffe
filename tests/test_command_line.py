"""The command line: what it answers to bad input, what it writes and what it leaves alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods import PIPELINE
from codemods.__main__ import COMMANDS, main
from codemods.commands import ERROR, FINDINGS, OK, REFUSED

ROOT = Path(__file__).parent.parent
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)  # the smallest there is
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
LIGHTNING = """\
import lightning as L
import torch


class Net(L.LightningModule):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


L.Trainer(max_epochs=3).fit(Net())
"""
NESTED = f"import torch\nx = {'+'.join('1' * 20000)}\n"
TWO = {"a.py": TRAINING, "b.py": TRAINING}
BAD_INPUT = {
    "missing path": ({}, "train.py", ERROR, "does not exist"),
    "empty file": ("", "train.py", REFUSED, "FLR103 .*no training"),
    "syntax error": ("import torch\nfor x in range(3:\n", "train.py", REFUSED, r"train\.py:2: FLR101 .*syntax"),
    "return at the top": ("import torch\nreturn 1\n", "train.py", REFUSED, r"train\.py:2: FLR101 .*outside function"),
    "Python 2": ('import torch\nprint "hello"\n', "train.py", REFUSED, r"train\.py:2: FLR101 .*Python 2"),
    "binary file": ("torch\0\1\2", "train.py", ERROR, "is a binary file"),
    "program": ({"train": "\x7fELF\0\0"}, "train", ERROR, "is a binary file"),
    "encoding": (b"# caf\xe9\nimport torch\n", "train.py", ERROR, "not text in a readable encoding"),
    "unknown encoding": ("# coding: klingon\nimport torch\n", "train.py", ERROR, "readable encoding"),
    "no training script": ({"notes.py": "print(1)\n"}, ".", ERROR, "holds no script that trains"),
    "two training scripts": (TWO, ".", ERROR, r"\(a\.py, b\.py\); choose one with --entry"),
    "entry that is not there": (TWO, ". --entry c.py", ERROR, r"c\.py does not exist"),
    "no training loop": ("import torch\nprint(torch.ones(1))\n", "train.py", REFUSED, "FLR103 .*no training"),
    "Lightning": (LIGHTNING, "train.py", REFUSED, r"train\.py:10: FLR105 .*Lightning"),
    "model argument": (TRAINING, "train.py --model-arg 3", ERROR, "--model-arg 3 is not NAME=VALUE"),
    "unknown model argument": (TRAINING, "train.py --model-arg hiden=3", ERROR, "no such argument; it is built with"),
    "no such loop": (TRAINING, "train.py --loop train.py:99", ERROR, "train.py:99"),
    "nested too deeply": (NESTED, "train.py", REFUSED, "nested too deeply"),
    "no such option": (TRAINING, "train.py --nonsense", ERROR, "No such option"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    """The files below a folder and what they hold."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, contents: dict[str, str | bytes]) -> None:
    """Write files."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def run(*arguments: str) -> Result:
    """Run a command in this process; whatever it raises, but for its exit, is raised."""
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def training(folder: Path) -> Path:
    """A folder with a training script, converted."""
    write(folder, {"train.py": TRAINING})
    assert run("apply", "train.py").exit_code == OK
    return folder


@pytest.mark.parametrize("command", ["inspect", "apply"])
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence_and_writes_nothing(folder: Path, command: str, case: str) -> None:
    contents, arguments, code, message = BAD_INPUT[case]
    write(folder, contents if isinstance(contents, dict) else {"train.py": contents})
    before = files(folder)
    result = run(command, *arguments.split())
    assert result.exit_code == code
    text = result.stderr if result.exit_code == ERROR else result.stdout
    assert re.search(message, text, re.IGNORECASE)
    if result.exit_code == ERROR:
        assert text.startswith(("error: ", "Usage: "))
        assert result.stdout == ""
        assert len(text.splitlines()) == 1 or text.startswith("Usage: ")
    assert "Traceback" not in result.output
    assert files(folder) == before


def test_a_module_of_a_name_that_the_job_needs(folder: Path) -> None:
    write(folder, {"train.py": f"import client\n{TRAINING}", "client.py": ""})
    result = run("apply", "train.py")
    assert result.exit_code == ERROR
    assert result.stderr == "error: client.py:1: the job needs a file of its own named client.py; rename this module\n"
    assert set(files(folder)) == {"train.py", "client.py"}


def test_bad_input_in_a_process_of_its_own_shows_no_traceback(folder: Path) -> None:
    write(folder, {"train.py": "import torch\nfor x in range(3:\n"})
    done = python("-m", "codemods", "apply", str(folder / "train.py"))
    assert done.returncode == REFUSED
    assert "train.py:2" in done.stdout
    assert done.stderr == ""


def test_what_the_system_refuses_is_one_sentence(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "client.py":  # root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    result = run("apply", "train.py", "--rounds", "9")
    assert result.exit_code == ERROR
    assert result.stderr.endswith("client.py cannot be read or written (Permission denied); mend that and try again\n")
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_output_that_cannot_be_written_is_one_sentence(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "codemods", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ERROR
    assert done.stderr.startswith("error: what is told cannot be written (No space left on device)")
    assert "Traceback" not in done.stderr


def test_a_working_directory_that_is_gone_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for arguments in (("inspect", str(folder)), ("lint", "."), ("list",)):
        result = run(*arguments)
        assert result.exit_code == ERROR
        assert result.stderr == "error: the working directory does not exist any more; change to one that does\n"
    assert run("--help").exit_code == OK


def test_what_is_to_be_typed_next_is_quoted_where_it_has_to_be(folder: Path) -> None:
    write(folder, {"my work/train.py": TRAINING})
    assert "Next: python -m codemods verify 'my work/federated'\n" in run("apply", "my work/train.py").stdout


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python beside the packages."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


HEAVY = {
    "torch",
    "nvflare",
    "numpy",
    "libcst",
    "fixit",
    "trailrunner",
    "pydantic",
    "jinja2",
    "rich",
    "pygls",
    "lsprotocol",
}


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("--help", set()),
        ("inspect train.py", set()),
        ("apply train.py", {"libcst", "jinja2"}),
        ("apply train.py --check --format json", {"libcst", "jinja2"}),
        ("apply train.py --clients 3", {"libcst", "jinja2", "pydantic"}),
    ],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(folder: Path, command: str, needed: set[str]) -> None:
    write(folder, {"train.py": TRAINING})
    code = f"""
import sys
from codemods.__main__ import main
try:
    main({command.replace("train.py", str(folder / "train.py")).split()!r})
except SystemExit:
    print(sorted({HEAVY!r} & sys.modules.keys()))
"""
    done = python("-c", code)
    assert len(done.stdout.splitlines()) > 1
    assert done.stdout.splitlines()[-1] == str(sorted(needed))


def test_apply_writes_a_job_beside_the_script_and_says_so(training: Path) -> None:
    assert set(files(training / "federated")) == {
        "client.py",
        "model.py",
        "job.py",
        "conversion.json",
        "requirements.txt",
    }
    for name in ("client.py", "model.py", "job.py"):
        compile((training / "federated" / name).read_bytes(), name, "exec")
    result = run("apply", "train.py", "--out", "elsewhere/deep")
    assert "train.py is now a federated job in elsewhere/deep" in result.stdout
    assert (training / "elsewhere/deep/client.py").is_file()


def test_the_source_project_is_untouched(training: Path) -> None:
    assert (training / "train.py").read_text() == TRAINING
    assert {path.name for path in training.iterdir()} == {"train.py", "federated"}


def test_apply_twice_is_the_same_as_once(training: Path) -> None:
    before = files(training)
    stamps = {path: path.stat().st_mtime_ns for path in training.rglob("*")}
    result = run("apply", "train.py")
    assert result.exit_code == OK
    assert "up to date" in result.stdout
    assert files(training) == before
    assert {path: path.stat().st_mtime_ns for path in training.rglob("*")} == stamps


@pytest.mark.parametrize("flag", ["--diff", "--check"])
def test_diff_and_check_write_nothing_and_exit_1_when_something_would_change(folder: Path, flag: str) -> None:
    write(folder, {"train.py": TRAINING})
    assert run("apply", "train.py", flag).exit_code == FINDINGS
    assert set(files(folder)) == {"train.py"}
    run("apply", "train.py")
    before = files(folder)
    result = run("apply", "train.py", flag)
    assert (result.exit_code, result.stdout) == (OK, "")
    write(folder, {"train.py": TRAINING.replace("0.1", "0.2")})
    result = run("apply", "train.py", flag)
    assert result.exit_code == FINDINGS
    told = {"--check": "federated would change: client.py, conversion.json\n", "--diff": ""}
    assert result.stderr == told[flag]
    assert files(folder) == {**before, "train.py": files(folder)["train.py"]}


def test_diff_shows_the_change_of_the_users_own_code(folder: Path) -> None:
    write(folder, {"train.py": TRAINING})
    text = run("apply", "train.py", "--diff").stdout
    assert "--- a/train.py\n+++ b/client.py\n" in text
    assert "-for epoch in range(3):\n" in text
    assert "+    for epoch in range(args.epochs):\n" in text
    assert "+++ b/job.py\n" in text
    assert " model = torch.nn.Linear(2, 1)  # the smallest there is\n" in text


@pytest.mark.parametrize("name", ["client.py", "job.py", "model.py", "conversion.json"])
def test_a_file_that_the_tool_did_not_write_is_kept(folder: Path, name: str) -> None:
    write(folder, {"train.py": TRAINING, f"federated/{name}": "my own\n"})
    before = files(folder)
    result = run("apply", "train.py")
    assert result.exit_code == ERROR
    assert re.fullmatch(
        rf"error: .*federated/{name} was not written by this tool and is kept; .*--force\n", result.stderr
    )
    assert files(folder) == before
    assert run("apply", "train.py", "--force").exit_code == OK
    assert (folder / "federated" / name).read_text() != "my own\n"


def test_a_file_that_was_edited_since_is_kept(training: Path) -> None:
    edited = training / "federated" / "client.py"
    edited.write_text(f"# mine\n{edited.read_text()}")
    before = files(training)
    result = run("apply", "train.py")
    assert result.exit_code == ERROR
    assert re.fullmatch(r"error: .*client\.py was edited since it was written and is kept; .*\n", result.stderr)
    assert files(training) == before
    assert run("apply", "train.py", "--force").exit_code == OK
    assert not edited.read_text().startswith("# mine")


def test_a_file_of_the_users_own_beside_those_of_the_tool_stays(training: Path) -> None:
    write(training, {"federated/notes.txt": "mine\n"})
    assert run("apply", "train.py", "--local-epochs", "2").exit_code == OK
    assert (training / "federated/notes.txt").read_text() == "mine\n"


def test_a_changed_script_changes_the_job(training: Path) -> None:
    write(training, {"train.py": TRAINING.replace("0.1", "0.2")})
    assert run("apply", "train.py").exit_code == OK
    assert "lr=0.2" in (training / "federated/client.py").read_text()


def test_only_and_skip_choose_the_steps(folder: Path) -> None:
    write(folder, {"train.py": TRAINING})
    run("apply", "train.py", "--only", "insert_flare_init", "--out", "only")
    text = (folder / "only/client.py").read_text()
    assert "flare.init()" in text
    assert "is_running" not in text
    run("apply", "train.py", "--skip", "count_steps", "--out", "skip")
    text = (folder / "skip/client.py").read_text()
    assert "is_running" in text
    assert "register_step_post_hook" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--only nonsense", "there is no step nonsense"),
        ("--skip nonsense", "there is no step nonsense"),
        ("--skip wrap_in_is_running", "needs what wrap_in_is_running makes"),
        ("--clients 0", "0 is not in the range"),
    ],
)
def test_steps_and_settings_that_cannot_be(folder: Path, arguments: str, message: str) -> None:
    write(folder, {"train.py": TRAINING})
    result = run("apply", "train.py", *arguments.split())
    assert result.exit_code == ERROR
    assert message in result.stderr
    assert set(files(folder)) == {"train.py"}


@pytest.mark.parametrize("step", [step.name for step in PIPELINE])
def test_every_step_can_run_alone_and_be_left_out(folder: Path, step: str) -> None:
    write(folder, {"train.py": TRAINING})
    assert run("apply", "train.py", "--only", step, "--out", "only").exit_code == OK
    if step != "wrap_in_is_running":
        assert run("apply", "train.py", "--skip", step, "--out", "skip").exit_code == OK


def test_settings_of_the_job(folder: Path) -> None:
    write(folder, {"train.py": TRAINING})
    run("apply", "train.py", "--clients", "5", "--rounds", "7", "--local-epochs", "2")
    text = (folder / "federated/job.py").read_text()
    for option, value in (("--clients", 5), ("--rounds", 7), ("--local-epochs", 2)):
        assert re.search(rf'"{option}", type=int, default={value},', text)


def test_job_changes_only_the_job(training: Path) -> None:
    before = files(training / "federated")
    assert run("job", "federated", "--rounds", "9", "--check").exit_code == FINDINGS
    assert files(training / "federated") == before
    assert run("job", "federated", "--rounds", "9").exit_code == OK
    after = files(training / "federated")
    assert {name for name in after if after[name] != before.get(name)} == {"job.py", "conversion.json"}
    assert b"default=9" in after["job.py"]


@pytest.mark.parametrize(
    "arguments",
    [
        "inspect train.py",
        "apply train.py",
        "apply train.py --check",
        "apply bad.py",
        "inspect bad.py",
        "apply none.py",
        "list",
    ],
)
def test_json_is_one_document_and_nothing_else(folder: Path, arguments: str) -> None:
    write(folder, {"train.py": TRAINING, "bad.py": "for x in range(3:\n", "none.py": "import torch\n"})
    document = json.loads(run(*arguments.split(), "--format", "json").stdout)
    assert isinstance(document, dict)


def test_what_apply_tells_as_json(folder: Path) -> None:
    write(folder, {"train.py": TRAINING, "bad.py": "import torch\nfor x in range(3:\n"})
    document = json.loads(run("apply", "train.py", "--format", "json").stdout)
    assert document["status"] == "converted"
    assert document["files"] == ["client.py", "conversion.json", "job.py", "model.py", "requirements.txt"]
    assert [step["name"] for step in document["steps"]] == [step.name for step in PIPELINE]
    document = json.loads(run("apply", "bad.py", "--format", "json").stdout)
    assert document["status"] == "refused"
    assert [(one["rule"], one["line"]) for one in document["blockers"]] == [("FLR101", 2)]


def test_what_apply_has_written_is_not_linted(training: Path) -> None:
    run("apply", "train.py", "--out", "deep/federated")
    (training / "deep/federated/own.py").write_text((training / "deep/federated/client.py").read_text())
    told = run("lint", "deep", "deep/federated/client.py").stdout
    assert "own.py:" in told and "FLR104" in told
    assert "client.py:" not in told and told.endswith("in 1 file\n")


def test_a_converted_script_is_not_converted_again(training: Path) -> None:
    result = run("apply", "federated/client.py")
    assert result.exit_code == REFUSED
    assert "FLR104" in result.stdout


def test_the_script_of_a_folder_is_found(folder: Path) -> None:
    write(folder, {"project/train.py": TRAINING, "project/helpers.py": "x = 1\n"})
    assert run("apply", "project").exit_code == OK
    assert (folder / "project/federated/client.py").is_file()
    write(folder, {"two/a.py": TRAINING, "two/b.py": TRAINING})
    assert run("apply", "two", "--entry", "b.py").exit_code == OK
    assert json.loads((folder / "two/federated/conversion.json").read_text())["source"]["entry"] == "b.py"


@pytest.mark.parametrize("name", [*[step.name for step in PIPELINE], "FLR104", "AlreadyFederated"])
def test_every_step_and_rule_is_listed_and_explained(name: str) -> None:
    assert name in run("list").stdout
    result = run("explain", name)
    assert result.exit_code == OK
    assert name in result.stdout
    assert len(result.stdout.split()) > 20


def test_a_code_is_explained_in_small_letters_too() -> None:
    assert run("explain", "flr202").stdout == run("explain", "FLR202").stdout


def test_help_says_what_each_command_does_in_a_whole_sentence() -> None:
    told = run("--help").stdout
    assert "..." not in told.partition("Commands:")[2]
    assert re.findall(r"^  (\w+)  ", told.partition("Commands:")[2], re.MULTILINE) == list(COMMANDS)


def test_what_only_a_plan_refuses_is_said_by_an_example() -> None:
    for code in (line.split()[0] for line in run("list").stdout.splitlines() if "FLR15" in line or "FLR16" in line):
        said = run("explain", code).stdout
        assert "..." not in said.replace("range(...)", "") and "{what}" not in said, said
    assert "--model-arg hidden_size=VALUE" in run("explain", "FLR160").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("inspct train.py", "Error: there is no command inspct; did you mean inspect?"),
        ("nonsense", "Error: there is no command nonsense; `python -m codemods --help` names them"),
        ("train.py", "Error: train.py is no command; put one before it, such as inspect train.py"),
        (".", "Error: . is no command; put one before it, such as inspect ."),
        ("explain nonsense", "error: there is no step or rule nonsense; `python -m codemods list` names them"),
        ("explain count_step", "error: there is no step or rule count_step; did you mean count_steps?"),
        ("explain unsafetorchload", "error: there is no step or rule unsafetorchload; did you mean UnsafeTorchLoad?"),
        ("apply train.py --only SendParams", "error: there is no step SendParams; did you mean send_params?"),
        ("lint train.py --select UnsafeLoad", "error: no rule is called UnsafeLoad; did you mean UnsafeTorchLoad?"),
        ("inspect train.py --entri a", "Error: No such option: --entri Did you mean --entry?"),
    ],
)
def test_a_name_that_there_is_not_is_told_with_the_one_that_was_meant(folder: Path, arguments: str, told: str) -> None:
    write(folder, {"train.py": TRAINING})
    result = run(*arguments.split())
    assert result.exit_code == ERROR
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == told
