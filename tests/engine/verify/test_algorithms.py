"""P7: clients of FedProx and SCAFFOLD hold, and those that do not do what their algorithm says are caught."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import OK
from engine.verify.launch import Settings
from engine.verify.report import Outcome, Report, render_text
from engine.verify.run import verify

QUICK = Settings(sites=(), time_limit=120)
CONTROLS = "scaffold_controls.py"
SCRIPT = """\
import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()

torch.manual_seed(1)
inputs = torch.rand(24, 3)
loader = DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True).sin()), batch_size=4, shuffle=True)
model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
model[3].bias.requires_grad_(False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5, weight_decay=0.01)
for epoch in range(args.epochs):
    for number, (x, y) in enumerate(loader):
        (nn.functional.mse_loss(model(x), y) / 2).backward()
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    print(epoch)
"""


def converted(folder: Path, recipe: str) -> Path:
    (folder / "train.py").write_text(SCRIPT)
    result = CliRunner().invoke(main, ["apply", str(folder / "train.py"), "--recipe", recipe], catch_exceptions=False)
    assert result.exit_code == OK, result.output
    return folder / "federated"


def outcomes(report: Report) -> dict[str, set[Outcome]]:
    return {proof: {c.outcome for c in report.checks if c.proof == proof} for proof in ("P1", "P2", "P7")}


@pytest.mark.parametrize("recipe", ["fedprox-pt", "scaffold-pt"])
def test_a_client_of_its_algorithm_holds(tmp_path: Path, recipe: str) -> None:
    report = verify(converted(tmp_path, recipe), QUICK)
    assert outcomes(report) == dict.fromkeys(("P1", "P2", "P7"), {Outcome.HOLDS}), render_text(report)


def test_other_algorithms_have_no_such_proof(tmp_path: Path) -> None:
    report = verify(converted(tmp_path, "cyclic-pt"), QUICK)
    assert report.exit_code == 0
    assert outcomes(report)["P7"] == set()


@pytest.mark.parametrize(
    ("recipe", "file", "before", "after", "proof", "said"),
    [
        ("fedprox-pt", "client.py", "proximal_term.start_round(input_model)", "pass", "P7", "after step 2"),
        ("fedprox-pt", "proximal_term.py", "alpha=self.mu)", "alpha=2 * self.mu)", "P7", "after step 2"),
        ("fedprox-pt", "proximal_term.py", "alpha=self.mu)", "alpha=self.mu + 0.01)", "P1", "after step 2"),
        ("scaffold-pt", CONTROLS, "+= self.correction[name]", "-= self.correction[name]", "P7", "after step 1"),
        ("scaffold-pt", CONTROLS, " - self.local[name].to(value)\n", "\n", "P2", "(round 2, its step 1)"),
        ("scaffold-pt", CONTROLS, "self.sums[name] / self.steps[name]", "self.sums[name]", "P7", "is off by"),
        ("scaffold-pt", "client.py", ", **controls.end_round()", "", "P1", "sent no change of its SCAFFOLD controls"),
    ],
)  # fmt: skip
def test_a_client_that_does_something_else_is_caught(
    tmp_path: Path, recipe: str, file: str, before: str, after: str, proof: str, said: str
) -> None:
    directory = converted(tmp_path, recipe)
    text = (directory / file).read_text()
    assert text.count(before) == 1
    (directory / file).write_text(text.replace(before, after))
    failures = [check for check in verify(directory, QUICK).failures if check.proof == proof]
    assert failures
    assert any(said in f"{check.difference} {check.detail}" for check in failures)
