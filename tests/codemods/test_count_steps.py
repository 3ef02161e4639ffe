"""The weight of a site is the number of optimizer steps it really did."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from codemods import count_steps
from engine.verify.launch import Settings
from engine.verify.run import verify
from tests.codemods import tools

check_converted = partial(tools.check_converted, count_steps.step)
check_diff = partial(tools.check_diff, count_steps.step)
check_unchanged = partial(tools.check_unchanged, count_steps.step)


def test_the_optimizer_of_the_script() -> None:
    check_converted(
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
        """\
        from collections import Counter

        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        steps = Counter()  # optimizer steps really done: the weight of this site
        optimizer.register_step_post_hook(lambda *_: steps.update(done=1))

        while flare.is_running():

            steps.clear()
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            if not steps["done"]:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_an_attribute() -> None:
    check_diff(
        """\
        + from collections import Counter
        +
          import torch
          from torch import nn


          class Trainer:
              def __init__(self, network):
                  self.network = network
                  self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

              def fit(self, epochs):
        -         for epoch in range(epochs):
        -             self.opt.zero_grad()
        -             self.network(torch.ones(4, 2)).mean().backward()
        -             self.opt.step()
        +         steps = Counter()  # optimizer steps really done: the weight of this site
        +         self.opt.register_step_post_hook(lambda *_: steps.update(done=1))
        +
        +         while flare.is_running():
        +
        +             steps.clear()
        +             for epoch in range(epochs):
        +                 self.opt.zero_grad()
        +                 self.network(torch.ones(4, 2)).mean().backward()
        +                 self.opt.step()
        +
        +             if not steps["done"]:  # FLARE would weigh it as one
        +                 raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")


          network = nn.Linear(2, 1)
          Trainer(network).fit(3)
        """,
    )


def test_an_optimizer_built_in_the_loop() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        for epoch in range(3):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / (epoch + 1))
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
        """\
        from collections import Counter

        import torch
        from torch import nn
        from torch.optim.optimizer import register_optimizer_step_post_hook

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        steps = Counter()  # optimizer steps really done: the weight of this site
        register_optimizer_step_post_hook(lambda *_: steps.update(done=1))

        while flare.is_running():

            steps.clear()
            for epoch in range(3):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / (epoch + 1))
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            if not steps["done"]:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_an_optimizer_that_the_loop_replaces() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if loss > 1:
                optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        """,
        """\
        from collections import Counter

        import torch
        from torch import nn
        from torch.optim.optimizer import register_optimizer_step_post_hook

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        steps = Counter()  # optimizer steps really done: the weight of this site
        register_optimizer_step_post_hook(lambda *_: steps.update(done=1))

        while flare.is_running():

            steps.clear()
            for epoch in range(3):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                if loss > 1:
                    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

            if not steps["done"]:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_an_optimizer_out_of_reach() -> None:
    check_diff(
        """\
        + from collections import Counter
        +
          import torch
          from torch import nn
        + from torch.optim.optimizer import register_optimizer_step_post_hook


          def train(model):
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              optimizer.zero_grad()
              model(torch.ones(4, 2)).mean().backward()
              optimizer.step()


          model = nn.Linear(2, 1)
        - for epoch in range(3):
        -     train(model)
        + steps = Counter()  # optimizer steps really done: the weight of this site
        + register_optimizer_step_post_hook(lambda *_: steps.update(done=1))
        +
        + while flare.is_running():
        +
        +     steps.clear()
        +     for epoch in range(3):
        +         train(model)
        +
        +     if not steps["done"]:  # FLARE would weigh it as one
        +         raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_names_taken() -> None:
    check_converted(
        """\
        import torch
        from torch import nn
        from collections import Counter

        steps = Counter('abc')
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
        """\
        import torch
        from torch import nn
        from collections import Counter

        steps = Counter('abc')
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer_steps = Counter()  # optimizer steps really done: the weight of this site
        optimizer.register_step_post_hook(lambda *_: optimizer_steps.update(done=1))

        while flare.is_running():

            optimizer_steps.clear()
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            if not optimizer_steps["done"]:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_an_import_that_is_there_already() -> None:
    check_converted(
        """\
        import torch
        from torch import nn
        from collections import Counter

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
        """\
        import torch
        from torch import nn
        from collections import Counter

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        steps = Counter()  # optimizer steps really done: the weight of this site
        optimizer.register_step_post_hook(lambda *_: steps.update(done=1))

        while flare.is_running():

            steps.clear()
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            if not steps["done"]:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no optimizer step: too little data?")
        """,
    )


def test_updates_of_arrays() -> None:
    check_converted(
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w, b, steps = np.zeros(3), 0.0, None
        for epoch in range(3):
            for xi, yi in zip(x, y):
                if yi * (xi @ w + b) <= 0:
                    w += yi * xi
                    b += yi  # and so is the bias
        """,
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w, b, steps = np.zeros(3), 0.0, None

        while flare.is_running():

            optimizer_steps = 0  # updates really done: the weight of this site
            for epoch in range(3):
                for xi, yi in zip(x, y):
                    if yi * (xi @ w + b) <= 0:
                        w += yi * xi
                        b += yi  # and so is the bias
                        optimizer_steps += 1
        """,
    )


def test_updates_of_arrays_that_always_come() -> None:
    check_converted(
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w = np.zeros(3)
        for epoch in range(3):
            for xi, yi in zip(x, y):
                w -= 0.1 * (xi @ w - yi) * xi
        """,
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w = np.zeros(3)

        while flare.is_running():

            steps = 0  # updates really done: the weight of this site
            for epoch in range(3):
                for xi, yi in zip(x, y):
                    w -= 0.1 * (xi @ w - yi) * xi
                    steps += 1

            if not steps:  # FLARE would weigh it as one
                raise RuntimeError(f"{flare.get_site_name()} did no update: too little data?")
        """,
    )


def test_a_gradient_scaler_may_skip_every_step_of_a_round() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu")
        for epoch in range(3):
            optimizer.zero_grad()
            scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()
        """,
        """\
        from collections import Counter

        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu")
        steps = Counter()  # optimizer steps really done: the weight of this site
        optimizer.register_step_post_hook(lambda *_: steps.update(done=1))

        while flare.is_running():

            steps.clear()
            for epoch in range(3):
                optimizer.zero_grad()
                scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
                scaler.step(optimizer)
                scaler.update()
        """,
    )


def test_what_accelerate_gives_for_an_optimizer_has_no_hooks(tmp_path: Path) -> None:
    script = """\
import torch
from accelerate import Accelerator
from torch import nn

accelerator = Accelerator()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model, optimizer = accelerator.prepare(model, optimizer)
for epoch in range(3):
    optimizer.zero_grad()
    accelerator.backward(model(torch.ones(4, 2)).mean())
    optimizer.step()
"""
    assert tools.plan_of(tools.written(tmp_path, script, {})).steps.optimizer == ""


def test_a_site_that_trains_nothing_fails_and_is_named(tmp_path: Path) -> None:
    script = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.ones(6, 2)), batch_size=4, drop_last=True)  # no batch is left for half of it
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for (x,) in loader:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
"""
    entry = tools.written(tmp_path, script, {})
    tools.check_promises(entry)
    report = verify(tmp_path / "federated", Settings(sites=(2,)))
    told = [check.detail for check in report.checks]
    assert any("site-1 did no optimizer step: too little data?" in detail for detail in told), told
