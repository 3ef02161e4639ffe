"""A proof that cannot fail proves nothing: every defect planted in a conversion is caught, by the right proof."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.verify.launch import Settings
from engine.verify.report import render_text
from engine.verify.run import record, verify
from tests.engine.verify.defects import DEFECTS, Defect

PROJECTS = Path(__file__).parent / "projects"
SETTINGS = Settings(sites=(2,), time_limit=120)


@pytest.fixture(scope="module")
def recordings():
    """What each original does; it is the same for all defects."""
    return {project: record(PROJECTS / project / "federated", SETTINGS) for project in {one.project for one in DEFECTS}}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_defect_is_caught(defect: Defect, recordings, tmp_path):
    project = tmp_path / defect.project
    shutil.copytree(PROJECTS / defect.project, project)
    plant(project / "federated" / defect.file, defect)
    report = verify(project / "federated", SETTINGS, recordings[defect.project])
    assert report.exit_code == 1
    shown = render_text(report)
    found = [f"{check.detail} {check.difference}" for check in report.failures if check.proof == defect.proof]
    assert any(defect.says in text for text in found), shown


def plant(path: Path, defect: Defect) -> None:
    """Change the text of a file; every text to change must stand there exactly once."""
    text = path.read_text()
    for before, after in defect.changes:
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path.name}"
        text = text.replace(before, after)
    path.write_text(text)


def test_defects_are_those_of_the_documentation():
    text = (Path(__file__).parents[3] / "docs" / "verify.md").read_text()
    rows = [line for line in text.partition("| defect |")[2].splitlines()[2:] if line]
    assert rows == [f"| {defect.name} | {defect.proof} | {defect.says} |" for defect in DEFECTS]
