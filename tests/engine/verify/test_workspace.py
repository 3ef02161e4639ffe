"""Scratch copies: data is found, nothing is written where the user works."""

from __future__ import annotations

import pytest

from engine.verify import workspace
from engine.verify.workspace import mirror_project


@pytest.fixture
def project(tmp_path):
    """A project beside its data, with things that are not copied."""
    root = tmp_path / "work" / "project"
    for name in ("train.py", "data/small.csv", "federated/client.py", ".git/config", "__pycache__/train.pyc"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "work" / "shared").mkdir()
    (tmp_path / "work" / "shared" / "points.csv").write_text("points")
    (tmp_path / "work" / "secret.txt").write_text("secret")
    return root


def test_copy_has_the_project_and_its_data(project, tmp_path):
    scratch = tmp_path / "scratch"
    copy = mirror_project(project, ["data", "../shared", "/absolute"], scratch, leave_out={project / "federated"})
    assert sorted(path.name for path in copy.iterdir()) == ["data", "train.py"]
    assert (copy / "../shared/points.csv").read_text() == "points"
    assert not list(scratch.rglob("secret.txt"))
    (copy / "data" / "small.csv").write_text("changed")
    assert (project / "data" / "small.csv").read_text() == "data/small.csv"


def test_large_data_is_linked_and_all_else_copied(project, tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "LARGE_FILE", 20)
    monkeypatch.setattr(workspace, "CROWDED_FOLDER", 8)
    for name in ("best.pt", "data/table.csv"):
        (project / name).write_bytes(bytes(21))
    for folder in ("data/images", "samples"):
        (project / folder).mkdir()
        for number in range(9):
            (project / folder / f"{number}.png").touch()
    (project / "loop").symlink_to(project, target_is_directory=True)
    (project / "env").mkdir()
    (project / "env" / "pyvenv.cfg").touch()
    copy = mirror_project(project, ["data"], tmp_path / "scratch")
    links = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_symlink()}
    assert links == {"data/table.csv", "data/images", "loop"}
    assert (copy / "data/small.csv").read_text() == "data/small.csv"
    assert len(list((copy / "samples").iterdir())) == 9
    assert not (copy / "env").exists()


def test_project_that_is_its_own_data_is_copied(project, tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "LARGE_FILE", 1)
    copy = mirror_project(project, ["."], tmp_path / "scratch")
    assert not (copy / "train.py").is_symlink()
