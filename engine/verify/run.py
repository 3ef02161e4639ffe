"""`python -m codemods verify DIR`: run everything that the proofs need, then the proofs."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nvflare.app_common.app_constant import AppConstants

from engine.verify import metrics, proofs
from engine.verify.bench import Bench, Recording, Settings
from engine.verify.conversion import Conversion, read_conversion
from engine.verify.difference import unrepeatable
from engine.verify.processes import ChildError, tail
from engine.verify.report import Check, Outcome, Report
from engine.verify.server import Answer, Round, Server, SiteError, State

Announce = Callable[[str], None]


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
        announce: told in a few words what is done next.

    Returns:
        The report; its `exit_code` is 0 if no proof fails.

    Raises:
        UserError: the folder is no conversion, or its original cannot be run or observed here.
    """
    started = time.monotonic()
    conversion, settings = read_conversion(directory), settings or Settings()
    say = announce or (lambda text: None)
    with _bench(conversion, settings) as bench:
        if recording is None:
            say(f"running the original {conversion.entry}")
            recording = bench.record_original()
        checks = _checks(bench, recording, say)
        if any(check.difference for check in checks):
            say(f"running the original {conversion.entry} once more")
            checks = _unless_unrepeatable(checks, unrepeatable(recording, bench.record_original()))
    return Report(directory, conversion.entry, tuple(checks), time.monotonic() - started)


def _unless_unrepeatable(checks: list[Check], reason: str) -> list[Check]:
    """The checks, those against a training that is never the same taken back."""
    if not reason:
        return checks
    taken_back = {"outcome": Outcome.NOT_CHECKED, "detail": reason, "difference": None}
    return [dataclasses.replace(check, **taken_back) if check.difference else check for check in checks]


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


@dataclass
class _Seen:
    """What one job of the stand-in server showed."""

    answers: list[Answer] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    evaluated: list[Answer] = field(default_factory=list)
    submitted: Answer | SiteError | None = None
    failed: Sequence[Answer] | SiteError | None = None
    ends: list[dict[str, Any]] = field(default_factory=list)
    broken: str = ""

    @property
    def trained(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.task == AppConstants.TASK_TRAIN]


def _checks(bench: Bench, original: Recording, say: Announce) -> list[Check]:
    settings, conversion = bench.settings, bench.conversion
    epochs = settings.rounds * settings.local_epochs
    say(f"one site, {settings.rounds} rounds")
    several = _job(bench, 1, settings.local_epochs, settings.rounds, original.initial, _several_rounds)
    say("one site, one round")
    states = [evaluation["state"] for evaluation in original.evaluations]
    states += [one.received for one in reversed(several.rounds)]
    one = _job(bench, 1, epochs, 1, original.initial, lambda server, seen: _one_round(server, seen, states))
    say("the server's model")
    server = _server_model(bench)
    together: dict[int, _Seen] = {}
    for sites in settings.sites:
        say(f"{sites} sites, {settings.rounds} rounds")
        initial = original.initial if isinstance(server, str) else server
        together[sites] = _job(bench, sites, settings.local_epochs, settings.rounds, initial, _only_training)
    return [
        *_single_site(bench, original, one, several, together),
        *_honest_numbers(conversion, original, one, several, together),
        *(check for sites, seen in together.items() for check in _sites_together(conversion, sites, seen)),
        *_protocol(original, server, one, several, together),
    ]


def _job(
    bench: Bench, sites: int, epochs: int, rounds: int, initial: State, play: Callable[[Server, _Seen], None]
) -> _Seen:
    """Play one job; an error of a site ends it and is kept."""
    seen = _Seen()
    try:
        with bench.job(sites, epochs, rounds, initial) as server:
            seen.answers = server.answers
            seen.rounds = server.train(rounds)
            play(server, seen)
    except SiteError as error:
        seen.broken = tail(str(error))
    except ValueError as error:
        seen.broken = f"FLARE refuses what was sent: {error}"
    return seen


def _one_round(server: Server, seen: _Seen, states: Sequence[State]) -> None:
    """Evaluate other weights than those just trained, and end."""
    seen.evaluated = [server.evaluate(state) for state in states]
    seen.ends = list(server.end().values())


def _several_rounds(server: Server, seen: _Seen) -> None:
    """Evaluate, submit, and fail."""
    seen.evaluated = [server.evaluate(seen.rounds[0].received)]
    try:
        seen.submitted = server.submit()
        rounds = len(seen.rounds)
        mean = seen.rounds[-1].mean
        task = {"name": AppConstants.TASK_TRAIN, "params": mean, "round": rounds, "rounds": rounds + 1, "fail_at": 1}
    except SiteError as error:
        seen.submitted = error
        return
    try:
        seen.failed = server.ask(task)
    except SiteError as error:
        seen.failed = error


def _only_training(server: Server, seen: _Seen) -> None:
    seen.ends = list(server.end().values())


def _server_model(bench: Bench) -> State | str:
    try:
        return bench.server_model()
    except ChildError as error:
        return tail(str(error))


def _single_site(
    bench: Bench, original: Recording, one: _Seen, several: _Seen, together: dict[int, _Seen]
) -> Iterator[Check]:
    """P1 and P2."""
    settings, conversion = bench.settings, bench.conversion
    epochs = f"{settings.rounds * settings.local_epochs} epochs" if bench.epochs_can_be_set else "its epochs"
    claim = f"one site, one round of {epochs}: the original's weights"
    yield _compared("P1", claim, original, one)
    claim = f"one site, {settings.rounds} rounds of {settings.local_epochs}: the original's weights after {epochs}"
    if "P2" in conversion.exemptions:
        yield Check("P2", claim, Outcome.NOT_APPLICABLE, conversion.exemptions["P2"])
    elif not bench.epochs_can_be_set:
        yield Check("P2", claim, Outcome.NOT_APPLICABLE, "the length of the epoch loop cannot be set")
    else:
        yield _compared("P2", claim, original, several)
    trained = [answer for seen in (one, several, *together.values()) for answer in seen.trained]
    yield proofs.starts_from_received(original, trained)


def _compared(proof: str, claim: str, original: Recording, seen: _Seen) -> Check:
    if not seen.rounds:
        return Check(proof, claim, Outcome.FAILS, seen.broken)
    return proofs.same_training(proof, claim, original, seen.trained)


def _honest_numbers(
    conversion: Conversion, original: Recording, one: _Seen, several: _Seen, together: dict[int, _Seen]
) -> Iterator[Check]:
    """P3."""
    trained = [answer for seen in (one, several, *together.values()) for answer in seen.trained]
    yield proofs.steps_claimed(trained)
    observed = list(zip(original.evaluations, one.evaluated, strict=False))
    repeated = one.evaluated[len(original.evaluations) :]
    pairs = list(zip(reversed(several.trained), repeated, strict=False))
    pairs += zip(one.trained, several.evaluated, strict=False)
    yield metrics.agreement(pairs, conversion.metric)
    yield metrics.original_evaluation(observed, conversion.metric)
    yield metrics.finite([*one.answers, *several.answers, *trained])


def _sites_together(conversion: Conversion, sites: int, seen: _Seen) -> Iterator[Check]:
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


def _protocol(
    original: Recording, server: State | str, one: _Seen, several: _Seen, together: dict[int, _Seen]
) -> Iterator[Check]:
    """P5 and P6."""
    jobs = (one, several, *together.values())
    answers = [answer for seen in jobs for answer in seen.answers]
    ends = [end for seen in jobs for end in seen.ends]
    if one.rounds:
        yield proofs.server_model(server, original, one.trained[0])
    yield proofs.exchange(answers, ends)
    yield proofs.good_end(ends)
    claim = "evaluation and submit tasks are answered"
    for seen in jobs:
        if seen.rounds and seen.broken:
            yield Check("P5", claim, Outcome.FAILS, seen.broken)
    if several.submitted is None:
        yield Check("P6", "a failing site fails the job", Outcome.NOT_CHECKED, "the tasks before it were not answered")
        return
    yield proofs.other_tasks(several.trained[-1], [*several.evaluated, *one.evaluated], several.submitted)
    if several.failed is None:
        yield Check("P6", "a failing site fails the job", Outcome.NOT_CHECKED, "the submit task before it failed")
    else:
        yield proofs.failing_site(several.failed)
