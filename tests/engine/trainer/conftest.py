"""Small projects with a specification, and scripts run inside the test process, where torch is imported only once."""

from __future__ import annotations

import json
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.specification_matrix import FACTORS, specification, write_data
from engine.trainer.reading import parse
from engine.trainer.script import render


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``net.py`` and the data sets of the specification matrix; tests only add files of their own."""
    folder = tmp_path_factory.mktemp("specifications")
    write_data(folder)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, data_folder: Path) -> Path:
    """An empty folder with the same model and data."""
    (tmp_path / "net.py").symlink_to(data_folder / "net.py")
    (tmp_path / "data").symlink_to(data_folder / "data")
    return tmp_path


@pytest.fixture
def document() -> Callable[..., dict[str, Any]]:
    """Builds a specification: ``document(trainingConfig={"epochs": 3})`` changes a small one."""

    def build(**changes: Any) -> dict[str, Any]:
        base = specification({name: values[0] for name, values in FACTORS.items()})
        return _merged(base, changes)

    return build


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict) and key != "modelArgs"
        merged[key] = _merged(base[key], value) if both else value
    return merged


@pytest.fixture
def write(workplace: Path) -> Callable[[Any], Path]:
    """Writes a document as ``specification.json`` into the workplace."""

    def write_json(content: Any) -> Path:
        path = workplace / "specification.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write_json


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs the script of a document in this process: ``run_script(document, folder, "--epochs", "3")``.

    Returns:
        A function that returns the last checkpoint of the run.
    """
    import torch

    def run(content: dict[str, Any], folder: Path, *arguments: str) -> dict[str, Any]:
        script = folder / "scripts/train.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text(render(parse(content), folder / "specification.json", folder / "train.py"))
        namespace: dict[str, Any] = {"__name__": "scaffolded", "__doc__": ""}
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        sys.modules.pop("net", None)
        linecache.checkcache(str(script))  # tracebacks show its lines
        exec(compile(script.read_text(), str(script), "exec"), namespace)
        args = namespace["parse_args"]()
        namespace["main"]()
        return torch.load(Path(folder, args.save_dir, "last.pt"), weights_only=True)

    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    yield run
    torch.use_deterministic_algorithms(False)
    sys.modules.pop("net", None)
    if workspace is None:
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
