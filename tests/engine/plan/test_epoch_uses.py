"""The number of epochs where it is used besides the header of the epoch loop."""

from __future__ import annotations

import re
from functools import partial

import pytest

from codemods import rescale_schedulers
from tests.codemods import tools

check_diff = partial(tools.check_diff, rescale_schedulers.step)


def test_a_number_of_steps_set_before_the_loop() -> None:
    check_diff(
        """\
          import torch
          from torch import nn


          def adjust(optimizer, step, total):
              lr = 0.1 * (1 - step / total) ** 0.9
              optimizer.param_groups[0]["lr"] = lr


          def main(epochs=3):
              batches = [torch.ones(4, 2), torch.zeros(4, 2)]
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        -     max_steps = epochs * len(batches)
        +     max_steps = (epochs * args.num_rounds) * len(batches)
              for epoch in range(epochs):
        +         epoch += input_model.current_round * epochs  # the epoch's number goes on over the rounds
                  for i, x in enumerate(batches):
                      adjust(optimizer, epoch * len(batches) + i, max_steps)
                      optimizer.zero_grad()
                      model(x).mean().backward()
                      optimizer.step()


          main()
        """,
    )


def test_a_number_of_steps_that_a_count_kept_over_the_rounds_runs_through() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          batches = [torch.ones(4, 2), torch.zeros(4, 2)]
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          epochs, done = 3, 0
        - max_steps = epochs * len(batches)
        + max_steps = (epochs * args.num_rounds) * len(batches)
          for epoch in range(epochs):
              for x in batches:
                  optimizer.zero_grad()
                  model(x).mean().backward()
                  optimizer.step()
                  lr = 0.1 * (1 - done / max_steps) ** 0.9
                  for group in optimizer.param_groups:
                      group["lr"] = lr
                  done += 1
        """,
    )


def test_the_number_of_epochs_where_the_epochs_number_meets_it() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          def weight(epoch, epochs):
        -     return epoch / epochs
        +     return epoch / (epochs * args.num_rounds)

          batches = [torch.ones(4, 2), torch.zeros(4, 2)]
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          epochs = 4
        - betas = [i / epochs for i in range(epochs)]
        + betas = [i / (epochs * args.num_rounds) for i in range(epochs * args.num_rounds)]
          for epoch in range(epochs):
        -     if epoch >= epochs // 2:
        +     epoch += input_model.current_round * epochs  # the epoch's number goes on over the rounds
        +     if epoch >= (epochs * args.num_rounds) // 2:
                  model.bias.requires_grad = False
              for x in batches:
                  optimizer.zero_grad()
                  loss = betas[epoch] * weight(epoch, epochs) * model(x).mean()
                  loss.backward()
                  optimizer.step()
              print("done with", epoch, "of", epochs)
        """,
    )


def test_the_number_of_epochs_where_a_method_reads_the_epochs_number_from_its_object() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          class Trainer:
              def __init__(self, model, epochs):
                  self.model, self.times = model, epochs
                  self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

              def weight(self):
        -         return 1 - self.epoch / self.times
        +         return 1 - self.epoch / (self.times * args.num_rounds)

              def fit(self):
                  for self.epoch in range(self.times):
        +             self.epoch += input_model.current_round * self.times  # the epoch's number goes on over the rounds
                      for x in [torch.ones(4, 2), torch.zeros(4, 2)]:
                          self.optimizer.zero_grad()
                          loss = self.weight() * self.model(x).mean()
                          loss.backward()
                          self.optimizer.step()

          Trainer(nn.Linear(2, 1), 4).fit()
        """,
    )


WEIGHED = """\
import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
kept = argparse.Namespace()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
for epoch in range({count}):
    optimizer.zero_grad()
    (model(torch.ones(4, 2)).mean() * {weight}).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("before", "count", "weight"),
    [
        ("kept.weights = torch.linspace(0, 1, <args.epochs> + 1)", "args.epochs", "kept.weights[epoch]"),
        ("weight = lambda number: number / <args.epochs>", "args.epochs", "weight(epoch)"),
        ("kept.weight = lambda number: number / <args.epochs>", "args.epochs", "kept.weight(epoch)"),
        ("passes = args.epochs // 2", "passes", "epoch / <passes>"),
        ("vars(kept).update(passes=4)", "kept.passes", "epoch / <kept.passes>"),
        ("kept.passes = args.epochs // 2", "kept.passes", "epoch / <kept.passes>"),
    ],
)
def test_what_an_attribute_a_lambda_and_a_computed_number_of_epochs_give(before: str, count: str, weight: str) -> None:
    """What stands in ``<>`` is multiplied by the number of rounds."""
    script = WEIGHED.format(before=before, count=count, weight=weight)
    shift = f"    epoch += input_model.current_round * {count}  # the epoch's number goes on over the rounds\n"
    after = re.sub("<(.+?)>", r"(\1 * args.num_rounds)", script).replace("    optimizer.z", f"{shift}    optimizer.z")
    tools.check_converted(rescale_schedulers.step, re.sub("<(.+?)>", r"\1", script), after)
