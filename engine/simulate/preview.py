"""What each site would train on, seen before anything is trained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.result import UserError
from engine.simulate.preparation import prepare
from engine.simulate.report import aligned

MOST_LABELS = 20  # columns of the table


@dataclass(frozen=True)
class SiteData:
    """The training data of a site.

    Attributes:
        site: name of the site.
        samples: how many.
        labels: how many of each label; ``None`` where labels are not known.
    """

    site: str
    samples: int
    labels: Mapping[str, int] | None


def preview(
    directory: Path,
    clients: int | None = None,
    job_arguments: tuple[str, ...] = (),
    split: Mapping[str, Any] | None = None,
) -> list[SiteData]:
    """Let the client of every site start, up to its training, and count what it is given to train on.

    Args:
        directory: folder that ``apply`` has written.
        clients: number of sites instead of the job's own.
        job_arguments: further arguments of ``job.py``.
        split: ``partition``, ``alpha`` and ``site_weights`` of JobSpec, instead of the job's own.

    Returns:
        One item per site and data set that it trains on.

    Raises:
        UserError: where a client fails on the way, or does not train on data that the job splits.
    """
    prepared = prepare(directory, None, clients, None, None, False, job_arguments, split, rehearse_all=True)
    shutil.rmtree(prepared.folder)
    return [data for site in prepared.sites for data in _data_of(site, prepared.rehearsed.get(site, {}))]


def _data_of(site: str, seen: Mapping[str, Any]) -> list[SiteData]:
    if "data" in seen:
        return [SiteData(site, each["samples"], each["labels"]) for each in seen["data"]]
    reason = seen.get("error") or (
        "its training data does not pass through site_data.part, see the decisions in conversion.json"
        if seen
        else "it did not get to its training in time"
    )
    raise UserError(f"the data of {site} is not known: {reason}")


def render_preview(sites: Sequence[SiteData]) -> str:
    """A table of sites, samples and labels."""
    names = sorted({name for each in sites for name in each.labels or ()}, key=_natural)
    shown = names if len(names) <= MOST_LABELS else []
    rows = [["site", "samples", *(shown or ["labels"] * bool(names))]]
    for each in sites:
        counts = each.labels or {}
        columns = [str(counts.get(name, 0)) for name in shown] or [str(len(counts))] * bool(names)
        rows.append([each.site, str(each.samples), *columns])
    return "\n".join(aligned(rows)) + "\n"


def _natural(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, before texts."""
    try:
        return (False, float(label), label)
    except ValueError:
        return (True, 0.0, label)
