"""A schedule that is sized for one run spans all rounds; others stay as they are."""

from __future__ import annotations

from functools import partial

import pytest

from codemods import rescale_schedulers
from tests.codemods import tools

check_converted = partial(tools.check_converted, rescale_schedulers.step)
check_diff = partial(tools.check_diff, rescale_schedulers.step)
check_unchanged = partial(tools.check_unchanged, rescale_schedulers.step)


def test_cosine_annealing() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)  # down to zero
        + scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs * args.num_rounds)  # down to zero
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_one_cycle_by_epochs() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=3, steps_per_epoch=1)
        + scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=args.epochs * args.num_rounds, steps_per_epoch=1)
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_one_cycle_by_steps_in_an_expression() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3 + 0)
        + scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=(args.epochs * args.num_rounds) + 0)
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_a_function_of_the_number_of_epochs() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          EPOCHS = 3
        - scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / EPOCHS)
        + scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / (EPOCHS * args.num_rounds))
          for epoch in range(EPOCHS):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_the_number_of_the_epoch_sets_the_rate() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
        +     epoch += input_model.current_round * args.epochs  # the epoch's number goes on over the rounds
              for group in optimizer.param_groups:
                  group['lr'] = 0.1 * 0.5**epoch  # halved every epoch
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_with_arguments() -> None:
    check_diff(
        """\
          import argparse

          import torch
          from torch import nn
          from torch.optim import lr_scheduler


          def main():
              parser = argparse.ArgumentParser()
              parser.add_argument("--epochs", type=int, default=3)
              args = parser.parse_args()
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        -     scheduler = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
        +     scheduler = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * args.num_rounds)
              for epoch in range(args.epochs):
                  optimizer.zero_grad()
                  model(torch.ones(4, 2)).mean().backward()
                  optimizer.step()
                  scheduler.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_steps_of_a_fixed_length() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.StepLR(optimizer, step_size=2)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()
        """,
    )


def test_a_plateau() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step(1.0)
        """,
    )


def test_the_number_of_the_epoch_is_only_reported() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            print(f"epoch {epoch + 1}/3")
        """,
    )


def test_no_scheduler() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


def test_a_length_that_is_one_more_than_the_epochs() -> None:
    """Over all rounds it is one more than all their epochs."""
    before = """\
        import argparse

        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=5)
        args = parser.parse_args()
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, {length})
        for epoch in range(1, args.epochs):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()
        """
    for length, spanning in (
        ("T_max=args.epochs", "T_max=(args.epochs - 1) * args.num_rounds + 1"),
        ("2 * args.epochs", "2 * ((args.epochs - 1) * args.num_rounds + 1)"),
    ):
        check_converted(before.format(length=length), before.format(length=spanning))


def test_a_schedule_as_long_as_an_epoch() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        batches = [torch.ones(4, 2), torch.zeros(4, 2)]
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(batches))
        for epoch in range(3):
            for x in batches:
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
            scheduler.step()
        """,
    )


def test_a_decay_whose_length_is_drawn() -> None:
    check_diff(
        """\
          import random

          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          epochs = random.choice([3, 4])
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          lr = 0.1
          for epoch in range(epochs):
        +     epoch += input_model.current_round * epochs  # the epoch's number goes on over the rounds
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        -     if epoch + 1 > epochs - 2:
        +     if epoch + 1 > (epochs * args.num_rounds) - 2:
                  lr -= 0.05
                  for group in optimizer.param_groups:
                      group["lr"] = lr
        """,
    )


def test_a_rate_computed_by_a_partial_function() -> None:
    check_diff(
        """\
          from functools import partial

          import torch
          from torch import nn


          def decayed(lr, total, epoch):
              return lr * (1 - epoch / total)


          def set_rate(optimizer, rate, epoch):
              lr = rate(epoch)
              for group in optimizer.param_groups:
                  group["lr"] = lr


          x, y = torch.ones(4, 2), torch.ones(4, 1)
          last = 3
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - rate = partial(decayed, 0.1, last)
        + rate = partial(decayed, 0.1, last * args.num_rounds)
          for epoch in range(0, last):
        +     epoch += input_model.current_round * last  # the epoch's number goes on over the rounds
              set_rate(optimizer, rate, epoch)
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_a_rate_that_a_function_gives_back() -> None:
    check_diff(
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


@pytest.mark.parametrize(
    ("rate", "stretched"),
    [
        ("0.1 * (1 - done / limit)", "0.1 * (1 - done / (limit * args.num_rounds))"),
        ("0.1 * (1 - done / 40) ** 0.9", "0.1 * (1 - done / (40 * args.num_rounds)) ** 0.9"),
        ("0.1 * (1 + cos(pi * done / limit))", "0.1 * (1 + cos(pi * done / (limit * args.num_rounds)))"),
        ("0.1 / (1 + done / limit)", None),
        ("0.1 * 0.5 ** (done / limit)", None),
        ("0.1 * min(1, done / warmup)", None),
    ],
)
def test_a_limit_at_which_a_rate_comes_to_its_end(rate: str, stretched: str | None) -> None:
    before = f"""\
        from math import cos, pi

        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        done, limit, warmup = 0, 60, 10
        for epoch in range(3):
            for group in optimizer.param_groups:
                group["lr"] = {rate}
            optimizer.zero_grad()
            model(torch.ones(4, 2)).mean().backward()
            optimizer.step()
            done += 1
        """
    if stretched is None:
        check_unchanged(before)
    else:
        check_converted(before, before.replace(rate, stretched))


def test_an_optimizer_that_schedules_itself() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from pytorch_pretrained_bert import BertAdam

          batches = [torch.ones(4, 2), torch.zeros(4, 2)]
          model = nn.Linear(2, 1)
          epochs = 3
          t_total = len(batches) * epochs
        - optimizer = BertAdam(model.parameters(), lr=0.1, warmup=0.1, t_total=t_total)
        + optimizer = BertAdam(model.parameters(), lr=0.1, warmup=0.1, t_total=t_total * args.num_rounds)
          for epoch in range(epochs):
              for x in batches:
                  optimizer.zero_grad()
                  model(x).mean().backward()
                  optimizer.step()
        """,
    )


def test_a_schedule_of_ones_own_sized_by_a_name() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from transformers import WarmupLinearSchedule

          batches = [torch.ones(4, 2), torch.zeros(4, 2)]
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          epochs = 3
          total = len(batches) * epochs
        - scheduler = WarmupLinearSchedule(optimizer, warmup_steps=2, t_total=total)
        + scheduler = WarmupLinearSchedule(optimizer, warmup_steps=2, t_total=total * args.num_rounds)
          for epoch in range(epochs):
              for x in batches:
                  optimizer.zero_grad()
                  model(x).mean().backward()
                  optimizer.step()
                  scheduler.step()
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


BEHIND_NAMES = """\
import torch
from torch import nn
from torch.optim import lr_scheduler

{before}

batches = [torch.ones(4, 2), torch.zeros(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
EPOCHS = 3
total = {total} * len(batches)
{scheduler}
for epoch in range(EPOCHS):
    for x in batches:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        scheduler.step()
"""
DECAYING = """\
def decaying(optimizer, steps):
    def rate(step):
        return max(0.0, 1 - step / steps)

    return lr_scheduler.LambdaLR(optimizer, rate)
"""
OF_A_CLASS = """\
class Decay:
    def __init__(self, optimizer, steps):
        self.optimizer, self.steps, self.done = optimizer, steps, 0

    def step(self):
        self.done += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 0.1 * (1 - self.done / self.steps)
"""


@pytest.mark.parametrize(
    ("before", "scheduler"),
    [
        ("", "scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / total)"),
        ("", "def rate(step):\n    return 1 - step / total\n\n\nscheduler = lr_scheduler.LambdaLR(optimizer, rate)"),
        (DECAYING, "scheduler = decaying(optimizer, total)"),
    ],
    ids=["lambda", "function", "closure"],
)
def test_a_number_of_steps_that_a_function_of_the_rate_reads(before: str, scheduler: str) -> None:
    """It is stretched where it is computed, once."""
    check_converted(
        BEHIND_NAMES.format(before=before, total="EPOCHS", scheduler=scheduler),
        BEHIND_NAMES.format(before=before, total="(EPOCHS * args.num_rounds)", scheduler=scheduler),
    )


@pytest.mark.parametrize(
    ("length", "spanning"),
    [
        ("T_max=EPOCHS - 1", "T_max=(EPOCHS * args.num_rounds) - 1"),
        ("EPOCHS", "EPOCHS * args.num_rounds"),
    ],
)
def test_a_schedule_inside_another(length: str, spanning: str) -> None:
    """The warm-up before it is as long as it was, so that the whole has the length of all rounds."""
    scheduler = """\
warm = lr_scheduler.LinearLR(optimizer, total_iters=1)
cosine = lr_scheduler.CosineAnnealingLR(optimizer, {length})
scheduler = lr_scheduler.SequentialLR(optimizer, schedulers=[warm, cosine], milestones=[1])"""
    check_converted(
        BEHIND_NAMES.format(before="", total=2, scheduler=scheduler.format(length=length)),
        BEHIND_NAMES.format(before="", total=2, scheduler=scheduler.format(length=spanning)),
    )


def test_a_length_by_a_name_from_which_a_warm_up_is_taken() -> None:
    scheduler = "rest = {} - 1\nscheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=rest)"
    check_converted(
        BEHIND_NAMES.format(before="", total=2, scheduler=scheduler.format("EPOCHS")),
        BEHIND_NAMES.format(before="", total=2, scheduler=scheduler.format("(EPOCHS * args.num_rounds)")),
    )


def test_a_number_of_steps_that_an_object_keeps() -> None:
    """It is stretched where the object is built, and not again where the object reads it."""
    scheduler = "scheduler = Decay(optimizer, total{})"
    check_converted(
        BEHIND_NAMES.format(before=OF_A_CLASS, total="EPOCHS", scheduler=scheduler.format("")),
        BEHIND_NAMES.format(before=OF_A_CLASS, total="EPOCHS", scheduler=scheduler.format(" * args.num_rounds")),
    )


def test_the_number_of_epochs_written_once_more_in_the_number_of_steps() -> None:
    script = """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        batches = [torch.ones(4, 2)] * 2
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total_steps = len(batches) * {length}
        scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total_steps)
        for epoch in range(3):
            for x in batches:
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
                scheduler.step()
        """
    check_converted(script.format(length="3"), script.format(length="(args.epochs * args.num_rounds)"))
