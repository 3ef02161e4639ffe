"""The received model is measured before training, with the script's own evaluation, which leaves the training alone."""

from __future__ import annotations

from functools import partial
from textwrap import indent

from codemods import evaluate_global_model
from tests.codemods import tools

check_converted = partial(tools.check_converted, evaluate_global_model.step)
check_diff = partial(tools.check_diff, evaluate_global_model.step)
check_unchanged = partial(tools.check_unchanged, evaluate_global_model.step)


SCRIPT = """\
import torch
from torch import nn

x, y = torch.ones(4, 2), torch.ones(4, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def test({parameters}):
    model.eval()
    with torch.no_grad():
        output = model(data)
        loss = ((output - target) ** 2).mean().item()
{function}

"""
LOOP = """\
for epoch in range(3):
    model.train()
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""
ROUNDS = """\
while flare.is_running():
    with torch.random.fork_rng():  # evaluating leaves the training's random stream alone
{measured}
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics={metrics}))
        continue
"""
UNDISTURBED = '''\
"""Evaluate a model without disturbing its training."""

import random
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def undisturbed(model, *generators):
    """Leave modes, counters, buffers and random streams as they were, whatever happens inside."""
    numbers = [(module, _numbers(module)) for module in model.modules()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    gradients = torch.is_grad_enabled()
    streams = [(generator, generator.get_state()) for generator in generators]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for generator, state in streams:
            generator.set_state(state)
        with torch.no_grad():
            for name, value in buffers.items():
                model.get_buffer(name).copy_(value)
        torch.set_grad_enabled(gradients)
        for module, attributes in numbers:
            for name, value in attributes.items():
                setattr(module, name, value)


def _numbers(module):
    """The attributes of a module that are numbers or flags: whether it trains, and what it counts."""
    numbers = {name: value for name, value in vars(module).items() if isinstance(value, (bool, int, float))}
    return {"training": module.training, **numbers}
'''


def check_measured(
    told: str,
    call: str,
    measured: str,
    *,
    parameters: str = "model, data, target",
    returned: str = "",
    metrics: str = "metrics",
    after: str = "",
) -> None:
    """The script's evaluation is called before each round, for the received model.

    Args:
        told: how the evaluating function ends.
        call: the end of an epoch, where it is called.
        measured: the statements that take the metrics of the received model.
        parameters: of the evaluating function.
        returned: what it is made to give back.
        metrics: what the metrics are called.
        after: what follows the epoch loop.
    """
    function = indent(told, "    ")
    loop = LOOP + indent(call, "    ")
    rounds = ROUNDS.format(measured=indent(measured.rstrip(), " " * 8), metrics=metrics)
    check_converted(
        SCRIPT.format(parameters=parameters, function=function) + loop + after,
        SCRIPT.format(parameters=parameters, function=function + (f"\n    {returned}\n" if returned else ""))
        + rounds
        + indent(loop, "    ")
        + after,
    )


PRINTED = 'return {"loss": float(loss)}  # for the server: what is printed above'


def test_what_is_printed_is_returned() -> None:
    check_measured('print("loss", loss)\n', "test(model, x, y)\n", "metrics = test(model, x, y)", returned=PRINTED)


def test_one_number_is_returned() -> None:
    measured = 'metrics = {"loss": float(test(model, x, y))}'
    check_measured("return loss\n", "loss = test(model, x, y)\n", measured)


def test_several_numbers_are_returned() -> None:
    told = "accuracy = (output.round() == target).float().mean().item()\nreturn loss, accuracy\n"
    check_measured(
        told,
        "test_loss, test_accuracy = test(model, x, y)\n",
        'results = test(model, x, y)\nmetrics = {"accuracy": float(results[1]), "loss": float(results[0])}',
    )


def test_a_dictionary_is_returned() -> None:
    measured = 'metrics = {"loss": float(test(model, x, y)["loss"])}'
    check_measured('return {"loss": loss}\n', "print(test(model, x, y))\n", measured)


def test_the_epoch_is_an_argument() -> None:
    check_measured(
        'print(epoch, "loss", loss)\n',
        "test(model, x, y, epoch)\n",
        "metrics = test(model, x, y, 0)",
        parameters="model, data, target, epoch",
        returned=PRINTED,
    )


def test_only_every_second_epoch() -> None:
    call = "if epoch % 2 == 0:\n    test(model, x, y)\n"
    check_measured('print("loss", loss)\n', call, "metrics = test(model, x, y)", returned=PRINTED)


def test_after_the_loop_only() -> None:
    measured = 'metrics = {"loss": float(test(model, x, y))}'
    check_measured("return loss\n", "", measured, after='print("loss", test(model, x, y))\n')


def test_names_taken() -> None:
    measured = 'global_metrics = {"loss": float(test(model, x, y))}'
    check_measured("return loss\n", "metrics = test(model, x, y)\n", measured, metrics="global_metrics")


def test_numpys_random_stream_too() -> None:
    check_diff(
        """\
          import random

          import numpy as np
          import torch
          from torch import nn
        +
        + from undisturbed import undisturbed

          random.seed(0)
          np.random.seed(0)
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


          def test(model, data, target):
              model.eval()
              with torch.no_grad():
                  output = model(data)
                  loss = ((output - target) ** 2).mean().item()
              return loss


        - for epoch in range(3):
        -     model.train()
        -     optimizer.zero_grad()
        -     nn.functional.mse_loss(model(x), y).backward()
        -     optimizer.step()
        -     loss = test(model, x, y)
        + while flare.is_running():
        +     with undisturbed(model):
        +         metrics = {"loss": float(test(model, x, y))}
        +     if flare.is_evaluate():
        +         flare.send(flare.FLModel(metrics=metrics))
        +         continue
        +     for epoch in range(3):
        +         model.train()
        +         optimizer.zero_grad()
        +         nn.functional.mse_loss(model(x), y).backward()
        +         optimizer.step()
        +         loss = test(model, x, y)
        """,
        also={"undisturbed.py": UNDISTURBED},
    )


def test_training_mode_is_left_to_the_script() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
        +
        + from undisturbed import undisturbed

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


          def test(model, data, target):
              model.eval()
              with torch.no_grad():
                  output = model(data)
                  loss = ((output - target) ** 2).mean().item()
              return loss


        - for epoch in range(3):
        -     optimizer.zero_grad()
        -     nn.functional.mse_loss(model(x), y).backward()
        -     optimizer.step()
        -     loss = test(model, x, y)
        + while flare.is_running():
        +     with undisturbed(model):
        +         metrics = {"loss": float(test(model, x, y))}
        +     if flare.is_evaluate():
        +         flare.send(flare.FLModel(metrics=metrics))
        +         continue
        +     for epoch in range(3):
        +         optimizer.zero_grad()
        +         nn.functional.mse_loss(model(x), y).backward()
        +         optimizer.step()
        +         loss = test(model, x, y)
        """,
        also={"undisturbed.py": UNDISTURBED},
    )


def test_a_method_of_a_trainer() -> None:
    check_diff(
        """\
          import torch
          from torch import nn


          class Trainer:
              def __init__(self, network):
                  self.network = network
                  self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

              def fit(self, epochs):
        -         for epoch in range(epochs):
        -             self.network.train()
        -             self.opt.zero_grad()
        -             self.network(torch.ones(4, 2)).mean().backward()
        -             self.opt.step()
        -             val_loss = self.validate()
        -             print(val_loss)
        +
        +         while flare.is_running():
        +             with torch.random.fork_rng():  # evaluating leaves the training's random stream alone
        +                 metrics = {"loss": float(self.validate())}
        +             if flare.is_evaluate():
        +                 flare.send(flare.FLModel(metrics=metrics))
        +                 continue
        +             for epoch in range(epochs):
        +                 self.network.train()
        +                 self.opt.zero_grad()
        +                 self.network(torch.ones(4, 2)).mean().backward()
        +                 self.opt.step()
        +                 val_loss = self.validate()
        +                 print(val_loss)

              @torch.no_grad()
              def validate(self):
                  self.network.eval()
                  return self.network(torch.ones(4, 2)).mean().item()


          network = nn.Linear(2, 1)
          Trainer(network).fit(3)
        """,
    )


def test_an_evaluation_that_stands_inline() -> None:
    check_converted(
        """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        loader = DataLoader(data, batch_size=4, shuffle=True)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            # how good is it?
            model.eval()
            total, count = 0, 0
            with torch.no_grad():
                for x, y in loader:
                    total += (model(x) - y).abs().sum().item()  # not squared
                    count += len(y)
            val_loss = total / count
            print(f"epoch {epoch}: {val_loss:.3f}")
        """,
        """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        loader = DataLoader(data, batch_size=4, shuffle=True)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


        # the evaluation of the loop below, for the received model
        def evaluate():
            model.eval()
            total, count = 0, 0
            with torch.no_grad():
                for x, y in loader:
                    total += (model(x) - y).abs().sum().item()  # not squared
                    count += len(y)
            val_loss = total / count
            return {"loss": float(val_loss)}


        while flare.is_running():
            with torch.random.fork_rng():  # evaluating leaves the training's random stream alone
                metrics = evaluate()
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics=metrics))
                continue
            for epoch in range(3):
                model.train()
                for x, y in loader:
                    optimizer.zero_grad()
                    nn.functional.mse_loss(model(x), y).backward()
                    optimizer.step()

                # how good is it?
                model.eval()
                total, count = 0, 0
                with torch.no_grad():
                    for x, y in loader:
                        total += (model(x) - y).abs().sum().item()  # not squared
                        count += len(y)
                val_loss = total / count
                print(f"epoch {epoch}: {val_loss:.3f}")
        """,
    )


def test_no_evaluation() -> None:
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
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics={}))  # there are none to send
                continue
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )
