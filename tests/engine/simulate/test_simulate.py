"""A job in FLARE's simulator: what it leaves, and what is said of one that goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engine.job import update_job
from engine.simulate import Simulation, render_text, simulate
from engine.simulate.artifacts import load_parameters
from tests.engine.simulate.conftest import Convert, converted

pytest.importorskip("nvflare")
pytestmark = pytest.mark.simulator

IN_SITE_2 = "        if flare.get_site_name() == 'site-2'{more}:\n            {statement}\n"
FAULTS = {
    "exception in the second round": (
        "raise ValueError('boom')",
        " and input_model.current_round == 1",
        "ValueError: boom",
    ),
    "exit": ("raise SystemExit(3)", "", "it ended (sys.exit"),
    "process dies": ("__import__('os')._exit(3)", "", "its process died"),
    "not a number": (
        "model.layers[0].bias.data.fill_(float('nan'))",
        "",
        "not finite (NaN or infinity) in layers.0.weight, layers.0.bias",
    ),
}
SENDING = "        flare.send(flare.FLModel(params=params, metrics"
ENDING = '    print("finished training")\n'
AT_EACH_SITE = "    if flare.get_site_name() == 'site-1':\n        {}\n    else:\n        {}\n"
FAULTS_THAT_FLARE_ACCEPTS = {  # it ends with 0 for all but the last
    "exit after the last round": (
        AT_EACH_SITE.format("pass", "raise SystemExit(3)"), ENDING, {}, "the client exited with 3",
    ),
    "no evaluation in a cross-site evaluation": (
        IN_SITE_2.format(more=" and flare.is_evaluate()", statement="raise ValueError('only training')"),
        "        if flare.is_evaluate():\n", {"cross_site_eval": True}, "ValueError: only training",
    ),
    "arrays instead of tensors": (
        IN_SITE_2.format(more="", statement="params = {name: value.numpy() for name, value in params.items()}"),
        SENDING, {}, "without parameters",
    ),
    "metrics alone": (IN_SITE_2.format(more="", statement="params = None"), SENDING, {}, "without parameters"),
    "exception in a process of its own": (
        IN_SITE_2.format(more="", statement="raise ValueError('boom')"), "        steps.clear()\n",
        {"launch_external_process": True}, "ValueError: boom",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """Two rounds at two sites, every update kept."""
    folder = tmp_path_factory.mktemp("run")
    directory = converted(folder)
    return simulate(directory, rounds=2, workspace=folder / "workspace", keep_updates=True, time_limit=240)


def leftovers(folder: Path) -> list[str]:
    """Command lines of processes that still work in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in (line := " ".join(process.cmdline())) and process.pid != os.getpid():
                found.append(line)
        except psutil.Error:
            continue
    return found


def test_every_round_is_reported_for_every_site(simulation: Simulation) -> None:
    assert simulation.failures == ()
    assert [each.rounds for each in simulation.rounds] == [0, 1, 2]
    for each in simulation.rounds:
        assert set(each.sites) == {"site-1", "site-2"}
    first, last = simulation.rounds[0].overall("accuracy"), simulation.rounds[-1].overall("accuracy")
    assert first < 0.5 < last


def test_the_global_model_is_the_mean_of_the_updates_weighted_by_steps(simulation: Simulation) -> None:
    steps = {update.site: update.steps for update in simulation.updates if update.round == 1}
    assert steps["site-1"] != steps["site-2"]
    folder = simulation.workspace / "updates" / "round-1"
    import torch

    sent = {site: torch.load(folder / f"{site}.pt") for site in steps}
    total = sum(steps.values())
    for name, value in load_parameters(simulation.global_model).items():
        mean = sum(steps[site] / total * sent[site][name].double() for site in steps)
        assert torch.allclose(torch.as_tensor(value).double(), mean, rtol=0, atol=1e-6), name


def test_results_are_kept_as_json_and_shown_as_a_table(simulation: Simulation) -> None:
    results = json.loads((simulation.workspace / "results.json").read_text())
    assert results["succeeded"] is True
    assert math.isclose(results["rounds"][2]["global"], simulation.rounds[2].overall("accuracy"))
    text = render_text(simulation)
    assert "site-1" in text and str(simulation.global_model) in text
    assert f"{simulation.rounds[-1].overall('accuracy'):.4f}" in text


@pytest.mark.parametrize(("statement", "more", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_site(convert: Convert, statement: str, more: str, message: str) -> None:
    directory = convert(IN_SITE_2.format(statement=statement, more=more))
    result = simulate(directory, rounds=2, time_limit=120, workspace=directory.parent / "workspace")
    assert not result.succeeded
    assert {failure.site for failure in result.failures} == {"site-2"}, result.failures
    assert message in result.failures[0].message
    assert f"site-2: {result.failures[0].message}" in render_text(result)
    assert leftovers(directory.parent) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("planted", "before", "settings", "message"), FAULTS_THAT_FLARE_ACCEPTS.values(), ids=FAULTS_THAT_FLARE_ACCEPTS
)
def test_a_fault_that_flare_says_nothing_of_is_named_with_its_site(
    convert: Convert, planted: str, before: str, settings: dict[str, Any], message: str
) -> None:
    directory = convert(planted, before)
    for name, content in update_job(directory, force=True, **settings).items():
        (directory / name).write_bytes(content)
    result = simulate(directory, rounds=1, time_limit=300, workspace=directory.parent / "workspace")
    assert {failure.site for failure in result.failures} == {"site-2"}, result.failures
    assert message in result.failures[0].message


def test_an_exception_is_shown_at_the_line_of_the_users_script(convert: Convert) -> None:
    directory = convert("import no_such_module\n", before="from torch import nn\n")
    line = (directory / "client.py").read_text().splitlines().index("import no_such_module") + 1
    result = simulate(directory, rounds=1, time_limit=120, workspace=directory.parent / "workspace")
    failure = result.failures[0]
    assert failure.message == "ModuleNotFoundError: No module named 'no_such_module'"
    assert (failure.file, failure.line, failure.origin) == ("client.py", line, f"train.py:{line}")


def test_an_exception_after_the_last_round_is_no_success(convert: Convert) -> None:
    directory = convert(AT_EACH_SITE.format("import no_such_module", "raise ValueError('too late')"), before=ENDING)
    result = simulate(directory, rounds=1, time_limit=120, workspace=directory.parent / "workspace")
    assert {(failure.site, failure.message) for failure in result.failures} == {
        ("site-1", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("site-2", "ValueError: too late"),
    }


def test_a_client_that_hangs_is_ended_and_its_place_shown(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hang = f"__import__('pathlib').Path({str(hanging)!r}).touch() or __import__('time').sleep(1000)"
    directory = convert(IN_SITE_2.format(statement=hang, more=""))
    line = (directory / "client.py").read_text().splitlines().index(f"            {hang}") + 1
    # However long the site takes to get there, the time limit passes then.
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 1e6 * hanging.exists(), sleep=time.sleep)
    monkeypatch.setattr("engine.simulate.process.time", clock)
    result = simulate(directory, rounds=1, time_limit=1000, workspace=directory.parent / "workspace")
    failure = next(failure for failure in result.failures if failure.site == "site-2")
    assert (failure.file, failure.line) == ("client.py", line)
    assert "time limit" in failure.message
    assert leftovers(directory.parent) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_behind(convert: Convert, number: signal.Signals) -> None:
    directory = convert(IN_SITE_2.format(statement="__import__('time').sleep(1000)", more=""))
    workspace = directory.parent / "workspace"
    code = f"from engine.simulate import simulate; simulate({str(directory)!r}, workspace={str(workspace)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any("simulator_worker" in line for line in leftovers(workspace)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert leftovers(workspace)
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert leftovers(workspace) == []
