"""The hooks, run by pre-commit itself on the commits of a repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text())}
LOAD = "import torch\nstate = torch.load(path)\n"
FIXED = "import torch\nstate = torch.load(path, weights_only=True)\n"
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


class Repository:
    """A repository in which hooks are installed. They run in this environment, so that nothing is fetched."""

    def __init__(self, folder: Path, *hooks: str) -> None:
        self.folder = folder
        programs = folder.parent / "programs"
        programs.mkdir()
        program = programs / "flare-codemods"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m codemods "$@"\n')
        program.chmod(0o755)
        home = {"PRE_COMMIT_HOME": str(folder.parent / "cache"), "HOME": str(folder.parent)}
        people = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        search = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
        self.environment = {**kept, **home, **people, **search, "NO_COLOR": "1"}
        chosen = [{**HOOKS[name], "language": "system"} for name in hooks]
        self.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [{"repo": "local", "hooks": chosen}]}))
        self.run("git", "init", "--quiet")
        self.run(sys.executable, "-m", "pre_commit", "install")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=check
        )

    def commit(self) -> tuple[bool, str]:
        """Whether everything could be committed, and what the hooks said."""
        self.run("git", "add", "--all")
        done = self.run("git", "commit", "--message", "a change", check=False)
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository"


def test_the_manifest_is_one() -> None:
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST)], check=True, timeout=60)
    assert set(HOOKS) == {"flare-lint", "flare-lint-fix", "flare-convert-check"}


def test_findings_stop_a_commit(folder: Path) -> None:
    repository = Repository(folder, "flare-lint")
    repository.write("load.py", LOAD)
    committed, said = repository.commit()
    assert not committed
    assert "load.py:2:9: FLR202 UnsafeTorchLoad" in said
    repository.write("load.py", FIXED)
    assert repository.commit()[0]
    repository.write("notes.txt", "torch.load(path)\n")
    committed, said = repository.commit()
    assert committed
    assert "flare-lint" in said and "Skipped" in said


def test_safe_fixes_are_made_and_shown_before_they_are_committed(folder: Path) -> None:
    repository = Repository(folder, "flare-lint-fix")
    path = repository.write("load.py", LOAD)
    committed, said = repository.commit()
    assert not committed
    assert "files were modified by this hook" in said
    assert path.read_text() == FIXED
    assert repository.commit()[0]


def test_a_converted_folder_has_to_be_up_to_date(folder: Path) -> None:
    repository = Repository(folder, "flare-convert-check")
    repository.write("train.py", TRAINING)
    repository.run("flare-codemods", "apply", "train.py", "--clients", "3")
    assert repository.commit()[0]
    repository.write("train.py", TRAINING.replace("lr=0.1", "lr=0.25"))
    committed, said = repository.commit()
    assert not committed
    assert "federated is out of date with train.py" in said
    assert "run python -m codemods renew federated" in said
    repository.run("flare-codemods", "renew", "federated")
    assert repository.commit()[0]
    assert "lr=0.25" in (folder / "federated" / "client.py").read_text()
