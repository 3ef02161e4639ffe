"""Export a job, and rehearse the start of every site: which data it gets, and whether its model is the server's.

``preparation`` runs this file in a process of its own, so it depends on nothing but NVFLARE and torch, imported by
``job.py`` already. A site is a fork of it that runs the exported client up to where it loads what it has received.

python rehearsal.py RESULT SITES JOB.PY ARGUMENTS...
"""

import contextlib
import json
import os
import runpy
import shlex
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

TIME_LIMIT = 60.0  # seconds of a site; a longer start is left to the run itself


class Answer(dict):
    """What is seen in a fork, which ends when it is told: no ``except`` of the client can go on from there."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def tell(self, *_, **__):
        """Write it down and end this process."""
        self.path.write_text(json.dumps(self), encoding="utf-8")
        os._exit(0)


def main():
    """Run job.py, then rehearse as many sites as are asked for; ``SITES`` is how many, RESULT a new JSON file."""
    result, number, script, *arguments = sys.argv[1:]
    sys.path[0], sys.argv = str(Path(script).parent), [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
    exported = next(Path(arguments[arguments.index("--export-dir") + 1]).glob("*/meta.json")).parent
    deployed = json.loads((exported / "meta.json").read_text(encoding="utf-8"))["deploy_map"]
    apps = {site: exported / app for app, sites in deployed.items() for site in sites}
    folder = Path(result).parent / "rehearsal"
    found = {"server": rehearse(server, folder / "server", script, apps.get("server") or apps["@ALL"])}
    if not found["server"].get("model"):
        named = sorted(set(apps) - {"server", "@ALL"})
        for site in (named or [f"site-{number + 1}" for number in range(int(number))])[: int(number)]:
            app = apps.get(site) or apps["@ALL"]
            found[site] = rehearse(client, folder / site, script, app, site, folder / "server" / "model.pt")
    Path(result).write_text(json.dumps(found), encoding="utf-8")


def rehearse(play, folder, script, app, *arguments):
    """What a function says in a fork of this process that finds modules in the exported app, not in the project."""
    folder.mkdir(parents=True)
    answer = Answer(folder / "answer.json")
    child = os.fork()
    if child == 0:
        os.setpgrp()
        os.chdir(folder)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        project = Path(script).resolve().parent
        sys.path[:] = [str(app / "custom"), *(entry for entry in sys.path if Path(entry).resolve() != project)]
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").resolve().is_relative_to(project):
                del sys.modules[name]
        try:
            play(answer, app, *arguments)
        except BaseException as error:
            traceback.print_exc()
            answer["error"] = f"{type(error).__name__}: {error}"
        answer.tell()
    deadline = time.monotonic() + TIME_LIMIT
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # workers of its loaders
    return json.loads(answer.path.read_text(encoding="utf-8")) if answer.path.is_file() else {}


def server(answer, app):
    """Build the server's model as FLARE does, and what it sends first: the model's own weights or a checkpoint's."""
    import torch

    sides = [app / "config" / f"config_fed_{side}.json" for side in ("server", "client")]  # in a swarm, sites build it
    read = [json.loads(config.read_text(encoding="utf-8")) for config in sides if config.is_file()]
    components = {component["id"]: component for config in read for component in config["components"]}
    settings = [component.get("args", {}) for component in components.values()]
    persistor = next((each for each in settings if each.get("model")), None)
    if persistor is None:
        return
    built = components.get(persistor["model"]) if isinstance(persistor["model"], str) else persistor["model"]
    if not isinstance(built, dict) or "path" not in built:
        return
    path = built["path"]
    model = instance(answer, "model", path, built.get("args", {}))
    if not isinstance(model, torch.nn.Module):
        return
    for optimizer in (each["optimizer_args"] for each in settings if each.get("optimizer_args")):
        instance(answer, "optimizer", optimizer["path"], {"params": model.parameters(), **optimizer.get("args", {})})
    state, checkpoint = model.state_dict(), persistor.get("source_ckpt_file_full_name")
    if checkpoint and (app / "custom" / checkpoint).is_file():
        try:
            saved = torch.load(app / "custom" / checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            answer["model"] = f"{checkpoint} is no file of weights that torch.load reads: {type(error).__name__}"
            raise
        saved = saved.get("model", saved)
        answer["model"] = difference(shapes(state), shapes(saved), f"in {path} on the server", f"in {checkpoint}")
        state = saved
    torch.save({name: torch.as_tensor(value).detach().cpu() for name, value in state.items()}, "model.pt")


def instance(answer, role, path, arguments):
    """What FLARE builds of a class and its arguments."""
    from nvflare.fuel.utils.class_utils import instantiate_class

    try:
        return instantiate_class(path, arguments)
    except Exception as error:
        answer["model"] = f"the server cannot build its {role} {path}: {type(error).__name__}: {error}"
        raise


def client(answer, app, site, received):
    """Run the client until it loads the server's model."""
    import torch

    config = json.loads((app / "config" / "config_fed_client.json").read_text(encoding="utf-8"))
    found = [each["executor"]["args"] for each in config["executors"] if "executor" in each]
    args = next((each for each in found if {"command", "task_script_path"} & each.keys()), found[0])
    command = args.get("command") or ["client.py", *shlex.split(args.get("task_script_args", ""))]
    command = shlex.split(command) if isinstance(command, str) else command
    start = next(position for position, word in enumerate(command) if word.endswith("client.py"))
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port())
    sys.argv = [str(app / "custom" / "client.py"), *command[start + 1 :]]
    state = torch.load(received, weights_only=True) if received.is_file() else {}
    speak_for_flare(answer, site, state)
    watch_data(answer, app)
    load = torch.nn.Module.load_state_dict

    def compare(self, *arguments, **options):
        if not asked:
            return load(self, *arguments, **options)
        if received.is_file():
            answer["model"] = difference(shapes(state), shapes(self.state_dict()), "on the server", f"at {site}")
        answer.tell()

    asked = []
    import nvflare.client as flare

    receive = flare.receive
    flare.receive = lambda *_, **__: asked.append(True) or receive()
    torch.nn.Module.load_state_dict = compare
    runpy.run_path(sys.argv[0], run_name="__main__")


def speak_for_flare(answer, site, state):
    """Let FLARE's Client API answer as in the first round, up to where a client evaluates what it has loaded."""
    import nvflare.client as flare

    answers = {
        "init": None,
        "is_running": True,
        "is_train": True,
        "is_submit_model": False,
        "receive": flare.FLModel(params=dict(state), current_round=0, total_rounds=1),
        "get_site_name": site,
        "get_task_name": "train",
        "get_job_id": "rehearsal",
        "system_info": {"site_name": site, "job_id": "rehearsal"},
    }
    for name, value in answers.items():
        setattr(flare, name, lambda *_, value=value, **__: value)
    flare.is_evaluate = flare.send = answer.tell


def watch_data(answer, app):
    """Count the samples, by label where these are known, that the client is given to train on."""
    if not (app / "custom" / "site_data.py").is_file():
        return
    import site_data

    part = site_data.part

    def counted(*wholes, **options):
        found = part(*wholes, **options)
        samples, own = len(found), found
        if hasattr(site_data, "samples_axis"):  # arrays
            own = found if isinstance(found, tuple) else (found,)
            samples = own[0].shape[site_data.samples_axis(own)]
        labels = site_data.labels_of(own)
        counts = None if labels is None else Counter(str(label) for label in labels.tolist())
        answer.setdefault("data", []).append({"samples": samples, "labels": counts})
        return found

    site_data.part = counted


def shapes(state):
    """The shape of every tensor."""
    return {name: tuple(value.shape) for name, value in state.items() if hasattr(value, "shape")}


def difference(ours, theirs, here, there):
    """What differs between two models, in words; empty for nothing."""
    unequal = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if not unequal:
        return ""
    name, more = unequal[0], len(unequal) - 1
    one, other = (f"of shape {state[name]}" if name in state else "missing" for state in (ours, theirs))
    return f"the models differ: {name} is {one} {here} and {other} {there}" + (f"; {more} more differ" if more else "")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


if __name__ == "__main__":
    main()
