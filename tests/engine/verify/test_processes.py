"""Processes are forked from one that has loaded torch, without a trace of that in them, and none outlives `verify`."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.result import UserError
from engine.verify import warm
from engine.verify.launch import Settings
from engine.verify.processes import load_ahead, needed_by
from engine.verify.run import record, verify

PROJECTS = Path(__file__).parent / "projects"
ROOT = Path(__file__).parents[3]
QUICK = Settings(sites=(2,), time_limit=120)
linux = pytest.mark.skipif(not warm.AVAILABLE, reason="processes are forked on Linux alone")


def look(connection) -> None:
    """What a fork finds."""
    seen = {
        "threads": len(os.listdir("/proc/self/task")),
        "loaded": [name for name in ("torch", "nvflare.client") if name in sys.modules],
        "collects": gc.isenabled(),
        "name": multiprocessing.current_process().name,
        "parent": multiprocessing.parent_process(),
        "random": random.random(),
        "signals": [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGCHLD)] == USUAL,
        "requests": warm._requests,
    }
    connection.send_bytes(pickle.dumps(seen))


USUAL = [signal.default_int_handler, signal.SIG_DFL]


def fail(connection) -> None:
    os._exit(7)


@pytest.fixture
def ready():
    """The process to fork from."""
    load_ahead(PROJECTS / "flat" / "federated")


@pytest.fixture
def project(tmp_path):
    """Copy one of the projects; gives its converted folder."""

    def copy(name: str) -> Path:
        shutil.copytree(PROJECTS / name, tmp_path / name)
        return tmp_path / name / "federated"

    return copy


@linux
def test_a_fork_has_what_is_loaded_and_looks_like_a_fresh_process(ready):
    found = []
    for _ in range(2):
        forked = warm.fork(look)
        found.append(pickle.loads(forked.connection.recv_bytes()))
        forked.join()
        assert forked.exitcode == 0
        forked.close()
    assert found[0].pop("random") != found[1].pop("random")
    assert found[0] == {
        "threads": 1,
        "loaded": ["torch", "nvflare.client"],
        "collects": True,
        "name": "MainProcess",
        "parent": None,
        "signals": True,
        "requests": None,
    }


@linux
def test_the_end_of_a_fork_is_seen_with_its_exit_code(ready):
    forked = warm.fork(fail)
    forked.join(60)
    assert forked.exitcode == 7
    with pytest.raises(EOFError):
        forked.connection.recv_bytes()
    forked.close()


@linux
def test_nothing_is_forked_from_a_process_that_has_threads(tmp_path, monkeypatch):
    lines = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (tmp_path / "starts_a_thread.py").write_text(lines)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(warm, "_requests", None)
    warm.start(["starts_a_thread"], os.environ)
    assert warm.fork(look) is None
    warm._requests.close()


def test_what_scripts_import_is_loaded_ahead_where_they_do_not_change_how_it_loads(tmp_path):
    (tmp_path / "client.py").write_text("import torch, pandas as pd\nfrom sklearn.datasets import load_digits\n")
    (tmp_path / "broken.py").write_text("import import\n")
    loaded = ["pandas", "sklearn.datasets", "sklearn.datasets.load_digits"]
    assert needed_by(tmp_path) == loaded
    (tmp_path / "other.py").write_text("import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'\n")
    assert needed_by(tmp_path) == loaded
    (tmp_path / "other.py").write_text("import os\nos.environ.setdefault('TORCHDYNAMO_DISABLE', '1')\n")
    assert needed_by(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "compiles"),
    [
        ("torch.compile(model)", True),
        ("from torch.utils import checkpoint", True),
        ("import torch.distributed as dist", True),
        ("torch.save(args.checkpoint, re.compile('a'))", False),
        ("import timm", True),
        ("from torch.nn.functional import relu", False),
        ("import client, numpy, tqdm, os.path", False),
    ],
)
def test_the_compiler_is_loaded_ahead_for_scripts_that_use_it(tmp_path, line, compiles):
    (tmp_path / "client.py").write_text(f"{line}\n")
    assert needed_by(tmp_path) == ["torch._dynamo"] * compiles


def test_processes_are_started_afresh_where_they_cannot_be_forked(project, monkeypatch):
    directory = project("flat")
    forked = record(directory, QUICK)
    monkeypatch.setattr(warm, "AVAILABLE", False)
    monkeypatch.setattr(warm, "_requests", None)
    fresh = record(directory, QUICK)
    assert fresh.steps == forked.steps


def sleeping(directory: Path, script: Path, pids: Path) -> Path:
    """Let a script of a project note its process, start another, and sleep."""
    lines = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(600)\n"
    )
    script.write_text(script.read_text().replace("import argparse\n", f"import argparse\n{lines}"))
    return directory


def test_a_failing_original_does_not_wait_for_the_sites(project, tmp_path):
    directory = project("schedule")
    sleeping(directory, directory / "client.py", tmp_path / "pids")
    original = directory.parent / "train.py"
    original.write_text(original.read_text().replace("torch.manual_seed(11)", "time.sleep(2), undefined"))
    started = time.monotonic()
    with pytest.raises(UserError, match="could not be run|did not get through"):
        verify(directory, QUICK)
    assert time.monotonic() - started < QUICK.time_limit / 2


@linux
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_verify(project, tmp_path, sent):
    pids, scratch = tmp_path / "pids", tmp_path / "scratch"
    scratch.mkdir()
    directory = sleeping(project("schedule"), tmp_path / "schedule" / "federated" / "client.py", pids)
    command = [sys.executable, "-m", "codemods", "verify", str(directory)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(scratch)}, start_new_session=True, stderr=subprocess.PIPE
    ) as running:
        deadline = time.monotonic() + 120
        while not (pids.exists() and pids.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        family = [process.pid for process in psutil.Process(running.pid).children(recursive=True)]
        (os.killpg if sent == signal.SIGINT else os.kill)(running.pid, sent)
    assert len(family) >= 3
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in family if psutil.pid_exists(pid)], timeout=30)
    assert not alive
    assert list(scratch.glob("flare-verify-*")) == []
