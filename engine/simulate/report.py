"""A run in the simulator as text for a person."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest

from engine.simulate.artifacts import Round
from engine.simulate.failures import Failure
from engine.simulate.result import Simulation


def render_text(result: Simulation) -> str:
    """The table of rounds and sites, the files of the models, and what failed.

    Args:
        result: what came of a run.

    Returns:
        Plain text that ends with a newline.
    """
    size = f"{_count(result.num_rounds, 'round')}, {_count(len(result.sites), 'site')}"
    head = f"{result.job}: {size}, {result.seconds:.0f} s"
    parts = [head, *([_table(result)] if result.rounds else [])]
    parts += [*_told("Failed", result.failures), *_told("Note", result.warnings), _files(result)]
    return "\n\n".join(parts) + "\n"


def _table(result: Simulation) -> str:
    metrics = _metrics(result)
    header = ["rounds", *(f"{name}" for name in metrics), *(site for site in result.sites if metrics)]
    rows = [_row(each, metrics, result.sites) for each in result.rounds]
    if result.baseline:
        values = [_number(result.baseline.get(name)) for name in metrics]
        rows.append([f"central, {_count(result.baseline_epochs, 'epoch')}", *values, *("" for _ in result.sites)])
    lines = aligned([header, *rows])
    best = result.best_round if result.succeeded else None
    notes = ["  best" if each is best else "" for each in result.rounds]
    return "\n".join((line + note).rstrip() for line, note in zip_longest(lines, ["", *notes], fillvalue=""))


def _metrics(result: Simulation) -> list[str]:
    """Names of the metrics, the one that selects the best model first."""
    names = {name: None for each in result.rounds for site in each.sites.values() for name in site}
    return sorted(names, key=lambda name: name != result.metric)


def _row(each: Round, metrics: Sequence[str], sites: Sequence[str]) -> list[str]:
    by_site = [each.sites.get(site, {}).get(metrics[0]) for site in sites] if metrics else []
    return [str(each.rounds), *(_number(value) for value in [*map(each.overall, metrics), *by_site])]


def _told(heading: str, failures: Sequence[Failure]) -> list[str]:
    if not failures:
        return []
    lines = [f"{heading}:"]
    for (message, where), group in groupby(failures, key=lambda each: (each.message, _where(each))):
        sites = ", ".join(each.site or "job" for each in group)
        lines.append(f"  {sites}: {message}" + (f"\n    at {where}" if where else ""))
    return ["\n".join(lines)]


def _where(failure: Failure) -> str:
    if not failure.file:
        return ""
    origin = f", which was {failure.origin}" if failure.origin else ""
    return f"{failure.file}:{failure.line}{origin}"


def _files(result: Simulation) -> str:
    files = {"global model": result.global_model, "best model": result.best_model, "curve": result.curve}
    files["everything"] = result.workspace
    return "\n".join(f"{name:<12} {path}" for name, path in files.items() if path)


def aligned(rows: list[list[str]]) -> list[str]:
    """The lines of a table of texts, each column as wide as its longest."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
