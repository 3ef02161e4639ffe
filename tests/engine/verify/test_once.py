"""A training that stands in no loop, or passes once over its data: what a round does is what the original does once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from engine.verify import Settings, verify
from engine.verify.proofs import counted
from engine.verify.report import Outcome, render_text
from tests.conftest import FIXTURES

QUICK = Settings(sites=(), time_limit=120)


def converted(name: str, folder: Path) -> Path:
    shutil.copytree(FIXTURES / "patterns" / name, folder / name)
    done = CliRunner().invoke(main, ["apply", str(folder / name / "train.py")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder / name / "federated"


@pytest.mark.parametrize(("name", "steps"), [("single_step", 1), ("one_pass", 70)])
def test_rounds_are_the_training_of_the_original_done_as_often(name: str, steps: int, tmp_path: Path) -> None:
    report = verify(converted(name, tmp_path), QUICK)
    assert [check for check in report.checks if check.outcome is not Outcome.HOLDS] == [], render_text(report)
    told = {check.claim: check.detail for check in report.checks if check.proof in ("P1", "P2")}
    first, several, _ = told
    assert first == "one site, one round: the original's weights"
    assert several == "one site, 2 rounds: the weights of the original, its training done as often"
    assert [detail.partition(",")[0] for detail in told.values()][:2] == [
        counted(steps, "step"),
        counted(2 * steps, "step"),
    ]


def test_a_round_that_does_not_repeat_the_training_is_found(tmp_path: Path) -> None:
    """Gradients that add up over the rounds show in the second."""
    directory = converted("single_step", tmp_path)
    client = directory / "client.py"
    client.write_text(client.read_text().replace("        optimizer.zero_grad()\n", ""))
    failed = {check.claim for check in verify(directory, QUICK).checks if check.outcome is Outcome.FAILS}
    assert failed == {"one site, 2 rounds: the weights of the original, its training done as often"}
