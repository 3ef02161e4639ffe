"""What counts the epochs once more after the epoch loop: the axis of a curve, the rows of a table. After the last round
all epochs of all rounds have been trained, and what the loop has kept of them is as long."""

from __future__ import annotations

from collections.abc import Iterator

from engine.facts import Facts
from engine.facts.trace import Call
from engine.plan.epoch_uses import Use, number_in

COUNTING = ("builtins.range", "numpy.arange", "numpy.linspace", "torch.arange", "torch.linspace")


def counted_after(facts: Facts) -> Iterator[Use]:
    """The number of epochs in what counts up to it after the epoch loop; where a function does that, in the arguments
    of its call, which are for this count alone."""
    loop = facts.loop
    if loop is None or loop.count is None:
        return
    last = max((event.number for event in facts.trace.events if event.within_node(loop.loop.node)), default=0)
    for event in facts.trace.named(*COUNTING):
        if event.number > last and any(number_in(facts, event.node, event.scope)):
            call = next((one for one in event.calls if not any(one is outer for outer in loop.path)), None)
            yield from number_in(facts, event.node, event.scope) if call is None else _in_arguments(facts, call)


def _in_arguments(facts: Facts, call: Call) -> Iterator[Use]:
    """The number of epochs in what a call passes."""
    for node in [*call.node.args, *[keyword.value for keyword in call.node.keywords]]:
        yield from ((part, scope, whole or part is node) for part, scope, whole in number_in(facts, node, call.caller))
