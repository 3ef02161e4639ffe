"""How a site starts the script: with a command of it, in one process or in several."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.trace import Branch
from engine.plan.decision import Decision


def launches_processes(facts: Facts) -> bool:
    """True for a script that always trains in several processes."""
    started = facts.trace.named("torch.distributed.init_process_group")
    return any(all(entry.default for entry in event.path if isinstance(entry, Branch)) for event in started)


def decide_command(facts: Facts) -> Iterator[Decision]:
    """The judgement on which command of the script trains."""
    if facts.arguments.command:
        yield Decision(
            "command",
            f"the job starts the script with {facts.arguments.command}, which trains",
            "name another with --arg",
        )


def decide_processes(facts: Facts) -> Iterator[Decision]:
    """The judgement on how a script is started that trains in several processes."""
    if launches_processes(facts):
        yield Decision(
            "processes",
            "torchrun starts one process at every site, unless --launch says otherwise",
            'give the command, such as --launch "torchrun --standalone --nproc_per_node=2"',
        )
