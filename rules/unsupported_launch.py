"""FLR119: training spread over processes in a way that cannot be converted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.trace import Call
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

ENGINES = {
    "deepspeed.": "DeepSpeed",
    "horovod.": "Horovod",
    "torch.distributed.fsdp.": "FSDP",
    "torch.distributed._composable.fsdp.": "FSDP",
    "torch.distributed.rpc.": "torch.distributed.rpc",
    "torch.distributed.pipelining.": "pipeline parallelism",
    "torch.distributed.pipeline.": "pipeline parallelism",
    "torch.distributed.tensor.parallel.": "tensor parallelism",
    "fairscale.": "FairScale",
    "colossalai.": "Colossal-AI",
    "megatron.": "Megatron",
    "ray.train.": "Ray Train",
    "accelerate.notebook_launcher": "Accelerate's notebook launcher",
    "torch_xla.": "PyTorch/XLA",
}
SPAWNS = (
    "torch.multiprocessing.spawn", "torch.multiprocessing.start_processes", "torch.multiprocessing.Process",
    "torch.multiprocessing.spawn.spawn", "multiprocessing.Process",
)  # fmt: skip


class UnsupportedLaunch(ProgramRule):
    """
    ## What it does
    Refuses a program whose training runs only in processes it starts itself (`torch.multiprocessing.spawn`, Hogwild),
    or under an engine that shards the model or owns its state: DeepSpeed, FSDP, Horovod, RPC, pipeline and tensor
    parallelism, Ray Train.

    ## Why is this bad
    The process that talks to FLARE must hold the whole model. Processes started by the script are not the one that
    FLARE started, and a sharded model has no whole state to send.

    ## Example
    ```python
    mp.spawn(train, nprocs=torch.cuda.device_count())
    ```

    ## Remedy
    Start DistributedDataParallel with `torchrun` (the job then uses `launch_external_process`), or train in one
    process.

    ## Fix safety
    There is no fix.

    ## References
    - [torchrun](https://pytorch.org/docs/stable/elastic/run.html)
    """

    CODE = "FLR119"
    MESSAGE = "The training runs in processes that the script starts itself, which FLARE cannot reach."
    REMEDY = "Start DistributedDataParallel with torchrun, or train in one process."
    VALID = [
        """
        import torch, torch.multiprocessing as mp
        def train(rank):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
        if args.spawn:
            mp.spawn(train, nprocs=2)
        else:
            train(0)
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch, torch.multiprocessing as mp
            def train(rank):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for epoch in range(3):
                    for x in loader:
                        model(x).sum().backward()
                        optimizer.step()
            mp.spawn(train, nprocs=2)
            """
        ),
        Invalid("import deepspeed\nengine, optimizer, _, _ = deepspeed.initialize(model=model)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first call of such an engine, or the call that starts the only processes that train."""
        engine = next(calls_of(facts, *ENGINES), None)
        if engine:
            name = next(ENGINES[prefix] for prefix in ENGINES if engine.name.startswith(prefix))
            message = f"The training runs under {name}, and no process that FLARE reaches holds the whole model."
            yield cls.found(engine.scope.file, engine.node, message)
        spawn = None if engine else spawned(facts)
        if spawn:
            yield cls.found(spawn.scope.file, spawn.node)


def spawned(facts: Facts) -> Event | None:
    """The call that starts the processes which train, where nothing trains outside of them."""
    if facts.loop is None:
        return None
    spawns = {id(event.node): event for event in facts.trace.named(*SPAWNS)}
    ways = [path for loop, path in facts.trace.loops if loop.node is facts.loop.loop.node]
    starts = [
        [id(entry.node) for entry in path if isinstance(entry, Call) and id(entry.node) in spawns] for path in ways
    ]
    return spawns[starts[0][0]] if starts and all(starts) else None
