"""A round starts from the received parameters, loaded strictly and past every wrapper."""

from __future__ import annotations

from functools import partial

from codemods import load_global_params
from tests.codemods import tools

check_converted = partial(tools.check_converted, load_global_params.step)
check_diff = partial(tools.check_diff, load_global_params.step)
check_unchanged = partial(tools.check_unchanged, load_global_params.step)


def test_a_plain_model() -> None:
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
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            model.load_state_dict(input_model.params)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


def test_an_attribute() -> None:
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
        -             self.opt.zero_grad()
        -             self.network(torch.ones(4, 2)).mean().backward()
        -             self.opt.step()
        +
        +         while flare.is_running():
        +             input_model = flare.receive()
        +             if flare.is_submit_model():
        +                 flare.send(flare.FLModel(params=params))
        +                 continue
        +             self.network.load_state_dict(input_model.params)
        +             for epoch in range(epochs):
        +                 self.opt.zero_grad()
        +                 self.network(torch.ones(4, 2)).mean().backward()
        +                 self.opt.step()


          network = nn.Linear(2, 1)
          Trainer(network).fit(3)
        """,
    )


def test_a_data_parallel_model() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        model = nn.DataParallel(model)
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
        model = nn.DataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            model.module.load_state_dict(input_model.params)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


def test_a_model_wrapped_only_on_a_gpu() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        if torch.cuda.device_count() > 1:
            model = nn.DataParallel(model)
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
        if torch.cuda.device_count() > 1:
            model = nn.DataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            getattr(model, "module", model).load_state_dict(input_model.params)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


def test_a_compiled_model_under_another_name() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        fast = torch.compile(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(fast(x), y).backward()
            optimizer.step()
        """,
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        fast = torch.compile(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            fast._orig_mod.load_state_dict(input_model.params)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(fast(x), y).backward()
                optimizer.step()
        """,
    )


def test_names_taken() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        input_model = params = None
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

        input_model = params = None
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            received_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=trained_params))
                continue
            model.load_state_dict(received_model.params)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )
