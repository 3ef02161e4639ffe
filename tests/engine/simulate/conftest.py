"""A small converted client, written by hand: digits, a linear network with BatchNorm, two sites of unequal size."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.job import job_spec_from, render

CLIENT = Path(__file__).parent / "digits"
TRAINING = "        steps.clear()\n"

Convert = Callable[..., Path]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Makes the converted folder, with code planted before the training of a round or at another line."""

    def make(planted: str = "", before: str = TRAINING) -> Path:
        return converted(tmp_path, planted, before)

    return make


def converted(folder: Path, planted: str = "", before: str = TRAINING) -> Path:
    """The converted folder below a folder, next to the training script it was made from."""
    directory = folder / "federated"
    shutil.copytree(CLIENT, directory)
    client = directory / "client.py"
    text = client.read_text()
    assert text.count(before) == 1
    client.write_text(text.replace(before, planted + before))
    shutil.copyfile(client, folder / "train.py")
    (directory / "job.py").write_text(render(job_spec_from(directory)))
    return directory
