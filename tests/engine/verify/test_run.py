"""`verify` as a whole: correct conversions hold, and what cannot be proved is said plainly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import engine.verify
from engine.result import UserError
from engine.verify import warm
from engine.verify.launch import Settings
from engine.verify.report import Outcome, render_json, render_text
from engine.verify.run import record, verify
from tests.conftest import snapshot

PROJECTS = Path(__file__).parent / "projects"
QUICK = Settings(sites=(2,), time_limit=120)


@pytest.fixture
def project(tmp_path):
    """Copy one of the projects; gives its converted folder."""

    def copy(name: str) -> Path:
        shutil.copytree(PROJECTS / name, tmp_path / name)
        return tmp_path / name / "federated"

    return copy


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def outcomes(report, proof: str) -> list[Outcome]:
    return [check.outcome for check in report.checks if check.proof == proof]


@pytest.mark.parametrize("name", sorted(path.name for path in PROJECTS.iterdir()))
def test_correct_conversion_holds_and_leaves_nothing_behind(name, project):
    directory = project(name)
    before = snapshot(directory.parent)
    report = verify(directory, Settings(time_limit=120))
    assert report.exit_code == 0, render_text(report)
    assert {check.outcome for check in report.checks} == {Outcome.HOLDS}, render_text(report)
    assert {check.proof for check in report.checks} == {"P1", "P2", "P3", "P4", "P5", "P6"}
    assert snapshot(directory.parent) == before


def test_a_schedule_that_one_round_is_too_short_for_is_proved_over_all_of_them(project):
    directory = project("schedule")
    change(directory.parent / "train.py", "T_max=args.epochs", "T_max=args.epochs - 1")
    change(directory / "client.py", "T_max=args.epochs * args.num_rounds", "T_max=args.epochs * args.num_rounds - 1")
    report = verify(directory, Settings(time_limit=120))
    assert outcomes(report, "P4") == [Outcome.HOLDS] * 4, render_text(report)


def test_json_names_the_first_difference(project):
    directory = project("functions")
    change(directory / "client.py", "default=0.05", "default=0.02")
    document = json.loads(render_json(verify(directory, QUICK)))
    assert document["verdict"] == "fails"
    first = document["checks"][0]
    assert (first["proof"], first["outcome"]) == ("P1", "fails")
    assert first["difference"]["where"] == "after step 1 (round 1, its step 1)"
    assert first["difference"]["tensor"] == "conv.weight"
    assert "0.02" in first["difference"]["cause"]


def test_settings_reach_both_scripts(project):
    settings = Settings(rounds=3, local_epochs=2, sites=(), seed=5, arguments=("--lr=0.01",), time_limit=120)
    report = verify(project("functions"), settings)
    assert report.exit_code == 0, render_text(report)
    assert "42 steps" in report.checks[0].detail  # 97 samples in batches of 16, six times
    assert not outcomes(report, "P4")


def test_file_beside_the_project_that_the_script_is_given(project):
    directory = project("functions")
    (directory.parent.parent / "notes.txt").touch()
    reads = 'parser.add_argument("notes"); args = parser.parse_args(); open(args.notes).close()'
    for script in (directory.parent / "train.py", directory / "client.py"):
        change(script, "args = parser.parse_args()", reads)
    change(directory / "conversion.json", '"data": []', '"data": [], "files": ["../notes.txt"]')
    change(directory / "conversion.json", '"files": {}', '"files": {}, "job": {"script_arguments": ["../notes.txt"]}')
    report = verify(directory, Settings(sites=(), time_limit=120))
    assert report.exit_code == 0, render_text(report)


def test_a_data_location_without_a_default_is_given_for_both_scripts(project):
    directory = project("functions")
    (directory.parent / "rows.txt").touch()
    reads = 'parser.add_argument("--rows", required=True); args = parser.parse_args(); open(args.rows).close()'
    for script in (directory.parent / "train.py", directory / "client.py"):
        change(script, "args = parser.parse_args()", reads)
    change(directory / "conversion.json", '"data": []', '"data": [{"option": "--rows", "default": null}]')
    report = verify(directory, Settings(sites=(), time_limit=120, arguments=("--rows=rows.txt",)))
    assert report.exit_code == 0, render_text(report)
    with pytest.raises(UserError, match=r"sys\.exit\(2\); give what it lacks on its command line with --arg"):
        verify(directory, Settings(sites=(), time_limit=120))


def test_original_that_never_repeats_itself_proves_nothing(project):
    directory = project("functions")
    change(directory.parent / "train.py", "torch.manual_seed(3)", "torch.manual_seed(time.time_ns() % 2**31)")
    change(directory.parent / "train.py", "import argparse\n", "import argparse, time\n")
    source = json.loads((directory / "conversion.json").read_text())
    report = verify(directory, QUICK)
    assert source["original"]["model"] == "model"
    assert outcomes(report, "P1") == [Outcome.NOT_CHECKED]
    assert "does not follow its seed" in report.checks[0].detail
    assert report.exit_code == 2


def test_decision_of_the_conversion_exempts_from_a_proof(project):
    directory = project("schedule")
    change(directory / "client.py", "T_max=args.epochs * args.num_rounds", "T_max=args.epochs")
    change(directory / "conversion.json", '"subject": "scheduler', '"exempts": ["P2"], "subject": "scheduler')
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)
    assert outcomes(report, "P2") == [Outcome.NOT_APPLICABLE, Outcome.HOLDS]
    assert "CosineAnnealingLR covers all rounds" in render_text(report)


def test_fixed_length_of_the_loop_is_proved_for_one_round(project):
    directory = project("flat")
    document = json.loads((directory / "conversion.json").read_text())
    document["original"]["epochs"] = None
    (directory / "conversion.json").write_text(json.dumps(document))
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)
    assert outcomes(report, "P1") == [Outcome.HOLDS]
    assert "20 steps" in report.checks[0].detail  # 45 samples in batches of 10, four times
    assert outcomes(report, "P2")[0] is Outcome.NOT_APPLICABLE


def test_conversion_without_metric_or_partitions(project):
    directory = project("flat")
    document = json.loads((directory / "conversion.json").read_text())
    document |= {"metric": None}
    document["arguments"]["partitions"] = None
    (directory / "conversion.json").write_text(json.dumps(document))
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)
    not_applicable = [check.claim for check in report.checks if check.outcome is Outcome.NOT_APPLICABLE]
    assert len(not_applicable) == 3


def test_tensor_exchange(project):
    directory = project("trainer")
    change(directory / "conversion.json", '"numpy"', '"pytorch"')
    report = verify(directory, QUICK)
    assert {check.outcome for check in report.checks} == {Outcome.HOLDS}, render_text(report)


def test_external_process_sees_one_rank(project):
    directory = project("schedule")
    change(directory / "conversion.json", '"in_process"', '"external"')
    ask = '    assert __import__("os").environ["WORLD_SIZE"] == "1"\n    args = parser'
    change(directory / "client.py", "    args = parser", ask)
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)


def test_original_that_fails_after_its_loop_excuses_the_conversion(project):
    directory = project("schedule")
    for script in (directory.parent / "train.py", directory / "client.py"):
        change(script, "    main()", "    main()\n    print(['A'].index('E'))")
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)
    assert "after as few epochs: ValueError: 'E' is not in list" in render_text(report)


def test_loader_with_worker_processes_in_a_script_without_main_guard(project):
    directory = project("flat")
    change(directory.parent / "train.py", "shuffle=True)", "shuffle=True, num_workers=1)")
    change(directory / "client.py", "shuffle=True)", "shuffle=True, num_workers=1)")
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)


def test_entry_in_a_package_finds_it_and_its_data(project):
    directory = project("flat")
    source = directory.parent
    (source / "package").mkdir()
    (source / "package" / "sizes.py").write_text("BATCH = 10\n")
    shutil.move(source / "train.py", source / "package" / "train.py")
    change(source / "package" / "train.py", '"data/points.csv"', '"../data/points.csv"')
    change(source / "package" / "train.py", "batch_size=10", "batch_size=__import__('package.sizes').sizes.BATCH")
    change(directory / "conversion.json", "train.py", "package/train.py")
    change(directory / "conversion.json", '"source": {', '"source": {"folder": "package",')
    change(directory / "conversion.json", '"data/points.csv"', '"../data/points.csv"')
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)


def test_own_module_called_engine_is_found(project):
    directory = project("schedule")
    for folder, script in ((directory.parent, "train.py"), (directory, "client.py")):
        (folder / "engine.py").write_text("SEED = 11\n")
        change(folder / script, "import torch\n", "import engine\nimport torch\n")
        change(folder / script, "manual_seed(11)", "manual_seed(engine.SEED)")
    document = json.loads((directory / "conversion.json").read_text())
    for place in (document["original"]["loop"], document["original"]["epochs"], *document["original"]["evaluations"]):
        for key in ("line", "end_line"):
            if key in place:
                place[key] += 1
    (directory / "conversion.json").write_text(json.dumps(document))
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)


def test_module_missing_from_the_conversion_shows(project, monkeypatch):
    directory = project("trainer")
    (directory / "network.py").unlink()
    monkeypatch.chdir(directory.parent)
    report = verify(directory, QUICK)
    assert report.exit_code == 1
    assert "No module named 'network'" in report.checks[0].detail


def test_endless_training_is_ended_with_all_its_processes(project, tmp_path):
    directory = project("schedule")
    pids = tmp_path / "pids"
    sleeper = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(600)\n"
    )
    change(directory / "client.py", "import argparse\n", f"import argparse\n{sleeper}")
    started = time.monotonic()
    report = verify(directory, Settings(sites=(), time_limit=4), record(PROJECTS / "schedule/federated"))
    assert report.exit_code == 1
    assert "no answer within 4 s" in report.checks[0].detail
    assert time.monotonic() - started < 60
    assert not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split())


def test_script_that_does_not_parse(project):
    directory = project("schedule")
    change(directory / "client.py", "import argparse", "import import")
    report = verify(directory, QUICK)
    assert report.exit_code == 1
    assert "SyntaxError" in report.checks[0].detail


def test_script_that_ends_its_process(project):
    directory = project("schedule")
    change(directory / "client.py", "        steps.clear()\n", "        __import__('os')._exit(3)\n")
    report = verify(directory, QUICK)
    assert "exit code 3" in report.checks[0].detail


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("    torch.manual_seed(11)", "    torch.manual_seed(undefined)", "undefined"),
        ("            optimizer.step()\n", "            pass\n", "no optimizer step"),
        ('if __name__ == "__main__":\n    main()', 'if __name__ == "__main__":\n    main()\n    main()', "ran 2 times"),
        ("    for epoch in range(args.epochs):", "    while args.epochs:", "run `apply` again"),
        ("if __name__", "if __name__ is None and __name__", "did not get through its epoch loop"),
    ],
)
def test_original_that_cannot_be_compared_is_an_error(project, before, after, says):
    directory = project("schedule")
    change(directory.parent / "train.py", before, after)
    with pytest.raises(UserError, match=says):
        verify(directory, QUICK)


def test_folder_that_is_no_conversion(tmp_path):
    with pytest.raises(UserError, match="holds no conversion.json"):
        verify(tmp_path)
    (tmp_path / "conversion.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read"):
        verify(tmp_path)


def test_nothing_reaches_the_environment_of_the_caller(project):
    before = dict(os.environ)
    record(project("schedule"))
    assert dict(os.environ) == before


def test_entry_of_the_command_line_loads_neither_torch_nor_flare(project):
    """A fork of the process that has loaded them makes the proofs, where processes can be forked."""
    look = (
        "import sys, engine.verify; from pathlib import Path\n"
        "def loaded(*more): print(*[name for name in ('torch', 'nvflare', *more) if name in sys.modules], sep=', ')\n"
        "loaded('psutil')\n"
        "settings = engine.verify.Settings(sites=(2,), time_limit=120)\n"
        "report = engine.verify.verify(Path(sys.argv[1]), settings, lambda text: print('said', text))\n"
        "loaded()\n"
        "from engine.verify.report import render_text; print(render_text(report)); sys.exit(report.exit_code)\n"
    )
    command = [sys.executable, "-c", look, str(project("schedule"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    before, *said, after = done.stdout.partition("/federated: conversion of")[0].splitlines()[:-1]
    assert (before, after) == ("", "" if warm.AVAILABLE else "torch, nvflare")
    assert {"said the original train.py", "said one site, one round", "said 2 sites, 2 rounds"} <= set(said)


def test_entry_of_the_command_line_names_the_mistakes_of_the_user(project):
    directory = project("schedule")
    change(directory.parent / "train.py", "    torch.manual_seed(11)", "    torch.manual_seed(undefined)")
    with pytest.raises(UserError, match="undefined"):
        engine.verify.verify(directory, QUICK)


def test_an_evaluation_on_samples_drawn_at_random_is_not_compared(project):
    directory = project("functions")
    drawn = "test_loader = DataLoader(make_data(45, seed=2), batch_size=32{})"
    sampler = ", sampler=torch.utils.data.RandomSampler(range(45), num_samples=9)"
    for script in (directory / "client.py", directory.parent / "train.py"):
        change(script, drawn.format(""), drawn.format(sampler))
    report = verify(directory, QUICK)
    assert report.exit_code == 0, render_text(report)
    found = [check for check in report.checks if check.outcome is Outcome.NOT_CHECKED]
    assert [check.claim for check in found] == [
        "metrics are those of the received weights",
        "metrics are what the original computes",
    ]
    assert all("the evaluation draws at random" in check.detail for check in found)
