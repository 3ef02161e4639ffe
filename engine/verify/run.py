"""`python -m codemods verify DIR`: run what the proofs need, then make them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.verify import metrics, proofs
from engine.verify.algorithm import FEDPROX, SCAFFOLD
from engine.verify.bench import Bench, Recording
from engine.verify.conversion import Conversion, read_conversion
from engine.verify.difference import unrepeatable
from engine.verify.jobs import Announce, Evidence, Seen, gather
from engine.verify.launch import Settings
from engine.verify.report import Check, Outcome, Report

FEDAVG_AGAIN = {FEDPROX: ", mu = 0", SCAFFOLD: ", the controls its own"}
"""What makes an algorithm FedAvg where there is one site."""


def verify(
    directory: Path,
    settings: Settings | None = None,
    recording: Recording | None = None,
    announce: Announce | None = None,
) -> Report:
    """Prove a conversion.

    Args:
        directory: the folder that `apply` wrote.
        settings: how much is tried; see `Settings`.
        recording: what the original did, from `record`, where it is known already.
        announce: told in a few words what is begun, also from another thread.

    Returns:
        The report; its `exit_code` is 0 if no proof fails.

    Raises:
        UserError: the folder is no conversion, or its original cannot be run or observed here.
    """
    started = time.monotonic()
    conversion, settings = read_conversion(directory), settings or Settings()
    say = announce or (lambda text: None)
    with _bench(conversion, settings) as bench:
        evidence = gather(bench, recording, say)
        checks = list(_checks(bench, evidence))
        if any(check.difference for check in checks):
            say(f"the original {conversion.entry} once more")
            checks = _unless_unrepeatable(checks, unrepeatable(evidence.original, bench.record_original()))
    return Report(directory, conversion.entry, tuple(checks), time.monotonic() - started)


def record(directory: Path, settings: Settings | None = None) -> Recording:
    """Run only the original of a conversion, for several calls of `verify`.

    Raises:
        UserError: the folder is no conversion, or its original cannot be run or observed here.
    """
    with _bench(read_conversion(directory), settings or Settings()) as bench:
        return bench.record_original()


@contextlib.contextmanager
def _bench(conversion: Conversion, settings: Settings) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="flare-verify-", ignore_cleanup_errors=True) as scratch:
        yield Bench(conversion, settings, Path(scratch))


def _unless_unrepeatable(checks: list[Check], reason: str) -> list[Check]:
    """The checks, those against a training that is never the same taken back."""
    if not reason:
        return checks
    return [
        Check(check.proof, check.claim, Outcome.NOT_CHECKED, reason) if check.difference else check for check in checks
    ]


def _checks(bench: Bench, evidence: Evidence) -> Iterator[Check]:
    yield from _single_site(bench, evidence)
    yield from _honest_numbers(bench.conversion, evidence)
    for sites, seen in evidence.together.items():
        yield from _sites_together(bench.conversion, sites, seen)
    yield from _protocol(bench.conversion, evidence)
    if evidence.changed is not None:
        yield from _algorithm(bench.conversion, *evidence.changed)


def _single_site(bench: Bench, evidence: Evidence) -> Iterator[Check]:
    """P1 and P2."""
    settings, exemptions = bench.settings, bench.conversion.exemptions
    epochs = f"{settings.rounds * settings.local_epochs} epochs" if bench.epochs_can_be_set else "its epochs"
    told = FEDAVG_AGAIN.get(bench.conversion.recipe, "")
    of_epochs = "" if bench.trains_once else f" of {epochs}"
    claim = f"one site, one round{of_epochs}{told}: the original's weights"
    yield _compared("P1", claim, evidence.original, evidence.one)
    claim = (
        f"one site, {settings.rounds} rounds of {settings.local_epochs}{told}: the original's weights after {epochs}"
    )
    if bench.trains_once:
        claim = f"one site, {settings.rounds} rounds{told}: the weights of the original, its training done as often"
    if "P2" in exemptions:
        yield Check("P2", claim, Outcome.NOT_APPLICABLE, exemptions["P2"])
    elif evidence.repeated is not None:
        yield _compared("P2", claim, evidence.repeated, evidence.several)
    elif not bench.epochs_can_be_set:
        yield Check("P2", claim, Outcome.NOT_APPLICABLE, "the length of the epoch loop cannot be set")
    else:
        yield _compared("P2", claim, evidence.original, evidence.several)
    yield proofs.starts_from_received(evidence.original, evidence.trained)


def _compared(proof: str, claim: str, original: Recording, seen: Seen) -> Check:
    if not seen.rounds:
        return Check(proof, claim, Outcome.FAILS, seen.broken)
    return proofs.same_training(proof, claim, original, seen.trained)


def _honest_numbers(conversion: Conversion, evidence: Evidence) -> Iterator[Check]:
    """P3."""
    original, one, several = evidence.original, evidence.one, evidence.several
    yield proofs.steps_claimed([job.trained for job in evidence.jobs])
    observed = list(zip(original.evaluations, one.evaluated, strict=False))
    pairs = list(zip(reversed(several.trained), one.evaluated[len(original.evaluations) :], strict=False))
    pairs += zip(one.trained, several.evaluated, strict=False)
    usual = any(evaluation["in_training_mode"] for evaluation in original.evaluations)
    left_on = any(answer.in_training_mode for answer in one.again) and not usual
    drawn = metrics.drawn(*one.again) if one.again and not left_on else ""
    yield metrics.unless_drawn(metrics.agreement(pairs, conversion.metric), drawn)
    yield metrics.unless_drawn(metrics.original_evaluation(observed, conversion.metric), drawn)
    yield metrics.finite([answer for job in evidence.jobs for answer in job.answers])


def _sites_together(conversion: Conversion, sites: int, seen: Seen) -> Iterator[Check]:
    """P4, for one number of sites."""
    if not seen.rounds:
        yield Check("P4", f"{sites} sites: the global model is the weighted mean", Outcome.FAILS, seen.broken)
        return
    yield proofs.weighted_mean(sites, seen.rounds)
    if conversion.partitions_option is None:
        claim = f"{sites} sites: the parts of the training data are disjoint and cover it"
        reason = "the conversion offers no partition: every site trains on its own data"
        yield Check("P4", claim, Outcome.NOT_APPLICABLE, reason)
    else:
        yield proofs.partitions(sites, seen.rounds[0].answers)


def _algorithm(conversion: Conversion, expected: Recording, seen: Seen) -> Iterator[Check]:
    """P7."""
    prox = conversion.recipe == FEDPROX
    told = f"mu = {conversion.mu:g}" if prox else "global controls other than zero"
    claim = f"{conversion.recipe}, {told}: what the original trains with its gradients changed likewise"
    if not seen.rounds:
        yield Check("P7", claim, Outcome.FAILS, seen.broken)
        return
    yield proofs.same_training("P7", claim, expected, seen.trained)
    if not prox:
        yield proofs.mean_gradients(expected, seen.trained[-1])


def _protocol(conversion: Conversion, evidence: Evidence) -> Iterator[Check]:
    """P5 and P6."""
    one, several = evidence.one, evidence.several
    ends = [end for job in evidence.jobs for end in job.ends]
    given = conversion.initial_ckpt is not None
    yield proofs.server_model(evidence.server, evidence.original, one.trained, given)
    yield proofs.exchange([answer for job in evidence.jobs for answer in job.answers], ends)
    yield proofs.good_end(evidence.original, ends)
    for job in evidence.jobs:
        if job.rounds and job.broken:
            yield Check("P5", "every task is answered", Outcome.FAILS, job.broken)
    if several.submitted is not None:
        yield proofs.other_tasks(several.trained[-1], [*several.evaluated, *one.evaluated], several.submitted)
    if several.failed is not None:
        yield proofs.failing_site(several.failed)
    else:
        reason = "the tasks before it were not answered"
        yield Check("P6", "a failing site fails the job", Outcome.NOT_CHECKED, reason)
