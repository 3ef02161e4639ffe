"""What sizes a schedule for one run, and what does not."""

from __future__ import annotations

import re
from functools import partial

import pytest

from codemods import rescale_schedulers
from tests.codemods import tools

check_converted = partial(tools.check_converted, rescale_schedulers.step)
check_diff = partial(tools.check_diff, rescale_schedulers.step)
check_unchanged = partial(tools.check_unchanged, rescale_schedulers.step)


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


@pytest.mark.parametrize("method", ["__call__", "get_lr"])
def test_a_rate_computed_by_an_object_of_the_scripts_own(method: str) -> None:
    call = "schedule" if method == "__call__" else f"schedule.{method}"
    check_diff(
        f"""\
          import torch
          from torch import nn


          class Schedule:
              def __init__(self, base, nepochs):
                  self.base, self.nepochs = base, nepochs

              def {method}(self, epoch):
                  return self.base * (1 - min(epoch, self.nepochs - 1) / self.nepochs)


          x, y = torch.ones(4, 2), torch.ones(4, 1)
          last = 3
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - schedule = Schedule(0.1, nepochs=last)
        + schedule = Schedule(0.1, nepochs=last * args.num_rounds)
          for epoch in range(0, last):
        +     epoch += input_model.current_round * last  # the epoch's number goes on over the rounds
              rate = {call}(epoch)
              for group in optimizer.param_groups:
                  group["lr"] = rate
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


POLY = """\
class Poly:
    def __init__(self, {parameters}):
        {body}

    def lr(self, it):
        return 0.1 * max(0.0, 1 - it / {length})
"""
OF_LENGTH = POLY.format(parameters="total", body="self.total = total", length="self.total")
OF_SETTINGS = POLY.format(parameters="s", body='self.total = s["epochs"] * s["steps"]', length="self.total")
OF_PARTS = POLY.format(parameters="epochs, steps", body="self.total = epochs * steps", length="self.total")
OF_OPTIONS = POLY.format(parameters="o, n", body="self.o, self.n = o, n", length="(<self.o.epochs> * self.n)")
OF_AN_OBJECT = """\
class Poly:
    def __init__(self, o):
        self.o = o

    def __call__(self, it):
        return 1 - it / <self.o.epochs>
"""
OF_A_PARAMETER = "def poly(it, total):\n    return 0.1 * (1 - it / total)\n"
FROM_ANYWHERE = """\
import argparse
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

{definitions}

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
batches = [torch.ones(4, 2), torch.zeros(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
it = 0
for epoch in range(args.epochs):
    for x in batches:
        for group in optimizer.param_groups:
            group["lr"] = {rate}
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        it += 1
"""
OF_A_TRAINER = """\
import torch
from torch import nn

{definitions}

class Trainer:
    def __init__(self, model, epochs):
        self.model, self.epochs, self.it = model, epochs, 0
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        {before}

    def fit(self, batches):
        for epoch in range(self.epochs):
            for x in batches:
                for group in self.optimizer.param_groups:
                    group["lr"] = {rate}
                self.optimizer.zero_grad()
                self.model(x).mean().backward()
                self.optimizer.step()
                self.it += 1


Trainer(nn.Linear(2, 1), epochs=5).fit([torch.ones(4, 2), torch.zeros(4, 2)])
"""


def check_stretched(script: str) -> None:
    """What stands in ``<>`` is multiplied by the number of rounds, and nothing else."""
    check_converted(re.sub("<(.+?)>", r"\1", script), re.sub("<(.+?)>", r"(\1 * args.num_rounds)", script))


@pytest.mark.parametrize(
    ("definitions", "before", "rate"),
    [
        (OF_LENGTH, "poly = Poly(<args.epochs> * 2)", "poly.lr(it)"),
        (OF_LENGTH, "total = <args.epochs> * 2\npoly = Poly(total)", "poly.lr(it)"),
        (OF_LENGTH, "total = int(<args.epochs> * 2)\npoly = Poly(total)", "poly.lr(min(it, total))"),
        (OF_LENGTH, "args.total = <args.epochs> * 2\npoly = Poly(args.total)", "poly.lr(it)"),
        (OF_SETTINGS, 's = {"epochs": <args.epochs>, "steps": 2}\npoly = Poly(s)', "poly.lr(it)"),
        (OF_PARTS, 's = {"epochs": <args.epochs>, "steps": 2}\npoly = Poly(**s)', "poly.lr(it)"),
        (OF_PARTS, "s = [<args.epochs>, 2]\npoly = Poly(*s)", "poly.lr(it)"),
        (OF_OPTIONS, "poly = Poly(args, 2)", "poly.lr(it)"),
        (OF_A_PARAMETER, "", "poly(it, <args.epochs> * 2)"),
        (OF_A_PARAMETER, "total = <args.epochs> * 2\nrate = partial(poly, total=total)", "rate(it)"),
        ("def poly(it, o):\n    n = <o.epochs> * 2\n    return 0.1 * (1 - it / n)\n", "", "poly(it, args)"),
        ("def total(o):\n    return <o.epochs> * 2\n", "", "0.1 * (1 - it / total(args))"),
        ("", "args.total = <args.epochs> * 2", "0.1 * (1 - it / args.total)"),
        ("", "", "0.1 * (1 - it / (<args.epochs> * 2))"),
    ],
)
def test_a_length_is_stretched_once_wherever_a_rate_has_it_from(definitions: str, before: str, rate: str) -> None:
    check_stretched(FROM_ANYWHERE.format(definitions=definitions, before=before, rate=rate))


@pytest.mark.parametrize("rate", ["Poly(args)", "Poly(args).__call__"])
def test_a_length_that_an_object_which_gives_the_rate_keeps(rate: str) -> None:
    before = f"scheduler = LambdaLR(optimizer, {rate})"
    script = FROM_ANYWHERE.format(definitions=OF_AN_OBJECT, before=before, rate="scheduler.get_last_lr()[0]")
    check_stretched(script.replace("it += 1", "scheduler.step()"))


@pytest.mark.parametrize(
    ("definitions", "before", "rate"),
    [
        ("", "pass", "0.1 * (1 - self.it / (<self.epochs> * 2))"),
        ("", "self.total = <epochs> * 2", "0.1 * (1 - self.it / self.total)"),
        (OF_LENGTH, "self.poly = Poly(<epochs> * 2)", "self.poly.lr(self.it)"),
        (OF_LENGTH, "total = <epochs> * 2\n        self.poly = Poly(total)", "self.poly.lr(self.it)"),
        (OF_OPTIONS, "self.poly = Poly(self, 2)", "self.poly.lr(self.it)"),
    ],
)
def test_a_length_that_a_trainer_keeps(definitions: str, before: str, rate: str) -> None:
    """The number of epochs that its loop runs over stays as it is."""
    check_stretched(OF_A_TRAINER.format(definitions=definitions, before=before, rate=rate))


GOES_ON = """\
import torch
from torch import nn

{definitions}

EPOCHS = 3
batches = [torch.ones(4, 2), torch.zeros(4, 2)]
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
it = 0
for epoch in range(EPOCHS):
    for x in batches:
        {batch}
        optimizer.zero_grad()
        (model(x).mean() * weight).backward()
        optimizer.step()
        it += 1
"""
ANNEALER = """\
class Annealer:
    def __init__(self, total):
        self.total, self.done = total, 0

    def weight(self):
        self.done += 1
        return min(1.0, self.done / self.total)
"""


@pytest.mark.parametrize(
    ("definitions", "before", "batch"),
    [
        ("", "", "weight = min(1.0, it / (<EPOCHS> * 2))"),
        ("", "total = <EPOCHS> * 2", "weight = min(1.0, it / total)"),
        ("", "weights = torch.linspace(0, 1, <EPOCHS> * 2)", "weight = weights[it]"),
        ("def share(n, total):\n    return n / total\n", "", "weight = share(it, <EPOCHS> * 2)"),
        (ANNEALER, "annealer = Annealer(<EPOCHS> * 2)", "weight = annealer.weight()"),
    ],
)
def test_a_count_of_steps_that_goes_on_over_the_rounds(definitions: str, before: str, batch: str) -> None:
    check_stretched(GOES_ON.format(definitions=definitions, before=before, batch=batch))


@pytest.mark.parametrize(
    "batch",
    [
        "left = EPOCHS * 2 - it\n        print(left)\n        weight = 1.0",
        "weight = 1.0\n        if it >= EPOCHS * 2:\n            break",
    ],
)
def test_a_count_of_steps_that_training_does_not_go_by(batch: str) -> None:
    check_unchanged(GOES_ON.format(definitions="", before="", batch=batch))


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


def test_a_rate_by_a_count_that_begins_again_in_every_round() -> None:
    """It comes to its end in each: stretched, it would begin again before it has."""
    check_unchanged(
        """\
        import torch
        from torch import nn


        class Trainer:
            def __init__(self, model, max_steps=6):
                self.model, self.max_steps, self.step = model, max_steps, 0
                self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

            def rate(self):
                return 0.1 * max(0.0, 1 - self.step / self.max_steps)

            def fit(self, x, y):
                while self.step < self.max_steps:
                    for group in self.optimizer.param_groups:
                        group["lr"] = self.rate()
                    self.optimizer.zero_grad()
                    nn.functional.mse_loss(self.model(x), y).backward()
                    self.optimizer.step()
                    self.step += 1


        Trainer(nn.Linear(2, 1)).fit(torch.ones(4, 2), torch.ones(4, 1))
        """
    )
