"""Why a run failed. FLARE's exit code 0 is not success: its logs, the sites' updates and the model are looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.simulate.artifacts import Round, Update, load_parameters, not_finite
from engine.simulate.process import Finished
from engine.simulate.tracebacks import LOG_PREFIX, Traceback, standing, tracebacks

DIED = re.compile(r"(?:Subprocess died for|Communication error with) client (?P<site>[^\s,:]+)")
ENDING = re.compile(
    r"Aborting current RUN|reason: END_RUN|Finished FedAvg"
)  # from here on sites go away as they should
EMPTY = re.compile(r"Empty result from client (?P<site>[^\s,]+)")
ENDED_EARLY = re.compile(r"trainer thread exited (?:before|without)")
USAGE = re.compile(r"^\S+\.py: error: .+$", re.MULTILINE)
ABORTED = re.compile(r"request to abort the job|abort_signal_triggered")  # raised at a site because another has failed
ABOUT_OTHERS = re.compile(r"ask to abort job|fire abort event|not a valid DXO|run error: EOFError|Traceback")


@dataclass(frozen=True)
class Failure:
    """One reason why a run is no success.

    Attributes:
        site: the site, ``server``, or empty where it concerns the job as a whole.
        message: what happened, in one sentence.
        file: file of the job it happened in, relative to the converted folder; empty where unknown.
        line: 1-based line in it.
        origin: the same line in the source project, such as ``train.py:40``; empty for a line that the tool wrote.
    """

    site: str
    message: str
    file: str = ""
    line: int = 0
    origin: str = ""


@dataclass(frozen=True)
class Run:
    """What is known of a run when it has ended.

    Attributes:
        finished: how FLARE ended.
        server: the server's folder of the job.
        logs: folder with the logs of every site and of ``server``.
        sites: names of the sites.
        num_rounds: rounds it should have run.
        ends_early: whether the job may end before them, by its ``stop_cond``.
        metric: metric every site should have reported in every round; empty where the client has none.
        rounds: the metrics of every round.
        updates: what the sites sent.
        models: files of the final model, of which the sites of a swarm have one each; ``None`` for one that is missing.
        stops_on: the metric that its ``stop_cond`` compares.
        may_take_no_step: whether a round that trains may take no optimizer step, as under a gradient scaler.
    """

    finished: Finished
    server: Path
    logs: dict[str, Path]
    sites: tuple[str, ...]
    num_rounds: int
    ends_early: bool
    metric: str
    rounds: tuple[Round, ...]
    updates: tuple[Update, ...]
    models: tuple[Path | None, ...] = (None,)
    stops_on: str = ""
    may_take_no_step: bool = False


def find_failures(run: Run) -> list[Failure]:
    """The reasons why a run is no success; empty where it is one.

    The user's own errors come first and leave out what follows from them.
    """
    for look in (_raised, _ended, _time_limit, _logged, _sent):
        failures = look(run)
        if failures:
            return failures
    return _without_cause(run)


def find_warnings(run: Run) -> list[Failure]:
    """What a person should know of a run that may be a success all the same."""
    message = "all its optimizer steps in round {} were skipped, and FLARE weighs what it sent as one step"
    return [Failure(site, message.format(_numbers(rounds))) for site, rounds in _skipped(run).items()]


def _skipped(run: Run) -> dict[str, list[int]]:
    """The rounds from 1 in which a site took no optimizer step as it may, having taken some in others."""
    if not run.may_take_no_step:
        return {}
    trained = {update.site for update in run.updates if update.steps}
    found: dict[str, list[int]] = {}
    for update in run.updates:
        if update.steps == 0 and update.site in trained:
            found.setdefault(update.site, []).append(update.round + 1)
    return dict(sorted(found.items()))


def _numbers(numbers: Sequence[int]) -> str:
    return " and ".join(", ".join(map(str, numbers)).rsplit(", ", 1))


def _without_cause(run: Run) -> list[Failure]:
    """What is missing at the end, told by what the server says of it, if it does.

    The server's error log alone is no failure: FLARE writes errors there while it shuts down after a good run.
    """
    missing = _incomplete(run) or _model(run)
    if run.finished.return_code and not missing:
        missing = [Failure("", f"FLARE ended with exit code {run.finished.return_code}: {_last_error(run)}")]
    return (_errors_at(run, "server") or missing) if missing else []


def _log(run: Run, site: str, name: str) -> str:
    path = run.logs[site] / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _raised(run: Run) -> list[Failure]:
    """Results without parameters, after which a site may receive anything, and exceptions at the other sites."""
    empty = _once(
        Failure(match["site"], "it sent a result without parameters (are they torch tensors under `params`?)")
        for match in EMPTY.finditer(run.finished.output)
    )
    found: dict[str, Traceback] = {}
    logs = [(_log(run, site, "log.txt"), site) for site in (*run.sites, "server")]
    for text, site in [*logs, (run.finished.output, "")]:
        for traceback in tracebacks(text, site):
            if not ABORTED.search(traceback.error):
                found.setdefault(traceback.site, traceback)
    sites = {each.site for each in empty}
    return empty + [
        Failure(each.site, each.error, each.file, each.line) for each in found.values() if each.site not in sites
    ]


def _ended(run: Run) -> list[Failure]:
    """Sites whose client ended before it had sent a result: sys.exit, refused arguments, or its process died."""
    output = run.finished.output
    failures = [
        Failure(match["site"], "its process died without a word (os._exit, a crash in native code, or out of memory)")
        for match in DIED.finditer(ENDING.split(output)[0])
    ]
    early = [site for site in run.sites if ENDED_EARLY.search(_log(run, site, "error_log.txt"))]
    usage = USAGE.search(output)
    reason = f"its arguments are refused: {usage[0]}" if usage else "it ended (sys.exit, or its loop was left)"
    failures += [Failure(site, f"{reason} before it had sent a result{_in_round(run, site)}") for site in early]
    return _once(failures)


def _in_round(run: Run, site: str) -> str:
    done = sum(update.site == site for update in run.updates)
    return f" in round {done + 1} of {run.num_rounds}"


def _time_limit(run: Run) -> list[Failure]:
    if not run.finished.timed_out:
        return []
    places = standing(run.finished.output)
    done = {site: sum(update.site == site for update in run.updates) for site in run.sites}
    late = [site for site in run.sites if done[site] == min(done.values())]
    failures = []
    for site in late:
        message = f"the time limit of {run.finished.seconds:.0f} s passed while it was at round {done[site] + 1}"
        place = places.get(site)
        failures.append(Failure(site, message, place.file if place else "", place.line if place else 0))
    return failures


def _logged(run: Run) -> list[Failure]:
    """What FLARE says of a site in its error log, where that is no consequence of another failure."""
    return _once(failure for site in run.sites for failure in _errors_at(run, site))


def _errors_at(run: Run, site: str) -> list[Failure]:
    """The first error in the error log of a site that is its own."""
    lines = [line for line in _errors(_log(run, site, "error_log.txt")) if not ABOUT_OTHERS.search(line)]
    return [Failure(site, line) for line in lines[:1]]


def _sent(run: Run) -> list[Failure]:
    """Updates that spoil the global model, or change nothing."""
    spoiled = [update for update in run.updates if update.not_finite]
    if spoiled:
        first = min(update.round for update in spoiled)  # later on every site has received what is spoiled
        message = f"what it sent in round {first + 1} is not finite (NaN or infinity) in "
        return [Failure(each.site, message + _names(each.not_finite)) for each in spoiled if each.round == first]
    skipped = _skipped(run)
    without = {each.site: each for each in reversed(run.updates) if each.steps == 0 and each.site not in skipped}
    if without:
        message = "it did no optimizer step in round {}, and FLARE weighs it as if it had done one: give it more data"
        return [Failure(site, message.format(update.round + 1)) for site, update in sorted(without.items())]
    trained = {update.site for update in run.updates if not update.unchanged}
    idle = sorted({update.site for update in run.updates} - trained)
    return [Failure(site, "it sent back what it had received in every round: nothing was trained") for site in idle]


def _incomplete(run: Run) -> list[Failure]:
    """Rounds without the update or the metrics of a site."""
    failures = [] if run.num_rounds else _not_measured(run)
    reported = {name for each in run.rounds for site in each.sites.values() for name in site}
    if run.stops_on and run.stops_on not in reported:
        there = ", ".join(sorted(reported)) or "nothing"
        failures.append(Failure("", f"stop_cond compares {run.stops_on!r}, and the sites report {there}"))
    reached = max((update.round + 1 for update in run.updates), default=1)
    for number in range(reached if run.ends_early else run.num_rounds):
        updated = {update.site for update in run.updates if update.round == number}
        failures += [
            Failure(site, f"it sent nothing in round {number + 1}") for site in run.sites if site not in updated
        ]
        measured = next((each.sites for each in run.rounds if each.rounds == number), {})
        failures += [
            Failure(site, f"it reported no finite metric {run.metric!r} in round {number + 1}")
            for site in run.sites
            if run.metric and site in updated and run.metric not in measured.get(site, {})
        ]
    return failures


def _not_measured(run: Run) -> list[Failure]:
    """Sites of a federated evaluation without the metric."""
    measured = run.rounds[0].sites if run.rounds else {}
    message = f"it reported no finite metric {run.metric!r}"
    return [Failure(site, message) for site in run.sites if run.metric not in measured.get(site, {})]


def _model(run: Run) -> list[Failure]:
    if not run.num_rounds:
        return []  # a model was measured, and none was made
    for path, owner in zip(run.models, run.sites if len(run.models) > 1 else ["server"], strict=False):
        if path is None:
            return [Failure(owner, f"it left no global model: {_last_error(run)}")]
        spoiled = not_finite(load_parameters(path))
        if spoiled:
            return [Failure(owner, f"the global model is not finite in {_names(spoiled)}")]
    return []


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _errors(log: str) -> list[str]:
    """The messages of the error lines of a log, without FLARE's prefix and context."""
    lines = [line for line in log.splitlines() if LOG_PREFIX.match(line)]
    return [re.sub(r"^\[identity=.*?\] - ", "", LOG_PREFIX.sub("", line)) for line in lines]


def _last_error(run: Run) -> str:
    lines = _errors(_log(run, "server", "error_log.txt")) or run.finished.output.strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"


def _once(failures: Iterable[Failure]) -> list[Failure]:
    return list(dict.fromkeys(failures))
