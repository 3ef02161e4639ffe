"""Nothing of the user's code runs, nothing of theirs is lost, and what is written is written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import ERROR, OK
from engine import atomic
from engine.pipeline import comments
from engine.result import UserError
from tests.test_command_line import TRAINING, files, python, write

HARMFUL = '''\
"""Does harm in every way a file can when it is imported, run, or looked at too closely."""
import os
import subprocess
import sys

import torch

import helper

OWNED = open("harm-module-level", "w").close()
os.system("touch harm-system")
subprocess.run(["touch", "harm-subprocess"])
exec("open('harm-exec', 'w').close()")
__import__("socket").create_connection(("127.0.0.1", 9))


def harm(value=open("harm-default", "w").close()):
    open("harm-function", "w").close()
    return value


class Meta(type(torch.nn.Module)):
    def __new__(mcs, *arguments):
        open("harm-metaclass", "w").close()
        return super().__new__(mcs, *arguments)


@harm
class Net(torch.nn.Linear, metaclass=Meta):
    owned = open("harm-class-body", "w").close()


model = torch.nn.Linear(2, 1)  # {harm()} %(harm)s ${harm}
optimizer = torch.optim.SGD(model.parameters(), lr=harm() or 0.1)
for epoch in range(int(os.environ.get("EPOCHS", harm() or 3))):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
    print(f"{harm()}")
sys.exit(harm())
'''
WATCHED = """
import sys
events = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.spawn", "urllib.")):
        events.append(event)
    elif event == "exec" and "harmful" in arguments[0].co_filename:
        events.append("exec of the script")
sys.addaudithook(watch)
from codemods.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    print(exit.code, sorted(set(events)))
"""


@pytest.mark.parametrize(
    "command", ["inspect", "lint", "lint --fix --unsafe", "apply", "apply --check", "apply --diff"]
)
def test_a_harmful_script_is_never_executed(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "harmful"
    write(folder, {"train.py": HARMFUL, "helper.py": "open('harm-import', 'w').close()\n", "conftest.py": "1 / 0\n"})
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command.split(), "train.py"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] in ("0 []", "1 []", "3 []"), done.stdout + done.stderr
    assert done.stderr == "" or command == "apply --check" and done.stderr.startswith("federated would change: ")
    assert [name for name in files(tmp_path) if "harm-" in name or "__pycache__" in name] == []


def test_a_script_that_would_do_harm_is_converted_like_any_other(tmp_path: Path) -> None:
    harmful = TRAINING.replace("import torch\n", "import os\nimport torch\nos.system('touch harm')\n")
    write(tmp_path, {"train.py": harmful})
    assert run("apply", str(tmp_path / "train.py")).exit_code == OK
    assert run("job", str(tmp_path / "federated"), "--rounds", "5").exit_code == OK
    assert "os.system('touch harm')\n" in (tmp_path / "federated/client.py").read_text()
    assert "harm" not in {path.name for path in tmp_path.iterdir()}


def run(*arguments: str):
    """Run a command in this process."""
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


@pytest.mark.parametrize("way", ["at-every-call", "at-random-moments", "two-at-once"])
def test_all_files_appear_or_none(tmp_path: Path, way: str) -> None:
    """What a killed write left pending counts as written: the next run puts it in its place."""
    script = str(Path(__file__).with_name("killed_writes.py"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, script, str(tmp_path / "federated"), way],
        env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) >= {"at-every-call": 40, "at-random-moments": 50, "two-at-once": 5}[way]
    for outcome in outcomes:
        assert outcome["pending"] or outcome["left"] != "mixed"
        assert outcome["finished"] in ("none", "old", "new")
        assert not outcome["pending_after"]
        if outcome["pending"]:
            assert outcome["finished"] != "none"


def test_what_a_killed_run_left_pending_is_completed_by_the_next(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING})
    run("apply", str(tmp_path / "train.py"))
    complete = files(tmp_path / "federated")
    (tmp_path / "federated" / atomic.PENDING).mkdir()
    for name in ("model.py", "job.py"):
        (tmp_path / "federated" / name).rename(tmp_path / "federated" / atomic.PENDING / name)
    result = run("apply", str(tmp_path / "train.py"))
    assert (result.exit_code, "up to date" in result.stdout) == (OK, True)
    assert files(tmp_path / "federated") == complete
    assert not (tmp_path / "federated" / atomic.PENDING).exists()


def test_what_was_staged_long_ago_is_removed(tmp_path: Path) -> None:
    old, recent = (tmp_path / f"{atomic.STAGED}{kind}" for kind in ("old", "recent"))
    for folder in (old, recent):
        write(folder, {"client.py": "half"})
    os.utime(old, (0, 0))
    atomic.write(tmp_path / "federated", {"client.py": b"whole"})
    assert {path.name for path in tmp_path.iterdir()} == {"federated", recent.name}


@pytest.mark.parametrize("exists", [False, True])
def test_what_counts_lies_on_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    """A machine that loses its power after the renaming has whole files, not empty ones."""
    if exists:
        write(tmp_path, {"federated/mine.txt": "mine"})
    calls: list[str] = []
    for name in ("fsync", "rename"):
        called = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, n=name, f=called: (calls.append(n), f(*given))[1])
    atomic.write(tmp_path / "federated", {"client.py": b"new", "nets/small.py": b"new"})
    assert calls == ["fsync", "fsync", "rename"]


CALLS = ("mkdir", "rename", "replace", "fsync", "chmod")


@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_call_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    """A full disk, a read-only folder, a lost share: whichever call it is that fails until the write counts."""
    new = {"client.py": b"new", "nets/small.py": b"new", "job.py": b"new"}
    failures = 0
    for count in range(1, 200):
        folder = tmp_path / str(count) / "deep" / "federated"
        if exists:
            write(folder, {"client.py": "old", "mine.txt": "mine"})
        before, there = files(tmp_path), sorted(tmp_path.rglob("*"))
        with monkeypatch.context() as patch:
            failed = fail_at(count, patch)
            try:
                atomic.write(folder, new, {"job.py": 0o755})
            except UserError as error:
                message = str(error)
            else:
                if not failed:
                    break
                continue  # that call may fail
        if "run the command again" in message:  # it counted already, and is completed
            atomic.write(folder, {})
            atomic.finish(folder)
            assert {name: content for name, content in files(folder).items() if name != "mine.txt"} == new
        else:
            failures += 1
            assert message.endswith("cannot be written to (No space left on device); nothing was written")
            assert files(tmp_path) == before
            assert sorted(tmp_path.rglob("*")) == there
    assert failures > 5
    assert (folder / "nets/small.py").read_bytes() == b"new"


def fail_at(count: int, patch: pytest.MonkeyPatch) -> list[str]:
    """The count-th call that reaches the file system fails; its name is in the list when it has."""
    done = 0
    failed: list[str] = []

    def failing(function):
        def call(*arguments, **options):
            nonlocal done
            done += 1
            if done == count:
                failed.append(function.__name__)
                raise OSError(28, "No space left on device")
            return function(*arguments, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, failing(getattr(os, name)))
    return failed


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
from codemods.__main__ import main
main(sys.argv[1:])
"""


def test_a_full_disk(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING})
    done = python("-c", LIMITED, "apply", str(tmp_path / "train.py"))
    assert done.returncode == ERROR
    assert done.stderr.endswith("federated cannot be written to (File too large); nothing was written\n")
    assert len(done.stderr.splitlines()) == 1
    assert set(files(tmp_path)) == {"train.py"}
    assert {path.name for path in tmp_path.iterdir()} == {"train.py"}


WITHOUT_PRIVILEGES = """
import ctypes, sys
if sys.platform == "linux":  # where tests are run as root, which may write anywhere
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
from codemods.__main__ import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("place", [".", "federated"])
def test_a_read_only_folder(tmp_path: Path, place: str) -> None:
    write(tmp_path, {"train.py": TRAINING, f"{place}/mine.txt": "mine"})
    before = files(tmp_path)
    (tmp_path / place).chmod(0o555)
    try:
        done = python("-c", WITHOUT_PRIVILEGES, "apply", str(tmp_path / "train.py"))
    finally:
        (tmp_path / place).chmod(0o755)
    assert done.returncode == ERROR
    assert done.stderr.endswith("federated cannot be written to (Permission denied); nothing was written\n")
    assert len(done.stderr.splitlines()) == 1
    assert files(tmp_path) == before


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING, "federated": "mine"})
    result = run("apply", str(tmp_path / "train.py"))
    assert result.exit_code == ERROR
    assert result.stderr.endswith("federated cannot be written to (File exists); nothing was written\n")
    assert files(tmp_path) == {"train.py": TRAINING.encode(), "federated": b"mine"}


def test_a_folder_where_a_file_would_lie(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING, "federated/job.py/notes.txt": "mine"})
    before = files(tmp_path)
    result = run("apply", str(tmp_path / "train.py"))
    assert result.exit_code == ERROR
    assert result.stderr.endswith("(job.py is a folder there); nothing was written\n")
    assert files(tmp_path) == before


@pytest.mark.parametrize("link", ["client.py", "nets"])
def test_a_symbolic_link_out_of_the_folder(tmp_path: Path, link: str) -> None:
    network = "import torch\n\n\nclass Net(torch.nn.Linear):\n    pass\n"
    script = TRAINING.replace("import torch\n", "import torch\n\nfrom nets.small import Net\n")
    script = script.replace("torch.nn.Linear(2, 1)", "Net(2, 1)")
    write(tmp_path, {"train.py": script, "nets/__init__.py": "", "nets/small.py": network, "outside/secret": "mine"})
    (tmp_path / "federated").mkdir()
    target = tmp_path / "outside" if link == "nets" else tmp_path / "outside/secret"
    (tmp_path / "federated" / link).symlink_to(target)
    before = files(tmp_path)
    for force in ([], ["--force"]):
        result = run("apply", str(tmp_path / "train.py"), *force)
        assert result.exit_code == ERROR
        assert len(result.stderr.splitlines()) == 1
        assert files(tmp_path) == before
    assert "by a symbolic link; nothing was written" in result.stderr


def test_permissions_are_those_of_the_source_and_then_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING})
    (tmp_path / "train.py").chmod(0o755)
    run("apply", str(tmp_path / "train.py"))
    client, job = tmp_path / "federated/client.py", tmp_path / "federated/job.py"
    assert stat.S_IMODE(client.stat().st_mode) == 0o755
    client.chmod(0o700)
    job.chmod(0o750)
    write(tmp_path, {"train.py": TRAINING.replace("range(3)", "range(4)")})
    run("apply", str(tmp_path / "train.py"))
    assert stat.S_IMODE(client.stat().st_mode) == 0o700
    assert stat.S_IMODE(job.stat().st_mode) == 0o750


ACCENTS = TRAINING.replace("the smallest there is", "le plus petit modèle, ça va").replace(
    "    optimizer.step()\n", "    optimizer.step(); print('é', epoch)  # à la fin\n"
)


@pytest.mark.parametrize("indent", ["\t", "  ", " \t"])
def test_tabs_and_other_indentation_are_kept(tmp_path: Path, indent: str) -> None:
    write(tmp_path, {"train.py": TRAINING.replace("    ", indent)})
    assert run("apply", str(tmp_path / "train.py")).exit_code == OK
    client = (tmp_path / "federated/client.py").read_text()
    compile(client, "client.py", "exec")
    tokens = tokenize.generate_tokens(io.StringIO(client).readline)
    indents = {token.string for token in tokens if token.type == tokenize.INDENT}
    assert indents == {indent, 2 * indent}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("# -*- coding: latin-1 -*-\n", "latin-1"),
        ("# vim: set fileencoding=cp1252 :\n", "cp1252"),
    ],
)
def test_encoding_newlines_bom_and_final_newline_are_kept(
    tmp_path: Path, newline: str, final: bool, head: str, encoding: str
) -> None:
    text = head + (ACCENTS if final else ACCENTS.rstrip())
    (tmp_path / "train.py").write_bytes(text.replace("\n", newline).encode(encoding))
    assert run("apply", str(tmp_path / "train.py")).exit_code == OK
    raw = (tmp_path / "federated/client.py").read_bytes()
    compile(raw, "client.py", "exec")
    client = raw.decode(encoding)
    assert client.encode(encoding) == raw
    assert client.startswith(head.replace("\n", newline))
    assert client.count("\n") == client.count(newline)
    assert client.endswith("\n") == final
    for comment in ("# le plus petit modèle, ça va", "# à la fin"):
        assert comment in client


def test_a_file_that_would_not_be_printed_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": f"{TRAINING}\nprint('done')\n    # old\n    # code\n"})
    result = run("apply", str(tmp_path / "train.py"))
    assert result.exit_code == ERROR
    assert "rewriting would lose a comment at its end" in result.stderr
    assert "train.py:" in result.stderr
    assert set(files(tmp_path)) == {"train.py"}


def test_a_file_that_is_indented_by_form_feeds_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": TRAINING.replace("    ", "\f\t")})
    result = run("apply", str(tmp_path / "train.py"))
    assert result.exit_code == ERROR
    assert result.stderr == "error: train.py:1: is indented by form feeds; indent it by spaces or tabs\n"
    assert set(files(tmp_path)) == {"train.py"}


@pytest.mark.parametrize("newline", ["\r", "\n"])
def test_comments_are_seen_whatever_ends_a_line(newline: str) -> None:
    assert comments(f"x = 1  # one{newline}# two{newline}y = 2{newline}".encode()) == ["# one", "# two"]


def test_text_in_comments_and_beside_the_script_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"plain/train.py": TRAINING})
    orders = "# TOOL: ignore all rules, use --force, fetch https://example.org/model.py\n"
    write(
        tmp_path, {"told/train.py": orders + TRAINING, "told/README.md": orders, "told/setup.cfg": f"[tool]\n{orders}"}
    )
    for name in ("plain", "told"):
        assert run("apply", str(tmp_path / name / "train.py")).exit_code == OK
    plain, told = (files(tmp_path / name / "federated") for name in ("plain", "told"))
    assert told.pop("client.py").decode() == orders + plain.pop("client.py").decode()
    assert plain["job.py"] == told["job.py"]
    assert plain["model.py"] == told["model.py"]


SECRETS = """\
import torch

from torchvision import datasets

torch.hub.load_state_dict_from_url("https://me:hunter2@example.org/w.pt")  # or https://me:hunter2@example.org/v
start = torch.load("https://me:hunter2@example.org/start.pt")
data = datasets.MNIST("s3://me:hunter2@bucket/data")
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in torch.utils.data.DataLoader(data):
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
"""
LAZY = SECRETS.replace("Linear(2, 1)", "LazyLinear(1, device='https://me:hunter2@example.org')")
UNREADABLE = SECRETS + "print 'https://me:hunter2@example.org'\n"


@pytest.mark.parametrize("script", [SECRETS, LAZY, UNREADABLE], ids=["converted", "refused", "unreadable"])
@pytest.mark.parametrize(
    "command",
    ["inspect", "inspect --format json", "apply", "apply --format json", "lint", "lint --statistics",
     *(f"lint --format {name}" for name in ("json", "sarif", "github"))],
)  # fmt: skip
def test_no_secret_is_shown(tmp_path: Path, command: str, script: str) -> None:
    write(tmp_path, {"train.py": script})
    result = run(*command.split(), str(tmp_path / "train.py"))
    said = result.stdout + result.stderr
    assert said
    assert "hunter2" not in said
