"""Of a training in several processes, rank 0 talks to FLARE."""

from __future__ import annotations

from functools import partial

from codemods import rank_zero_exchange
from tests.codemods import tools

check_diff = partial(tools.check_diff, rank_zero_exchange.step)
check_unchanged = partial(tools.check_unchanged, rank_zero_exchange.step)


def test_a_distributed_training() -> None:
    check_diff(
        """\
          import os

          import torch
          import torch.distributed as dist
          from torch import nn
          from torch.nn.parallel import DistributedDataParallel
        +
        + import rank_zero as flare

          dist.init_process_group("gloo")
          model = DistributedDataParallel(nn.Linear(2, 1))
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              optimizer.zero_grad()
              model(torch.ones(4, 2)).mean().backward()
              optimizer.step()
          dist.destroy_process_group()
        """,
    )


def test_name_taken() -> None:
    check_diff(
        """\
          import os

          import torch
          import torch.distributed as dist
          from torch import nn
          from torch.nn.parallel import DistributedDataParallel
        +
        + import rank_zero as nv_flare

          flare = 1.0
          dist.init_process_group("gloo")
          model = DistributedDataParallel(nn.Linear(2, 1))
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              optimizer.zero_grad()
              model(torch.ones(4, 2)).mean().backward()
              optimizer.step()
          dist.destroy_process_group()
        """,
    )


def test_one_process() -> None:
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


def test_one_process_with_several_gpus() -> None:
    check_unchanged(
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
    )
