"""The proofs of docs/verify.md, each a function from what was seen to its checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch

from engine.verify.bench import Recording
from engine.verify.difference import distance, first_difference, unequal
from engine.verify.processes import tail
from engine.verify.recorder import digest, digests
from engine.verify.report import Check, Outcome
from engine.verify.server import Answer, Round, SiteError, State, weight_of

MEAN_TOLERANCE = 1e-5
NO_ANSWER = "no task was answered"


def counted(number: int, what: str) -> str:
    """A number of things: ``1 tensor``, ``2 tensors``."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def same_training(proof: str, claim: str, original: Recording, answers: Sequence[Answer]) -> Check:
    """P1 and P2: what one site sends last equals, bit for bit, what the original trained.

    Args:
        proof: which of the two.
        claim: what is compared, in words.
        original: what the original did.
        answers: the site's answers to its train tasks, in order.

    Returns:
        One check.
    """
    difference = first_difference(original, answers)
    if difference is None:
        steps, tensors = counted(len(original.steps), "step"), counted(len(original.initial), "tensor")
        detail = f"{steps}, {tensors} equal to the last bit"
        return Check(proof, claim, Outcome.HOLDS, detail)
    expected = original.final or {}
    found = answers[-1].params or {}
    name = difference.tensor or unequal(digests(expected), digests(found))
    return Check(proof, claim, Outcome.FAILS, distance(expected, found, name), difference)


def starts_from_received(original: Recording, answers: Sequence[Answer]) -> Check:
    """P2: training begins each round with the parameters that were received."""
    claim = "every round starts from the received weights"
    if not answers:
        return Check("P2", claim, Outcome.NOT_CHECKED, NO_ANSWER)
    initial = digests(original.initial)
    if any(original.first.get(name) != initial[name] for name in original.parameters):
        return Check("P2", claim, Outcome.NOT_APPLICABLE, "the original changes its weights before its first step")
    for answer in answers:
        for name, value in _received(answer).items():
            if name in answer.parameters and answer.first and answer.first[name] != digest(value):
                detail = f"{answer.site} trained {name} from other weights than it had received"
                return Check("P2", claim, Outcome.FAILS, detail)
    return Check("P2", claim, Outcome.HOLDS, f"{counted(len(answers), 'round')} of a site")


def _received(answer: Answer) -> dict[str, torch.Tensor]:
    """What a site was given, in the types of what it sent, which are those of its model."""
    own = {name: torch.as_tensor(value).dtype for name, value in (answer.params or {}).items()}
    return {name: torch.as_tensor(value).to(own.get(name)) for name, value in (answer.received or {}).items()}


def steps_claimed(jobs: Sequence[Sequence[Answer]]) -> Check:
    """P3: the weight of a site is the number of steps that its optimizer really took in the round; one that has taken
    some takes some in every round.

    Args:
        jobs: for each job, the answers to its train tasks, in their order.

    Returns:
        One check.
    """
    claim = "steps claimed are steps done"
    answers = [answer for trained in jobs for answer in trained]
    if not answers:
        return Check("P3", claim, Outcome.NOT_CHECKED, NO_ANSWER)
    for answer in answers:
        done, claimed = answer.counts, answer.claimed_steps
        if type(claimed) is not int or claimed not in {*done.values(), sum(done.values())}:
            detail = f"{answer.site} claims {claimed!r} steps; counted: {sum(done.values())}"
            return Check("P3", claim, Outcome.FAILS, detail)
    counts = [answer.claimed_steps for answer in answers]
    fewest, most = min(counts), max(counts)
    for before, after in (pair for trained in jobs for pair in combinations(trained, 2)):
        if before.site == after.site and before.claimed_steps and not after.claimed_steps:
            detail = f"{after.site} takes no optimizer step in a later round: it trains nothing there"
            return Check("P3", claim, Outcome.FAILS, detail)
    return Check("P3", claim, Outcome.HOLDS, f"{fewest} to {most} steps in {counted(len(answers), 'round')} of a site")


def weighted_mean(sites: int, rounds: Sequence[Round]) -> Check:
    """P4: the new global model is the mean of what the sites sent, weighted by their steps."""
    claim = f"{sites} sites: the global model is the weighted mean"
    for number, one in enumerate(rounds, start=1):
        weights = [weight_of(answer) for answer in one.answers]
        for name in one.received:
            sent = [(answer.params or {}).get(name) for answer in one.answers]
            if any(value is None for value in sent) or name not in one.mean:
                return Check("P4", claim, Outcome.FAILS, f"round {number}: {name} was not sent by every site")
            expected = sum(
                torch.as_tensor(value).double() * weight for value, weight in zip(sent, weights, strict=True)
            ) / sum(weights)
            found = torch.as_tensor(one.mean[name]).double()
            if not torch.allclose(found, torch.as_tensor(expected), rtol=MEAN_TOLERANCE, atol=1e-6):
                return Check("P4", claim, Outcome.FAILS, f"round {number}: {name} is not the mean")
    shown = ", ".join("/".join(f"{weight_of(answer):g}" for answer in one.answers) for one in rounds)
    return Check("P4", claim, Outcome.HOLDS, f"weights per round: {shown}")


def partitions(sites: int, answers: Sequence[Answer]) -> Check:
    """P4: the sites' parts of the training data are disjoint and together are all of it."""
    claim = f"{sites} sites: the parts of the training data are disjoint and cover it"
    calls = [answer.partitions for answer in answers]
    if not calls[0] or len({len(one) for one in calls}) > 1:
        return Check("P4", claim, Outcome.FAILS, "site_data.part was not called alike by every site")
    sizes = []
    for parts in zip(*calls, strict=True):
        if any(part["same"] for part in parts):
            return Check("P4", claim, Outcome.FAILS, "site_data.part gave a site the whole training data")
        if any(part["part"] is None for part in parts):
            return Check("P4", claim, Outcome.NOT_CHECKED, "the samples of this kind of data set cannot be told apart")
        if fault := _partition_fault(parts):
            return Check("P4", claim, Outcome.FAILS, fault)
        sizes.append("/".join(str(len(part["part"])) for part in parts))
    return Check("P4", claim, Outcome.HOLDS, f"samples: {', '.join(sizes)}")


def _partition_fault(parts: Iterable[Mapping[str, Any]]) -> str:
    parts = list(parts)
    wholes = [Counter(part["whole"]) for part in parts]
    given = sum((Counter(part["part"]) for part in parts), Counter())
    if any(not part["part"] for part in parts):
        return "a site has no training data"
    if any(whole != wholes[0] for whole in wholes):
        return "the sites split different data: it is drawn at random before the split, without a common seed"
    if twice := given - wholes[0]:
        return f"{sum(twice.values())} samples are given to more than one site"
    if lost := wholes[0] - given:
        return f"{sum(lost.values())} of {sum(wholes[0].values())} samples are given to no site"
    return ""


def mean_gradients(changed: Recording, answer: Answer) -> Check:
    """P7: the change of SCAFFOLD's controls, which were zero, is the mean of the gradients that the site had.

    Args:
        changed: what the original did, and its own gradients.
        answer: of the site, after the same steps.

    Returns:
        One check.
    """
    claim = "the controls sent are the mean of the site's own gradients"
    for name, expected in changed.gradients.items():
        sent = answer.controls.get(name)
        if sent is None:
            return Check("P7", claim, Outcome.FAILS, f"the control of {name} was not sent")
        found = torch.as_tensor(sent).double()
        if not torch.allclose(found, expected.cpu(), rtol=1e-4, atol=1e-4 * float(expected.abs().max()) + 1e-12):
            return Check(
                "P7", claim, Outcome.FAILS, f"that of {name} is off by {(found - expected.cpu()).abs().max():.3g}"
            )
    return Check("P7", claim, Outcome.HOLDS, counted(len(changed.gradients), "tensor"))


def server_model(server: State | str, original: Recording, answers: Sequence[Answer], given: bool) -> Check:
    """P5: the model that the server builds has the keys, shapes and types of the client's.

    Args:
        server: its state, or why it could not be built.
        original: what the original did.
        answers: the client's answers to train tasks, if there are any.
        given: the job starts from the weights of a file.

    Returns:
        One check.
    """
    claim = "server and client have the same model"
    if isinstance(server, str):
        return Check("P5", claim, Outcome.FAILS, f"the server cannot build it: {server}")
    built = _form(server)
    sent = [("the client", answer.params or {}) for answer in answers]
    for owner, state in [("the original", original.initial), *sent]:
        if name := unequal(built, _form(state)):
            mine, theirs = built.get(name, "nothing"), _form(state).get(name, "nothing")
            return Check("P5", claim, Outcome.FAILS, f"{name}: the server has {mine}, {owner} {theirs}")
    if problem := _other_start(server, original, given):
        return Check("P5", claim, Outcome.FAILS, problem)
    return Check("P5", claim, Outcome.HOLDS, f"{counted(len(built), 'tensor')}, built without the training script")


def _other_start(server: State, original: Recording, given: bool) -> str:
    """How the server's first weights show that it does not set them as the original does; empty where they do not.

    Random weights differ as they may. Weights that were loaded have to be the same, and so do those that are the same
    number everywhere, unless the user gives others.
    """
    for name, value in original.initial.items():
        built = torch.as_tensor(server[name])
        if original.loaded and not torch.equal(torch.as_tensor(value), built):
            return f"{name}: the original starts from weights that it loads, and the job from others (--initial-ckpt)"
        constants = _constant(torch.as_tensor(value)), _constant(built)
        if not given and name in original.parameters and constants[0] != constants[1]:
            told = ["drawn at random" if number is None else f"{number:g} everywhere" for number in constants]
            return f"{name}: {told[0]} where the original starts, {told[1]} on the server"
    return ""


def _constant(value: torch.Tensor) -> float | None:
    """The number that all elements are; None where they differ, or there are too few to tell."""
    if value.numel() < 2 or value.is_complex():
        return None
    first = value.flatten()[0]
    return first.item() if bool((value == first).all()) else None


def _form(state: Mapping[str, Any]) -> dict[str, str]:
    """Type and shape of every tensor."""
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in tensors.items()}


def exchange(answers: Sequence[Answer], ends: Sequence[Mapping[str, Any]]) -> Check:
    """P5: what is sent are tensors on the CPU, copies, once per task, and the script ends well after the last."""
    claim = "what is sent are copies that FLARE can carry, one for each task"
    if not answers:
        return Check("P5", claim, Outcome.NOT_CHECKED, NO_ANSWER)
    complaints = [text for answer in answers for text in answer.complaints if not text.startswith("metric ")]
    if complaints:
        return Check("P5", claim, Outcome.FAILS, complaints[0])
    changed = [name for seen in answers for name in seen.changed_after_send]
    changed += [name for end in ends for name in end["changed_after_send"]]
    if changed:
        return Check("P5", claim, Outcome.FAILS, f"{changed[0]} changed after it was sent: it is no copy")
    return Check("P5", claim, Outcome.HOLDS, counted(len(answers), "answer"))


def good_end(original: Recording, ends: Sequence[Mapping[str, Any]]) -> Check:
    """P5: the script ends without an error when the job is over, where the original does."""
    claim = "the script ends well after the last round"
    if not ends:
        return Check("P5", claim, Outcome.NOT_CHECKED, "no job came to its end")
    errors = [end["error"] for end in ends if end["error"]]
    if errors and original.error:
        reason = f"the original does not either, after as few epochs: {original.error.splitlines()[-1]}"
        return Check("P5", claim, Outcome.NOT_APPLICABLE, reason)
    return Check("P5", claim, Outcome.FAILS, tail(errors[0])) if errors else Check("P5", claim, Outcome.HOLDS)


def other_tasks(trained: Answer, evaluated: Sequence[Answer], submitted: Answer | SiteError) -> Check:
    """P5: an evaluation task is answered without training, a submit task with the weights trained last."""
    claim = "evaluation and submit tasks are answered"
    if any(answer.steps for answer in evaluated):
        return Check("P5", claim, Outcome.FAILS, "the script trained on an evaluation task")
    if isinstance(submitted, SiteError):
        return Check("P5", claim, Outcome.FAILS, f"the submit task was not answered: {tail(submitted.reason)}")
    if name := unequal(digests(trained.params or {}), digests(submitted.params or {})):
        detail = f"{name} as submitted is not what was trained last"
        return Check("P5", claim, Outcome.FAILS, detail)
    return Check("P5", claim, Outcome.HOLDS, f"{counted(len(evaluated), 'evaluation')}, 1 submit")


def failing_site(outcome: Sequence[Answer] | SiteError) -> Check:
    """P6: a site whose training fails sends nothing and ends, so that the job fails.

    Args:
        outcome: what came of a train task in which an optimizer step raised an error.

    Returns:
        One check.
    """
    claim = "a failing site fails the job"
    if not isinstance(outcome, SiteError):
        what = "the script sent a result although an optimizer step had failed, or none was taken"
        return Check("P6", claim, Outcome.FAILS, what)
    if outcome.hangs:
        return Check("P6", claim, Outcome.FAILS, f"after a failed optimizer step: {tail(outcome.reason)}")
    return Check("P6", claim, Outcome.HOLDS, "it stopped at the error planted in an optimizer step")
