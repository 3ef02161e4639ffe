"""The number of the epoch goes on over the rounds where training depends on it, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from codemods import rescale_schedulers
from tests.codemods.tools import check_diff, plan_of, written

SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


def main():
    data = TensorDataset(torch.ones(40, 2), torch.ones(40, 1))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = {{}}
    for epoch in range(4):
{statements}
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()


main()
"""


def matters(folder: Path, statements: str) -> bool:
    text = SCRIPT.format(statements=indent(dedent(statements), " " * 8))
    return bool(plan_of(written(folder, text, {})).rounds.shifts)


@pytest.mark.parametrize(
    "statements",
    [
        "optimizer.param_groups[0]['lr'] = 0.1 / (epoch + 1)",
        "if epoch == 2:\n    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)",
        "if epoch > 1:\n    loader = DataLoader(data, batch_size=16)",
        "loader = DataLoader(Subset(data, range(8 * (epoch + 1))), batch_size=8)",
        "torch.manual_seed(epoch)",
        "if epoch >= 2:\n    model.norm.eval()",
        "for parameter in model.parameters():\n    parameter.requires_grad = epoch > 0",
        "for _ in range(epoch):\n    model(torch.ones(1, 2)).sum().backward()",
        "if epoch == 2:\n    loader = [(torch.ones(2, 2), torch.ones(2, 1))]",
        "if epoch == 2:\n    loader = list(loader)[:2]",
        "if epoch == 2:\n    model.dropout = 0.1",
        "if epoch % 2 == 0:\n    optimizer.state.clear()",
        "if epoch == 2:\n    model.reset_parameters()",
        "if epoch % 2 == 0:\n    data.set_strength(2)\nloader = DataLoader(data, batch_size=8)",
        "if epoch % 2 == 0:\n    model.weight.data.mul_(0.9)",
        "if epoch % 2 == 0:\n    loader.sampler.resample()",
        "if epoch == 2:\n    for layer in model.modules():\n        layer.eval()",
        "if score() > 0:\n    best, best_epoch = score(), epoch\nif epoch - best_epoch >= 2:\n    break",
        "if score() > 0:\n    history.best = epoch\nif epoch > history.best + 2:\n    print('stop')\n    break",
    ],
)
def test_training_that_depends_on_it(tmp_path: Path, statements: str) -> None:
    assert matters(tmp_path, statements)


@pytest.mark.parametrize(
    "statements",
    [
        "if score() > 0:\n    best, best_epoch = score(), epoch\nif epoch == 3:\n    break",
        "if score() > 0:\n    best, best_epoch = score(), epoch\nif epoch - best_epoch >= 2:\n    print('slow')",
        "pass",
        "print(f'epoch {epoch}')",
        "if epoch % 2 == 0:\n    torch.save(model.state_dict(), f'{epoch}.pt')",
        "history[epoch] = 0.5",
        "print(list(range(epoch)))",
        "best_epoch = epoch",
    ],
)
def test_reports_that_tell_it(tmp_path: Path, statements: str) -> None:
    assert not matters(tmp_path, statements)


def test_a_weight_of_the_loss_that_a_condition_on_it_sets(tmp_path: Path) -> None:
    text = SCRIPT.replace("history = {{}}", "history, weight = {{}}, 1.0").replace("(x), y)", "(x), y).mul(weight)")
    for name, expected in (("weight", True), ("seen", False)):
        script = text.format(statements=f"        if epoch >= 2:\n            {name} = 0.5")
        assert bool(plan_of(written(tmp_path, script, {})).rounds.shifts) is expected


def test_a_loss_that_a_condition_on_it_changes_before_it_goes_back(tmp_path: Path) -> None:
    loss = "nn.functional.mse_loss(model(x), y)"
    for name, expected in (("loss", True), ("seen", False)):
        step = f"loss = {loss}\n            if epoch >= 2:\n                {name} = 0.5 * loss\n            loss"
        script = SCRIPT.replace(loss, step).format(statements="        pass")
        assert bool(plan_of(written(tmp_path, script, {})).rounds.shifts) is expected


def test_a_list_of_batches_that_the_first_epoch_fills(tmp_path: Path) -> None:
    text = SCRIPT.replace("history = {{}}", "history, kept = {{}}, []").replace("in loader", "in kept")
    filling = "        if epoch == 0:\n            for pair in loader:\n                kept.append(pair)"
    assert plan_of(written(tmp_path, text.format(statements=filling), {})).rounds.shifts


ON_AN_OBJECT = """\
import torch
from torch import nn


class Trainer:
    def __init__(self):
        self.model = nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def helper(self):
        {helper}

    def fit(self, epochs=4):
        for self.epoch in range(epochs):
            weight = self.helper()
            for x in (torch.ones(4, 2), torch.zeros(4, 2)):
                self.optimizer.zero_grad()
                self.model(x).sum().backward()
                self.optimizer.step()
            print(self.epoch)


Trainer().fit()
"""


@pytest.mark.parametrize(
    ("helper", "number_goes_on"),
    [
        ("return 1 / (1 + self.epoch)", True),
        ("self.model.p = 0.1 * self.epoch", True),
        ("print(f'epoch {self.epoch}')", False),
    ],
)
def test_a_number_kept_on_an_object(tmp_path: Path, helper: str, number_goes_on: bool) -> None:
    """Other methods may read it."""
    plan = plan_of(written(tmp_path, ON_AN_OBJECT.format(helper=helper), {}))
    lines = [insert.text for insert in plan.rounds.shifts]
    assert [line.split("  #")[0] for line in lines] == (
        ["self.epoch += input_model.current_round * epochs"] if number_goes_on else []
    )


def test_a_rate_that_a_function_gives_back() -> None:
    check_diff(
        rescale_schedulers.step,
        """\
          import torch
          from torch import nn


          def rate(epoch):
              return 0.1 * 0.5**epoch


          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
        +     epoch += input_model.current_round * args.epochs  # the epoch's number goes on over the rounds
              lr = rate(epoch)
              for group in optimizer.param_groups:
                  group["lr"] = lr
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )
