"""Where two training runs part: the traces of the original and of the converted script, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from engine.verify.bench import Recording
from engine.verify.recorder import digests
from engine.verify.report import Difference
from engine.verify.server import Answer


def first_difference(original: Recording, answers: Sequence[Answer]) -> Difference | None:
    """Compare the original's training with that of one site, over one or more rounds.

    Args:
        original: what the original did.
        answers: the site's answers to its train tasks, in order.

    Returns:
        The first difference of the weights, with what was seen to differ before it; None if there is none.
    """
    steps = [step for answer in answers for step in answer.steps]
    sent = digests(answers[-1].params or {})
    if sent in _results(original) and len(steps) == len(original.steps):
        return None
    return (
        _before_first_step(original, answers[0])
        or _between_steps(original, answers, steps)
        or _number_of_steps(original, steps)
        or _sent_weights(original, sent)
    )


def _results(original: Recording) -> list[dict[str, str]]:
    """What may be sent: the state that the original's loop leaves, or what its last step left, before a reload."""
    last_step = original.steps[-1]["after"]
    return [last_step] if original.final is None else [digests(original.final), last_step]


def _before_first_step(original: Recording, answer: Answer) -> Difference | None:
    parameters = set(original.parameters)
    expected = {name: value for name, value in original.first.items() if name in parameters}
    found = {name: value for name, value in answer.first.items() if name in parameters}
    if not found or not answer.received_streams:
        return None
    if tensor := unequal(expected, found):
        return Difference("initial weights", tensor, "training does not start from the received weights")
    moved = unequal(original.streams, answer.received_streams)
    if moved:
        cause = f"the set-up leaves the {moved} random stream elsewhere than the original does"
        return Difference("before the model is received", "", cause)
    if not answer.steps or answer.steps[0]["training"] != original.steps[0]["training"]:
        return None
    shifted = unequal(original.steps[0]["before"], answer.steps[0]["before"])
    tensor = unequal(original.first, answer.first)
    if tensor or shifted:
        cause = f"the {shifted} random stream differs" if shifted else "the model's state differs"
        return Difference("after evaluation", tensor, f"{cause} at the first step")
    return None


def _between_steps(
    original: Recording, answers: Sequence[Answer], steps: Sequence[Mapping[str, Any]]
) -> Difference | None:
    labels = [
        f"step {{}} (round {number}, its step {own})"
        for number, answer in enumerate(answers, start=1)
        for own in range(1, len(answer.steps) + 1)
    ]
    for number, (label, expected, found) in enumerate(zip(labels, original.steps, steps, strict=False), start=1):
        if tensor := unequal(expected["after"], found["after"]):
            return Difference(f"after {label.format(number)}", tensor, _cause(expected, found))
    return None


def _cause(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """What differs at a step beside the weights."""
    if expected["rates"] != found["rates"]:
        return f"learning rate {found['rates']}, in the original {expected['rates']}"
    if expected["training"] != found["training"]:
        return f"the model is in {'training' if found['training'] else 'evaluation'} mode, unlike in the original"
    if stream := unequal(expected["before"], found["before"]):
        return f"the {stream} random stream differs"
    return "same learning rate, mode and random streams: optimizer state, data or loss differ"


def _number_of_steps(original: Recording, steps: Sequence[Mapping[str, Any]]) -> Difference | None:
    if len(steps) == len(original.steps):
        return None
    last = min(len(steps), len(original.steps))
    return Difference(f"after step {last}", "", f"{len(steps)} steps in all, in the original {len(original.steps)}")


def _sent_weights(original: Recording, sent: Mapping[str, str]) -> Difference:
    tensor = unequal(_results(original)[0], sent)
    return Difference("sent weights", tensor, "the training is equal, what is sent is not what it left")


def unrepeatable(first: Recording, second: Recording) -> str:
    """Why two runs of the original with the same seed are no basis for a comparison; empty if they are equal."""
    if tensor := unequal(digests(first.initial), digests(second.initial)):
        return f"the original starts from another {tensor} in each run: it does not follow its seed"
    for number, (one, other) in enumerate(zip(first.steps, second.steps, strict=False), start=1):
        if tensor := unequal(one["after"], other["after"]):
            return f"the original itself differs from run to run, first after step {number} in {tensor}"
    if len(first.steps) != len(second.steps):
        return f"the original takes {len(first.steps)} steps in one run and {len(second.steps)} in another"
    return ""


def unequal(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first name whose values differ or that one side lacks; empty if there is none."""
    names = [*expected, *(name for name in found if name not in expected)]
    return next((name for name in names if expected.get(name) != found.get(name)), "")


def distance(expected: Mapping[str, torch.Tensor], found: Mapping[str, Any], name: str) -> str:
    """How far a tensor is off, for a message; empty where it cannot be said."""
    if name not in expected or name not in found or expected[name].shape != torch.as_tensor(found[name]).shape:
        return ""
    gap = (expected[name].double() - torch.as_tensor(found[name]).double()).abs().max()
    return f"{name} is off by up to {gap.item():.3g}"
