"""Of a training in several processes, rank 0 talks to FLARE."""

from __future__ import annotations

from functools import partial

from codemods import rank_zero_exchange
from tests.codemods import tools

check_converted = partial(tools.check_converted, rank_zero_exchange.step)
check_unchanged = partial(tools.check_unchanged, rank_zero_exchange.step)


def test_a_distributed_training() -> None:
    check_converted(
        """\
        import os

        import torch
        import torch.distributed as dist
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

        dist.init_process_group("gloo")
        model = DistributedDataParallel(nn.Linear(2, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 2)).mean().backward()
            optimizer.step()
        dist.destroy_process_group()
        """,
        """\
        import os

        import torch
        import torch.distributed as dist
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

        import rank_zero as flare

        dist.init_process_group("gloo")
        model = DistributedDataParallel(nn.Linear(2, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 2)).mean().backward()
            optimizer.step()
        dist.destroy_process_group()
        """,
        also={
            "rank_zero.py": '''\
            """FLARE's Client API for every rank of a distributed training: rank 0 talks to FLARE, the others get its answers."""

            import nvflare.client as flare
            import torch.distributed as dist
            from nvflare.client import FLModel, init  # noqa: F401  (used as flare.FLModel and flare.init)


            def is_running():
                """Whether the job goes on, on every rank."""
                return _from_rank_zero(flare.is_running)


            def receive():
                """The received model, on every rank."""
                return _from_rank_zero(flare.receive)


            def is_evaluate():
                """Whether only metrics are asked for."""
                return _from_rank_zero(flare.is_evaluate)


            def is_submit_model():
                """Whether the trained model is asked for."""
                return _from_rank_zero(flare.is_submit_model)


            def send(model):
                """Send what rank 0 has; all ranks have trained the same model."""
                if not _is_distributed() or dist.get_rank() == 0:
                    flare.send(model)


            def _from_rank_zero(ask):
                """What FLARE answers on rank 0, handed to all ranks."""
                if not _is_distributed():
                    return ask()
                answer = [ask() if dist.get_rank() == 0 else None]
                dist.broadcast_object_list(answer, src=0)
                return answer[0]


            def _is_distributed():
                """Whether several processes train together."""
                return dist.is_available() and dist.is_initialized()
            ''',
        },
    )


def test_name_taken() -> None:
    check_converted(
        """\
        import os

        import torch
        import torch.distributed as dist
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

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
        """\
        import os

        import torch
        import torch.distributed as dist
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

        import rank_zero as nv_flare

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
