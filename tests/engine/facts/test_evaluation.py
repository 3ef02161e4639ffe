"""Which code of a program measures its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.source import Project

SCRIPT = """\
import torch
from torch import nn

class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)

    def forward(self, x):
        return self.fc(x)

    def log_prob(self, x):
        return -self.forward(x).pow(2)

    def remember(self, path):
        torch.save(self.state_dict(), path)

def {name}(model, loader):
    model.eval()
    total = 0
    for x in loader:
        total += model.{call}.mean().item()
    model.train()
    return total / len(loader)

loader = [torch.ones(4, 2)]
model = Flow()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x in loader:
        optimizer.zero_grad()
        model.log_prob(x).mean().backward()
        optimizer.step()
    loss = {name}(model, loader)
    model.remember("last.pt")
    print(f"loss {{loss:.3f}}")
"""


@pytest.mark.parametrize(
    ("name", "call"),
    [("evaluate", "log_prob(x)"), ("measure", "forward(x)")],
)
def test_the_model_is_measured_by_its_own_methods(name: str, call: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(name=name, call=call))
    evaluations = gather(Project(script)).evaluations
    assert [one.function for one in evaluations] == [name]
    assert all([metric.name for metric in one.metrics] == ["loss"] for one in evaluations)


def test_an_evaluation_may_be_called_in_the_body_of_a_class(tmp_path: Path) -> None:
    called = SCRIPT.format(name="evaluate", call="log_prob(x)")
    script = called.replace(
        "    loss = evaluate(model, loader)", "    class Last:\n        loss = evaluate(model, loader)"
    )
    assert script != called
    (tmp_path / "train.py").write_text(script)
    assert gather(Project(tmp_path / "train.py")).loop is not None
