"""Checkpoints are loaded without running code that may be in them."""

from __future__ import annotations

from functools import partial

from codemods import safe_checkpoint_load
from tests.codemods import tools

check_converted = partial(tools.check_converted, safe_checkpoint_load.step)
check_diff = partial(tools.check_diff, safe_checkpoint_load.step)
check_unchanged = partial(tools.check_unchanged, safe_checkpoint_load.step)


def test_a_checkpoint() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - model.load_state_dict(torch.load("start.pt"))  # trained before
        + model.load_state_dict(torch.load("start.pt", weights_only=True))  # trained before
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_with_other_arguments() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          state = torch.load(
              "start.pt",
              map_location="cpu",  # no GPU here
        +     weights_only=True,
          )
          model.load_state_dict(state)
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_an_unsafe_one() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - model.load_state_dict(torch.load("start.pt", weights_only=False, map_location="cpu"))
        + model.load_state_dict(torch.load("start.pt", weights_only=True, map_location="cpu"))
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_under_another_name() -> None:
    check_diff(
        """\
          import torch
          from torch import load as read
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - model.load_state_dict(read("start.pt"))
        + model.load_state_dict(read("start.pt", weights_only=True))
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_in_another_file() -> None:
    script = """\
    import torch
    from torch import nn

    from checkpoints import restore

    x, y = torch.ones(4, 2), torch.ones(4, 1)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    restore(model)
    for epoch in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    """
    check_converted(
        script,
        script,
        files={
            "checkpoints.py": """\
            import torch


            def restore(model):
            \tmodel.load_state_dict(torch.load("start.pt"))
            """,
        },
        also={
            "checkpoints.py": """\
            import torch


            def restore(model):
            \tmodel.load_state_dict(torch.load("start.pt", weights_only=True))
            """,
        },
    )


def test_safe_already() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.load_state_dict(torch.load("start.pt", weights_only=True))
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


def test_a_load_of_something_else() -> None:
    check_unchanged(
        """\
        import json

        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        rate = json.loads("0.1")
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


def test_data_is_left_alone() -> None:
    """It may hold NumPy arrays, which weights_only=True refuses; that the model's state is none is told by its use."""
    source = """\
        import torch
        from torch import nn

        data = torch.load("traindata.pt", weights_only=False)
        x, y = torch.from_numpy(data[3:, :-1]), torch.from_numpy(data[3:, 1:])
        model = nn.Linear(2, 1)
        start = torch.load("start.pt"{safe})
        model.load_state_dict(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """
    check_converted(source.format(safe=""), source.format(safe=", weights_only=True"))


def test_a_model_that_the_script_saves_whole() -> None:
    """weights_only=True would refuse it, after the last round; a state from elsewhere is loaded safely all the same."""
    source = """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        model.load_state_dict(torch.load("start.pt"{safe}))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            torch.save(model, "best_model.pt")
        best = torch.load("best_model.pt", weights_only=False)
        print(nn.functional.mse_loss(best(x), y))
        """
    check_converted(source.format(safe=""), source.format(safe=", weights_only=True"))
