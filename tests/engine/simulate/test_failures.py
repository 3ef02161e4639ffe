"""What is read from FLARE's logs, told from logs as it writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.simulate.artifacts import global_model, read_contributions, read_evaluation, read_rounds, read_updates
from engine.simulate.failures import Run, find_failures, find_warnings
from engine.simulate.process import Finished
from engine.simulate.tracebacks import standing, tracebacks

CLIENT = "/w/flare/site-2/simulate_job/app_site-2/custom/client.py"
RAISED = f"""\
2026-11-20 11:31:05,636 - TaskScriptRunner - ERROR - Traceback (most recent call last):
  File "/venv/nvflare/app_common/executors/task_script_runner.py", line 95, in run
    runpy.run_path(self.script_full_path, run_name="__main__")
  File "{CLIENT}", line 67, in <module>
    main()
  File "{CLIENT}", line 56, in main
    model.load_state_dict(input_model.params)
  File "/venv/torch/nn/modules/module.py", line 2638, in load_state_dict
    raise RuntimeError(
RuntimeError: Error(s) in loading state_dict for Net:
\tMissing key(s) in state_dict: "layers.0.weight".

2026-11-20 11:31:05,636 - TaskScriptRunner - ERROR - fire abort event
"""
EXTERNAL = """\
2026-11-20 11:31:05,636 - SubprocessLauncher - INFO - Traceback (most recent call last):
2026-11-20 11:31:05,636 - SubprocessLauncher - INFO -   File "custom/client.py", line 9, in <module>
2026-11-20 11:31:05,636 - SubprocessLauncher - INFO -     import missing
2026-11-20 11:31:05,637 - SubprocessLauncher - INFO - ModuleNotFoundError: No module named 'missing'
2026-11-20 11:31:05,638 - Other - INFO - bye
"""
ABORTED = """\
Fatal Python error: Aborted

Thread 0x00007f (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 320 in wait
  File "/w/flare/site-1/simulate_job/app_site-1/custom/data.py", line 12 in load
  File "/w/flare/site-1/simulate_job/app_site-1/custom/client.py", line 34 in main
"""


def update(number: int, site: str, **changes: object) -> dict[str, object]:
    known = {"round": number, "site": site, "steps": 5, "parameters": 1, "not_finite": [], "unchanged": False}
    return {**known, **changes}


def line(number: int, *sites: str) -> dict[str, object]:
    metrics = [{"name": "accuracy", "value": 0.5}]
    return {"round": number, "sites": [{"name": site, "metrics": metrics, "weight": 5.0} for site in sites]}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """What a run of two rounds at two sites leaves where nothing went wrong."""
    (tmp_path / "app_server").mkdir()
    (tmp_path / "metrics").mkdir()
    torch.save({"model": {"weight": torch.ones(2)}}, tmp_path / "app_server" / "FL_global_model.pt")
    write(tmp_path / "metrics" / "round_metrics.jsonl", [line(number, "site-1", "site-2") for number in range(2)])
    write(tmp_path / "updates.jsonl", [update(number, site) for number in range(2) for site in ("site-1", "site-2")])
    for site in ("site-1", "site-2", "server"):
        (tmp_path / site).mkdir()
        (tmp_path / site / "error_log.txt").touch()
    return tmp_path


def write(path: Path, lines: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))


def run_of(folder: Path, output: str = "", return_code: int | None = 0, **changes: object) -> Run:
    run = Run(
        finished=Finished(return_code, output, 9.0),
        server=folder,
        logs={site: folder / site for site in ("site-1", "site-2", "server")},
        sites=("site-1", "site-2"),
        num_rounds=2,
        ends_early=False,
        metric="accuracy",
        rounds=tuple(read_rounds(folder)),
        updates=tuple(read_updates(folder)),
        models=(global_model(folder),),
    )
    return replace(run, **changes)


def failures(folder: Path, output: str = "", return_code: int | None = 0, **changes: object) -> list[tuple[str, str]]:
    return [(each.site, each.message) for each in find_failures(run_of(folder, output, return_code, **changes))]


def test_a_good_run_has_no_failure(good: Path) -> None:
    assert failures(good) == []


def test_a_swarm_has_its_rounds_in_the_log_of_the_site_that_aggregates(good: Path) -> None:
    (good / "updates.jsonl").unlink()
    said = "[identity=site-1]: Contribution from {} {} by the aggregator at round {}.\n"
    log = "".join(said.format(site, "ACCEPTED", number) for number in (0, 1) for site in ("site-1", "site-2"))
    logs = {site: good / site for site in ("site-1", "site-2", "server")}
    model = good / "app_server" / "FL_global_model.pt"

    def found(text: str, *models: Path | None) -> list[tuple[str, str]]:
        (good / "site-1" / "log.txt").write_text(text)
        return failures(good, updates=tuple(read_contributions(logs)), metric="", models=models)

    assert found(log, model, model) == []
    assert found(log.replace("site-2 ACCEPTED by the aggregator at round 1", "site-2 REJECTED"), model, model) == [
        ("site-2", "it sent nothing in round 2")
    ]
    assert [site for site, _ in found(log, model, None)] == ["site-2"]
    spoiled = good / "spoiled.pt"
    torch.save({"model": {"weight": torch.tensor([float("nan")])}}, spoiled)
    assert found(log, model, spoiled) == [("site-2", "the global model is not finite in weight")]


def test_an_evaluation_fails_where_a_site_measures_nothing(good: Path) -> None:
    lines = [{"site": site, "metrics": {"accuracy": 0.5, "loss": float("nan")}} for site in ("site-2", "site-1")]

    def found() -> list[tuple[str, str]]:
        write(good / "evaluations.jsonl", lines)
        return failures(good, rounds=tuple(read_evaluation(good)), updates=(), num_rounds=0, models=(None,))

    assert found() == []
    assert read_evaluation(good)[0].sites == {"site-1": {"accuracy": 0.5}, "site-2": {"accuracy": 0.5}}
    lines[0]["metrics"] = {"accuracy": float("nan")}
    assert found() == [("site-2", "it reported no finite metric 'accuracy'")]
    lines.clear()
    assert [site for site, _ in found()] == ["site-1", "site-2"]


def test_errors_of_the_server_alone_are_no_failure(good: Path) -> None:
    text = "2026-11-20 11:31:06,085 - Cell - ERROR - blob_cb threw: 'NoneType' object has no attribute 'get_widget'\n"
    (good / "server" / "error_log.txt").write_text(text)
    assert failures(good) == []
    assert failures(good, num_rounds=3) == [
        ("server", "blob_cb threw: 'NoneType' object has no attribute 'get_widget'")
    ]


def test_an_exception_is_told_with_all_it_says() -> None:
    (found,) = tracebacks(RAISED)
    message = 'RuntimeError: Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "layers.0.weight".'
    assert (found.site, found.error, found.file, found.line) == ("site-2", message, "client.py", 56)


def test_an_exception_in_a_process_of_its_own_is_told_too() -> None:
    (found,) = tracebacks(EXTERNAL, "site-1")
    assert (found.site, found.file, found.line) == ("site-1", "client.py", 9)
    assert found.error == "ModuleNotFoundError: No module named 'missing'"


def test_an_exception_outside_of_the_job_is_not_the_users() -> None:
    assert tracebacks(RAISED.replace("/custom/", "/other/")) == []


def test_a_client_that_was_stopped_stood_at_its_innermost_line() -> None:
    place = standing(ABORTED)["site-1"]
    assert (place.file, place.line) == ("data.py", 12)


def test_a_time_limit_names_the_sites_that_are_behind(good: Path) -> None:
    write(good / "updates.jsonl", [update(0, "site-1"), update(0, "site-2"), update(1, "site-2")])
    assert failures(good, ABORTED, None) == [("site-1", "the time limit of 9 s passed while it was at round 2")]


def test_refused_arguments_are_quoted(good: Path) -> None:
    log = "2026-11-20 11:36:24,686 - Executor - ERROR - trainer thread exited before producing a result\n"
    (good / "site-1" / "error_log.txt").write_text(log)
    ((site, message),) = failures(good, "usage: client.py\nclient.py: error: unrecognized arguments: --x\n", 2)
    assert site == "site-1" and "client.py: error: unrecognized arguments: --x" in message


@pytest.mark.parametrize(
    "text", ["Subprocess died for client site-2, exit code: 1", "Communication error with client site-2: "]
)
def test_a_site_that_dies_is_named_unless_the_job_was_ending(good: Path, text: str) -> None:
    ((site, message),) = failures(good, f"Round 1 started.\n{text}\n", 1)
    assert site == "site-2" and "process died" in message
    assert failures(good, f"ask to stop job: reason: END_RUN received\n{text}\n") == []


def test_an_empty_result_is_named(good: Path) -> None:
    ((site, message),) = failures(good, "WARNING - Empty result from client site-1, skipping.\n")
    assert site == "site-1" and "without parameters" in message
    (good / "site-2" / "log.txt").write_text(RAISED)  # as it follows from what it has sent
    assert [site for site, _ in failures(good, "WARNING - Empty result from client site-2, skipping.\n")] == ["site-2"]
    assert "RuntimeError" in failures(good)[0][1]
    found = failures(good, "WARNING - Empty result from client site-1, skipping.\n")
    assert [(site, "without parameters" in message) for site, message in found] == [("site-1", True), ("site-2", False)]


def test_only_the_site_that_sent_what_is_not_finite_is_named(good: Path) -> None:
    spoiled = {"not_finite": ["a", "b", "c", "d"]}
    write(good / "updates.jsonl", [update(0, "site-1"), update(0, "site-2", **spoiled), update(1, "site-1", **spoiled)])
    message = "what it sent in round 1 is not finite (NaN or infinity) in a, b, c and 1 more"
    assert failures(good) == [("site-2", message)]


def test_a_site_that_trains_nothing_is_named(good: Path) -> None:
    write(
        good / "updates.jsonl",
        [update(n, site, unchanged=site == "site-1") for n in (0, 1) for site in ("site-1", "site-2")],
    )
    ((site, message),) = failures(good)
    assert site == "site-1" and "nothing was trained" in message


def test_a_site_without_a_step_is_named_for_flare_weighs_it_all_the_same(good: Path) -> None:
    lines = [update(n, site, steps=0 if site == "site-2" and n else 5) for n in (0, 1) for site in ("site-1", "site-2")]
    write(good / "updates.jsonl", lines)
    ((site, message),) = failures(good)
    assert site == "site-2" and "no optimizer step in round 2" in message


def test_a_round_whose_steps_a_scaler_has_skipped_is_told_and_no_failure(good: Path) -> None:
    steps = {("site-2", 0): 0, ("site-2", 1): 0}
    lines = [update(n, site, steps=steps.get((site, n), 5)) for n in range(3) for site in ("site-1", "site-2")]
    write(good / "updates.jsonl", lines)
    write(good / "metrics" / "round_metrics.jsonl", [line(number, "site-1", "site-2") for number in range(3)])
    run = run_of(good, num_rounds=3, may_take_no_step=True)
    assert find_failures(run) == []
    message = "all its optimizer steps in round 1 and 2 were skipped, and FLARE weighs what it sent as one step"
    assert [(each.site, each.message) for each in find_warnings(run)] == [("site-2", message)]
    write(good / "updates.jsonl", [update(n, "site-2", steps=0) for n in range(3)])  # never a step: too little data
    run = run_of(good, num_rounds=3, may_take_no_step=True)
    assert ["no optimizer step in round 1" in each.message for each in find_failures(run)] == [True]
    assert find_warnings(run) == []


def test_a_round_without_a_site_or_its_metric_is_incomplete(good: Path) -> None:
    write(good / "metrics" / "round_metrics.jsonl", [line(0, "site-1", "site-2"), line(1, "site-1")])
    assert failures(good) == [("site-2", "it reported no finite metric 'accuracy' in round 2")]
    assert failures(good, metric="") == []
    write(good / "updates.jsonl", [update(0, "site-1"), update(0, "site-2"), update(1, "site-1")])
    assert failures(good) == [("site-2", "it sent nothing in round 2")]


def test_a_job_that_stops_early_is_complete_where_it_stopped(good: Path) -> None:
    assert failures(good, num_rounds=5, ends_early=True, stops_on="accuracy") == []
    assert failures(good, num_rounds=5, ends_early=True, stops_on="acc") == [
        ("", "stop_cond compares 'acc', and the sites report accuracy")
    ]
    assert failures(good, num_rounds=5) != []


def test_the_model_must_be_there_and_finite(good: Path) -> None:
    torch.save({"model": {"weight": torch.tensor([1.0, float("inf")])}}, good / "app_server" / "FL_global_model.pt")
    assert failures(good) == [("server", "the global model is not finite in weight")]
    (good / "app_server" / "FL_global_model.pt").unlink()
    ((site, message),) = failures(good)
    assert site == "server" and "no global model" in message


def test_an_exit_code_without_a_reason_is_still_a_failure(good: Path) -> None:
    assert failures(good, "last words\n", 2) == [("", "FLARE ended with exit code 2: last words")]
