"""The jobs that are played for the proofs, and what was seen of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from engine.verify.algorithm import FEDPROX, SCAFFOLD
from engine.verify.bench import Bench, Recording
from engine.verify.metrics import same
from engine.verify.processes import ChildError, tail
from engine.verify.server import Answer, Round, Server, SiteError, State

Announce = Callable[[str], None]
OTHER_SEED = 20_231
OTHER_STREAMS = 4


@dataclass
class Seen:
    """What one job showed.

    Attributes:
        answers: every answer of a site.
        rounds: the rounds that came to their end.
        evaluated: the answers to evaluation tasks.
        again: those to one that had differed asked anew, twice with the same random streams and then with others; empty
            where the first numbers were agreed on.
        submitted: what came of the submit task; None if it was not reached.
        failed: what came of the task with a planted failure; None if it was not reached.
        ends: what each site said about its end.
        broken: why the job broke off; empty if it did not.
    """

    answers: list[Answer] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    evaluated: list[Answer] = field(default_factory=list)
    again: tuple[Answer, ...] = ()
    submitted: Answer | SiteError | None = None
    failed: Sequence[Answer] | SiteError | None = None
    ends: list[dict[str, Any]] = field(default_factory=list)
    broken: str = ""

    @property
    def trained(self) -> list[Answer]:
        """The answers of the rounds, in their order."""
        return [answer for one in self.rounds for answer in one.answers]


@dataclass(frozen=True)
class Evidence:
    """All that the proofs look at.

    Attributes:
        original: what the original did.
        server: state of the model that the server builds, or why it cannot.
        one: one site and one round of all epochs.
        several: one site and several rounds.
        together: number of sites -> the job with as many.
        repeated: the original that does what it trains as often as there are rounds; None where it has epochs to set.
        changed: the original and one site, in one round, with gradients that the algorithm has changed; None where it
            leaves them alone.
    """

    original: Recording
    server: State | str
    one: Seen
    several: Seen
    together: dict[int, Seen]
    repeated: Recording | None = None
    changed: tuple[Recording, Seen] | None = None

    @property
    def jobs(self) -> tuple[Seen, ...]:
        """All jobs."""
        return (self.one, self.several, *self.together.values())

    @property
    def trained(self) -> list[Answer]:
        """The answers of the rounds of all jobs."""
        return [answer for job in self.jobs for answer in job.trained]


def gather(bench: Bench, recording: Recording | None, announce: Announce) -> Evidence:
    """Run the original, unless its recording is given, and play all jobs; as many at the same time as need not wait.

    Args:
        bench: where.
        recording: what the original did, where it is known already.
        announce: told in a few words what is begun.

    Raises:
        UserError: the original cannot be run or observed here.
    """
    with ThreadPoolExecutor(2) as beside:
        try:
            others = beside.submit(_sites_together, bench, announce)
            if recording is None:
                announce(f"the original {bench.conversion.entry}")
                recording = bench.record_original()
            several = beside.submit(_several_rounds, bench, recording, announce)
            one = _one_round(bench, recording, several, announce)
            repeated = bench.record_original(times=bench.settings.rounds) if bench.trains_once else None
            server, together = others.result()
        except BaseException:
            bench.end()
            raise
    changed = _changed(bench, recording, announce) if bench.conversion.recipe in (FEDPROX, SCAFFOLD) else None
    return Evidence(recording, server, one, several.result(), together, repeated, changed)


def _changed(bench: Bench, original: Recording, announce: Announce) -> tuple[Recording, Seen]:
    """What the algorithm does to the gradients, done to the original, and by the client."""
    recipe, settings = bench.conversion.recipe, bench.settings
    announce(f"the original {bench.conversion.entry}, changed as {recipe} asks, and one site")
    expected = bench.record_original(changed=True)
    epochs = settings.rounds * settings.local_epochs
    return expected, _play(bench, 1, epochs, 1, original.initial, _end, changed=True)


def _several_rounds(bench: Bench, original: Recording, announce: Announce) -> Seen:
    settings = bench.settings
    announce(f"one site, {settings.rounds} rounds")
    return _play(bench, 1, settings.local_epochs, settings.rounds, original.initial, _other_tasks)


def _one_round(bench: Bench, original: Recording, several: Future[Seen], announce: Announce) -> Seen:
    """One round of all epochs; then what the original and the job of several rounds had is evaluated here."""

    def evaluate(server: Server, seen: Seen) -> None:
        # other weights than those trained last, in another order than they were trained
        states = [evaluation["state"] for evaluation in original.evaluations]
        states += [one.received for one in reversed(several.result().rounds)]
        seen.evaluated = [server.evaluate(state) for state in states]
        trained = list(reversed(several.result().trained))
        alone = seen.evaluated[len(states) - len(trained) :]
        answers = zip(states[len(states) - len(trained) :], trained, alone, strict=True)
        other = [state for state, a, b in answers if not same(a.metrics or {}, b.metrics or {})]
        if other:
            seeds = (OTHER_SEED, *range(OTHER_SEED, OTHER_SEED + OTHER_STREAMS + 1))
            seen.again = tuple(server.evaluate(other[0], seed=seed) for seed in seeds)
        _end(server, seen)

    announce("one site, one round")
    epochs = bench.settings.rounds * bench.settings.local_epochs
    return _play(bench, 1, epochs, 1, original.initial, evaluate)


def _sites_together(bench: Bench, announce: Announce) -> tuple[State | str, dict[int, Seen]]:
    settings = bench.settings
    announce("the server's model")
    try:
        server = bench.server_model()
    except ChildError as error:
        reason = tail(str(error))
        return reason, {sites: Seen(broken=f"the server cannot build its model: {reason}") for sites in settings.sites}
    together = {}
    for sites in settings.sites:
        rounds = settings.rounds if sites == settings.sites[0] else 1  # what a second round shows, one job shows
        announce(f"{sites} sites, {rounds} round{'s' if rounds > 1 else ''}")
        together[sites] = _play(bench, sites, settings.local_epochs, rounds, server, _end, told=settings.rounds)
    return server, together


def _play(
    bench: Bench, sites: int, epochs: int, rounds: int, initial: State, after: Callable[[Server, Seen], None],
    changed: bool = False, told: int = 0,
) -> Seen:  # fmt: skip
    """Play the rounds of one job and what comes after; an error of a site ends it and is kept.

    The sites are told that there are as many rounds, or more: a schedule over all rounds may be too short for fewer.
    """
    seen = Seen()
    try:
        with bench.job(sites, epochs, told or rounds, initial, changed) as server:
            seen.answers = server.answers
            seen.rounds = server.train(rounds)
            after(server, seen)
            if told > rounds:  # what the script does at its end may count the rounds that it was told of
                seen.ends = [{**end, "error": ""} for end in seen.ends]
    except SiteError as error:
        seen.broken = tail(str(error))
    except ValueError as error:
        seen.broken = f"FLARE refuses what was sent: {error}"
    return seen


def _end(server: Server, seen: Seen) -> None:
    seen.ends = list(server.end().values())


def _other_tasks(server: Server, seen: Seen) -> None:
    """Evaluate, submit, and fail."""
    seen.evaluated = [server.evaluate(seen.rounds[0].received)]
    try:
        seen.submitted = server.submit()
    except SiteError as error:
        seen.submitted = error
        return
    number = len(seen.rounds)
    task = server.training(seen.rounds[-1].mean, number, number + 1)
    try:
        seen.failed = server.ask({**task, "fail_at": 1})
    except SiteError as error:
        seen.failed = error
