"""A job folder from ``job.py``, made ready for a watched run in the simulator."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from engine.result import UserError
from engine.simulate.process import ProcessTree

EXPORT_LIMIT = 300.0
OBSERVER = "flare_observer"
ERROR = re.compile(r"[\w.]+(?:Error|Exception|Exit)\b|\S+\.py: error: ")
REQUEST_INTERVAL = 0.1  # seconds between two questions of a site for work; FLARE's 2 are meant for a network


def export_job(
    directory: Path, target: Path, arguments: list[str], environment: dict[str, str], sites: int = 1
) -> tuple[Path, dict[str, Any]]:
    """Run ``job.py --export`` of a converted folder, and rehearse the start of some of its sites.

    Args:
        directory: the converted folder.
        target: where the job folder is written.
        arguments: further arguments of job.py.
        environment: environment of the run.
        sites: how many sites are rehearsed.

    Returns:
        The job folder, and what each rehearsed site was seen to do: its training ``data``.

    Raises:
        UserError: where NVFLARE is missing, where job.py fails, with its own last line, or where the model of the
            server, its checkpoint and the model of the client are not of the same shapes.
    """
    script = directory / "job.py"
    if importlib.util.find_spec("nvflare") is None or importlib.util.find_spec("torch") is None:
        raise UserError("running a job needs NVFLARE and torch: pip install 'flare-codemods[flare]'")
    answers = target.with_name("rehearsal.json")
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("rehearsal.py")), str(answers), str(sites)]
    command += [str(script), *arguments, "--export", "--export-dir", str(target)]
    with ProcessTree(environment) as tree:
        finished = tree.run(command, directory, EXPORT_LIMIT)
    jobs = [meta.parent for meta in target.glob("*/meta.json")]
    if finished.return_code or len(jobs) != 1:
        raise UserError(f"{script} cannot be exported: {_reason(finished.output)}")
    seen = json.loads(answers.read_text(encoding="utf-8"))
    for each in seen.values():
        if each.get("model"):
            raise UserError(each["model"])
    return jobs[0], seen


def _reason(output: str) -> str:
    """The last error of an output in one line, without pydantic's address to read more at; else its last line."""
    lines = [line for line in output.strip().splitlines() if not line.lstrip().startswith("For further information")]
    first = next((number for number in reversed(range(len(lines))) if ERROR.match(lines[number])), len(lines) - 1)
    return " ".join(line.strip() for line in lines[first:]) or "no output"


def job_defaults(script: Path) -> dict[str, int]:
    """The whole numbers that ``job.py`` has as defaults of its options, which the user may have edited.

    Args:
        script: the file; nothing is executed.

    Returns:
        Values by option without its dashes, such as ``{"rounds": 3}``.

    Raises:
        UserError: where it is missing or not Python.
    """
    try:
        tree = ast.parse(script.read_bytes())
    except OSError:
        raise UserError(f"{script} does not exist: give a folder that `apply` has written") from None
    except SyntaxError as error:
        raise UserError(f"{script}:{error.lineno} is not valid Python: {error.msg}") from None
    except ValueError as error:
        raise UserError(f"{script} is not valid Python: {error}") from None
    defaults = {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("add_argument") and call.args:
            option, default = call.args[0], next((each.value for each in call.keywords if each.arg == "default"), None)
            if isinstance(option, ast.Constant) and isinstance(default, ast.Constant) and type(default.value) is int:
                defaults[str(option.value).lstrip("-")] = default.value
    return defaults


def watch(job: Path, folder: Path, keep_updates: bool) -> None:
    """Let the server of an exported job write down what every site sends, and let sites ask for work more often and
    tell in their log that a client exits.

    Neither changes what is trained or how it is aggregated.

    Args:
        job: the exported job, changed in place.
        folder: where the updates are written.
        keep_updates: whether the parameters are kept too, not only what is known of them.
    """
    app = job / "app_server" if (job / "app_server").is_dir() else job / "app"
    path = app / "config" / "config_fed_server.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    arguments = {"folder": str(folder), "keep": keep_updates}
    config["task_data_filters"].append(_filter("ToSite", arguments))
    config["task_result_filters"].append(_filter("FromSite", arguments))
    config["task_result_filters"].append(_filter("Evaluated", arguments, task="validate"))
    config.setdefault("server", {})["task_request_interval"] = REQUEST_INTERVAL
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    sites = list(job.glob("*/config/config_fed_client.json"))
    for site in sites:
        config = json.loads(site.read_text(encoding="utf-8"))
        config["components"].append({"id": OBSERVER, "path": f"{OBSERVER}.Exits", "args": {}})
        site.write_text(json.dumps(config, indent=2), encoding="utf-8")
    for each in {app, *(site.parent.parent for site in sites)}:
        (each / "custom").mkdir(exist_ok=True)
        shutil.copyfile(Path(__file__).with_name("observer.py"), each / "custom" / f"{OBSERVER}.py")


def _filter(name: str, args: dict[str, object], task: str = "train") -> dict[str, object]:
    return {"tasks": [task], "filters": [{"path": f"{OBSERVER}.{name}", "args": args}]}


def sites_of(job: Path, clients: int) -> list[str]:
    """Names of the sites of an exported job: those it was written for, else site-1 to site-n as FLARE names them."""
    meta = json.loads((job / "meta.json").read_text(encoding="utf-8"))
    deployed = {site for sites in meta["deploy_map"].values() for site in sites}
    named = sorted(deployed - {"server", "@ALL"})
    return named or [f"site-{number}" for number in range(1, clients + 1)]


def environment_without(*folders: Path) -> dict[str, str]:
    """The environment for a run in which a module missing from the job is missed.

    Args:
        folders: folders whose modules must not be found.

    Returns:
        This process's environment with this interpreter first on the path and without the folders in PYTHONPATH.
    """
    hidden = [folder.resolve() for folder in folders]
    search = [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    kept = [str(entry) for entry in search if not any(entry.resolve().is_relative_to(folder) for folder in hidden)]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(kept), "PATH": programs}
    environment.pop("NVFLARE_SIMULATOR_WORKSPACE_ROOT", None)
    return environment
