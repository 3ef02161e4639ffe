"""What is sent is a copy of the trained state, with the metrics of the received model and the steps done."""

from __future__ import annotations

from functools import partial

from codemods import send_params
from tests.codemods import tools

check_converted = partial(tools.check_converted, send_params.step)
check_diff = partial(tools.check_diff, send_params.step)
check_unchanged = partial(tools.check_unchanged, send_params.step)


def test_the_trained_state() -> None:
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
        from nvflare.app_common.abstract.fl_model import MetaKey
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
            flare.send(
                flare.FLModel(params=params, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
            )
        """,
    )


def test_with_metrics() -> None:
    check_diff(
        """\
          import torch
        + from nvflare.app_common.abstract.fl_model import MetaKey
          from torch import nn

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
        +     for epoch in range(3):
        +         model.train()
        +         optimizer.zero_grad()
        +         nn.functional.mse_loss(model(x), y).backward()
        +         optimizer.step()
        +         loss = test(model, x, y)
        +
        +     params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
        +     flare.send(
        +         flare.FLModel(params=params, metrics=metrics, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
        +     )
        """,
    )


def test_without_the_wrapper() -> None:
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
        from nvflare.app_common.abstract.fl_model import MetaKey
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        model = nn.DataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            params = {
                name: value.detach().cpu().contiguous().clone()
                for name, value in model.module.state_dict().items()
            }
            flare.send(
                flare.FLModel(params=params, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
            )
        """,
    )


def test_without_a_wrapper_that_may_be_there() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        if torch.cuda.is_available():
            model = torch.compile(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
        """\
        import torch
        from nvflare.app_common.abstract.fl_model import MetaKey
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        if torch.cuda.is_available():
            model = torch.compile(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            params = {
                name: value.detach().cpu().contiguous().clone()
                for name, value in getattr(model, "_orig_mod", model).state_dict().items()
            }
            flare.send(
                flare.FLModel(params=params, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
            )
        """,
    )


def test_names_taken() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        from keys import MetaKey

        params = list(MetaKey)
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
        from nvflare.app_common.abstract.fl_model import MetaKey as FlareMetaKey
        from torch import nn

        from keys import MetaKey

        params = list(MetaKey)
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            trained_params = {
                name: value.detach().cpu().contiguous().clone()
                for name, value in model.state_dict().items()
            }
            flare.send(
                flare.FLModel(params=trained_params, meta={FlareMetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
            )
        """,
        files={
            "keys.py": """\
            MetaKey = ()
            """,
        },
    )


def test_tabs_in_a_method() -> None:
    check_diff(
        """\
          import torch
        + from nvflare.app_common.abstract.fl_model import MetaKey
          from torch import nn


          class Trainer:
          \tdef __init__(self, network):
          \t\tself.network = network
          \t\tself.opt = torch.optim.SGD(network.parameters(), lr=0.1)

          \tdef fit(self, epochs):
        - \t\tfor epoch in range(epochs):
        - \t\t\tself.opt.zero_grad()
        - \t\t\tself.network(torch.ones(4, 2)).mean().backward()
        - \t\t\tself.opt.step()
        +
        + \t\twhile flare.is_running():
        + \t\t\tfor epoch in range(epochs):
        + \t\t\t\tself.opt.zero_grad()
        + \t\t\t\tself.network(torch.ones(4, 2)).mean().backward()
        + \t\t\t\tself.opt.step()
        +
        + \t\t\tparams = {
        + \t\t\t    name: value.detach().cpu().contiguous().clone()
        + \t\t\t    for name, value in self.network.state_dict().items()
        + \t\t\t}
        + \t\t\tflare.send(
        + \t\t\t    flare.FLModel(params=params, meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"]})
        + \t\t\t)


          network = nn.Linear(2, 1)
          Trainer(network).fit(3)
        """,
    )
