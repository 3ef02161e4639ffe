"""Commands that leave nothing behind, and tell where they stood."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.simulate.process import Finished, ProcessTree

pytest.importorskip("nvflare")

SLEEPER = """\
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)", "{tag}"]
subprocess.Popen(sleep, start_new_session=True, stderr=subprocess.DEVNULL)
"""


def run(folder: Path, code: str, time_limit: float | None = 60.0) -> Finished:
    (folder / "program.py").write_text(code)
    with ProcessTree(dict(os.environ)) as tree:
        return tree.run([sys.executable, "program.py"], folder, time_limit)


def alive(tag: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if tag in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_exit_code_and_output_of_both_streams(tmp_path: Path) -> None:
    finished = run(tmp_path, "import sys\nprint('out', flush=True)\nprint('err', file=sys.stderr)\nsys.exit(3)\n")
    assert (finished.return_code, finished.timed_out) == (3, False)
    assert sorted(finished.output.split()) == ["err", "out"]


def test_a_process_in_a_session_of_its_own_goes_with_the_command(tmp_path: Path) -> None:
    tag = f"tag-{tmp_path.name}-{os.getpid()}"
    finished = run(tmp_path, SLEEPER.format(tag=tag) + "print('started')\n")
    assert "started" in finished.output
    assert alive(tag) == []


def test_commands_of_one_tree_share_what_they_leave_running(tmp_path: Path) -> None:
    tag = f"tag-{tmp_path.name}-{os.getpid()}"
    (tmp_path / "program.py").write_text(SLEEPER.format(tag=tag))
    with ProcessTree(dict(os.environ)) as tree:
        tree.run([sys.executable, "program.py"], tmp_path, 60.0)
        assert len(alive(tag)) == 1
        assert tree.run([sys.executable, "-c", "print('next')"], tmp_path, 60.0).output == "next\n"
        assert len(alive(tag)) == 1
    assert alive(tag) == []


def test_the_time_limit_ends_everything_and_tells_where_it_stood(tmp_path: Path) -> None:
    tag = f"tag-{tmp_path.name}-{os.getpid()}"
    code = SLEEPER.format(tag=tag) + "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"
    started = time.monotonic()
    finished = run(tmp_path, code, time_limit=3.0)
    assert finished.timed_out
    assert time.monotonic() - started < 60
    assert 'program.py", line 6' in finished.output
    assert alive(tag) == []


HANGING = """\
import subprocess, sys, threading, time

def deeper(levels):
    deeper(levels - 1) if levels else time.sleep(600)

if len(sys.argv) == 1:
    processes = [subprocess.Popen([sys.executable, "program.py", str(number)]) for number in range(6)]
for _ in range(40):
    threading.Thread(target=deeper, args=(40,)).start()
print("waiting", flush=True)
"""


def test_what_processes_write_at_the_time_limit_does_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = []

    def has_waited(line: str) -> bool:
        waiting.extend(line.split())
        return False

    # However long the processes take to get there, the time limit passes then.
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 1e6 * (len(waiting) == 7), sleep=time.sleep)
    monkeypatch.setattr("engine.simulate.process.time", clock)
    (tmp_path / "program.py").write_text(HANGING)
    with ProcessTree(dict(os.environ)) as tree:
        finished = tree.run([sys.executable, "program.py"], tmp_path, 1000.0, has_waited)
    assert finished.timed_out
    places = Counter(line for line in finished.output.splitlines() if "deeper" in line)
    assert places == {f'  File "{tmp_path}/program.py", line 4 in deeper': 7 * 40 * 41}


def test_a_line_can_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import time\nprint('lost', flush=True)\ntime.sleep(600)\n")
    with ProcessTree(dict(os.environ)) as tree:
        finished = tree.run([sys.executable, "program.py"], tmp_path, 60.0, lambda line: "lost" in line)
    assert finished.return_code not in (0, None)


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    tag = f"tag-{tmp_path.name}-{os.getpid()}"
    (tmp_path / "program.py").write_text(SLEEPER.format(tag=tag))
    with pytest.raises(KeyboardInterrupt), ProcessTree(dict(os.environ)) as tree:
        tree.run([sys.executable, "program.py"], tmp_path, 60.0)
        raise KeyboardInterrupt
    assert alive(tag) == []
