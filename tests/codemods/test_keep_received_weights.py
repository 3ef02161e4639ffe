"""Every round trains all its local epochs, whatever the rounds before it, or a checkpoint, left behind."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from codemods import keep_received_weights
from engine.facts import gather
from engine.plan import make_plan
from engine.source import Project
from tests.codemods import tools

check_converted = partial(tools.check_converted, keep_received_weights.step)
check_diff = partial(tools.check_diff, keep_received_weights.step)
check_unchanged = partial(tools.check_unchanged, keep_received_weights.step)


def test_a_while_loop_counts_anew() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        epoch = 0  # passes
        while epoch < 3:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            epoch += 1
        """,
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        epoch = 0  # passes

        while flare.is_running():
            epoch = 0  # every round trains all its local epochs
            while epoch < 3:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
                epoch += 1
        """,
    )


def test_a_start_that_a_checkpoint_moves() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          start = 0
          if torch.cuda.is_available():
              saved = torch.load("last.pt", weights_only=True)
              model.load_state_dict(saved["model"])
              start = saved["epoch"] + 1
        - for epoch in range(start, 3):
        -     optimizer.zero_grad()
        -     nn.functional.mse_loss(model(x), y).backward()
        -     optimizer.step()
        +
        + while flare.is_running():
        +     start = 0  # every round trains all its local epochs
        +     for epoch in range(start, 3):
        +         optimizer.zero_grad()
        +         nn.functional.mse_loss(model(x), y).backward()
        +         optimizer.step()
        """,
    )


def test_a_loop_that_ends_by_patience() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        best, patience, epoch = 1e9, 0, 0
        patience = 0
        epoch = 0
        best = 1e9
        while epoch < 30:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            epoch += 1
            if loss.item() < best:
                best = loss.item()
                patience = 0
            else:
                patience += 1
            if patience > 2:
                break
        """,
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        best, patience, epoch = 1e9, 0, 0
        patience = 0
        epoch = 0
        best = 1e9

        while flare.is_running():
            epoch = 0
            patience = 0  # every round trains all its local epochs
            while epoch < 30:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                epoch += 1
                if loss.item() < best:
                    best = loss.item()
                    patience = 0
                else:
                    patience += 1
                if patience > 2:
                    break
        """,
    )


def test_a_plain_range() -> None:
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
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


def test_a_start_that_nothing_moves() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          FIRST = 0
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - for epoch in range(FIRST, 3):
        -     optimizer.zero_grad()
        -     nn.functional.mse_loss(model(x), y).backward()
        -     optimizer.step()
        +
        + while flare.is_running():
        +     for epoch in range(FIRST, 3):
        +         optimizer.zero_grad()
        +         nn.functional.mse_loss(model(x), y).backward()
        +         optimizer.step()
        """,
    )


def test_a_loop_over_a_sequence() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for rate in [0.1, 0.2]:
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
            for rate in [0.1, 0.2]:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


RESTORED = """\
    import argparse

    import torch
    from torch import nn

    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--resume", default="")
    args = parser.parse_args()
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    restored = {"epoch": 0}
    if args.resume:
        restored.update(torch.load(args.resume))
    start_epoch = START
    for epoch in range(start_epoch, args.epochs):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).mean().backward()
        optimizer.step()
    """


def test_a_start_that_is_known_where_nothing_is_resumed(tmp_path: Path) -> None:
    entry = tools.written(tmp_path, tools.unindented(RESTORED.replace("START", 'restored["epoch"]')), {})
    assert tools.plan_of(entry).rounds.resets == ("start_epoch = 0",)


def test_a_start_that_is_not_known_is_refused_with_what_helps(tmp_path: Path) -> None:
    entry = tools.written(tmp_path, tools.unindented(RESTORED.replace("START", "int(open('epoch').read())")), {})
    refused = make_plan(gather(Project(entry)))
    assert isinstance(refused, list)
    assert [result.code for result in refused] == ["FLR153"]
    assert "let it run over range(epochs)" in refused[0].remedy
