"""What all tests share: one thread per process, and the training projects below ``fixtures/``."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

pytest.register_assert_rewrite("tests.codemods.tools")

FIXTURES = Path(__file__).parent.parent / "fixtures"

# Before anything imports torch: the tests start many small processes, which share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing that a test starts leaves its cache in a fixture.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# A shell lets what it starts in the background ignore interrupts, and so would what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The many syntax trees that tests make would be looked through for garbage over and over.
gc.set_threshold(200_000)
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def snapshot(folder: Path) -> dict[Path, bytes]:
    """The files below a folder and what they hold."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session", autouse=True)
def fixtures_stay_as_they_are():
    """The tool never changes a source project: whatever the tests do, the fixtures are what they were."""
    before = snapshot(FIXTURES)
    yield
    after = snapshot(FIXTURES)
    assert [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)] == []


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a training project out of ``fixtures/``: ``project("digits")``, ``project("patterns/amp_bfloat16")``.

    Returns:
        A function from the name of a fixture to the folder of its copy, where ``train.py`` stands.
    """

    def copy(name: str) -> Path:
        source = FIXTURES / name / "source"
        target = tmp_path / Path(name).name
        shutil.copytree(source if source.is_dir() else FIXTURES / name, target)
        return target

    return copy
