"""What runs in the child processes: the original, one site, or the server building its model.

Everything is imported at the top, and before a user's script starts the packages of this tool are forgotten, so that
its own `engine.py` or `rules.py` is found.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib.abc
import multiprocessing
import os
import pickle
import runpy
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from nvflare.app_opt.pt.model_persistence_format_manager import PTModelPersistenceFormatManager
from nvflare.fuel.utils.class_utils import instantiate_class

from engine.verify.algorithm import ChangedGradients
from engine.verify.arrays import ArrayRecorder, as_loaded, as_served
from engine.verify.compiler import put_off_compiler
from engine.verify.launch import ENVIRONMENT, Launch
from engine.verify.original import PROBE
from engine.verify.partitions import watch_partitions
from engine.verify.probe import Probe
from engine.verify.recorder import Recorder, seed_everything
from engine.verify.site import Site

WRONG_USAGE = 2  # what argparse exits with
OWN_PACKAGES = ("engine", "codemods", "rules", "__mp_main__")


def run_original(connection: Connection, launch: Launch) -> None:
    """Run the instrumented source to its end and send what the probe recorded."""
    with _prepared(launch):
        recorder = ArrayRecorder() if launch.arrays else Recorder()
        if launch.recipe:
            recorder.changed_gradients = ChangedGradients(launch.recipe, launch.mu)
        probe = Probe(recorder, launch.log)
        setattr(builtins, PROBE, probe)
        seed_everything(launch.seed)
        probe.watch_loading()
        probe.recording["error"] = _run_script(launch.script)
        probe.ends()
        in_loop = probe.recording.get("steps_in_loop")
        trace = {"steps": recorder.steps[:in_loop], "first": recorder.first, "parameters": recorder.parameters()}
        means = recorder.changed_gradients.means if recorder.changed_gradients else {}
        _send(connection, {**probe.recording, **trace, "gradients": means})


def _run_script(script: Path) -> str | None:
    """Run a script as `python SCRIPT` does; its error, if any."""
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as stop:
        lacking = "; give what it lacks on its command line with --arg" if stop.code == WRONG_USAGE else ""
        return f"the script left by sys.exit({stop.code!r}){lacking}" if stop.code else None
    except BaseException:
        return traceback.format_exc()
    return None


def run_site(connection: Connection, launch: Launch) -> None:
    """Run the converted client; answer every task that comes over the connection until None comes."""
    with _prepared(launch):
        calls = watch_partitions() if launch.partitions else []
        recorder = ArrayRecorder() if launch.arrays else Recorder()
        setattr(builtins, PROBE, recorder)
        site = Site(launch.script, launch.arguments, launch.name, launch.exchange_format, launch.seed, recorder)
        while (task := _receive(connection)) is not None:
            _send(connection, {**site.answer(task), "partitions": list(calls)})
        _send(connection, site.end())


def build_model(connection: Connection, launch: Launch) -> None:
    """Build the model as FLARE's server does, and send its state; tasks are class path, arguments and checkpoint."""
    with _prepared(launch):
        sys.meta_path.insert(0, _NoTrainingScript(launch.name))
        while (task := _receive(connection)) is not None:
            try:
                _send(connection, {"error": None, "state": _state(*task)})
            except BaseException:
                _send(connection, {"error": traceback.format_exc()})
        _send(connection, {})


def _state(class_path: str, arguments: dict[str, Any], checkpoint: Path | None) -> dict[str, torch.Tensor]:
    model = instantiate_class(class_path, arguments)
    if isinstance(model, tuple):
        return as_served(model) if checkpoint is None else as_loaded(checkpoint, model)
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{class_path} gives {type(model).__name__}, not a torch.nn.Module")
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if checkpoint is None:
        return state
    loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return loaded.get(PTModelPersistenceFormatManager.PERSISTENCE_KEY_MODEL, loaded)


class _NoTrainingScript(importlib.abc.MetaPathFinder):
    """Refuses the import of the training script on the server."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == self._name:
            raise ImportError(f"the server's model needs {name}.py, the training script, which would run on the server")


@contextlib.contextmanager
def _prepared(launch: Launch) -> Iterator[None]:
    """Stand in the scratch folder with output redirected and this tool's own packages out of sight."""
    gc.freeze()  # what was loaded ahead is not looked through for modules, and its memory stays shared
    if hasattr(os, "setsid"):
        os.setsid()
    multiprocessing.set_start_method(None, force=True)  # the user's scripts start processes as they always do
    _end_with_parent()
    os.environ |= {**ENVIRONMENT, **dict(launch.environment)}
    sys.dont_write_bytecode = True
    launch.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(launch.folder)
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
    hidden = {str(path) for path in (*launch.hidden, Path(__file__).resolve().parents[2])}
    sys.path[:] = [str(place) for place in launch.import_roots] + [
        place for place in sys.path if place and place not in hidden
    ]
    sys.argv = [str(launch.script), *launch.arguments]
    put_off_compiler()
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN_PACKAGES]:
        del sys.modules[name]
    yield
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="verify_watch", daemon=True).start()


def _send(connection: Connection, message: Any) -> None:
    connection.send_bytes(pickle.dumps(message))


def _receive(connection: Connection) -> Any:
    return pickle.loads(connection.recv_bytes())
