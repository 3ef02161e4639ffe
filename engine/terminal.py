"""Text in colours where it is read in a terminal, and exactly the same text without where it is not."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

RESULTS = (
    (r"^\S.* is now a federated job in .*$", "bold green"),
    (r"^\S.* is up to date with .*$", "green"),
    (r"^\S.* is converted in part.*$", "bold red"),
    (r"^\S.* is not converted; nothing was written\.$", "bold red"),
    (r"^\S.* can be converted once .*$", "bold yellow"),
    (r"^  (?:model|a round|metric|files|decided|stale)  +", "cyan"),
    (r"^  left out .*$", "red"),
    (r"\b[A-Z]+\d{3} \w+(?=:)", "bold"),
    (r"^ +-> .*$", "green"),
    (r"(?<=: )python -m codemods .*$|^      python -m codemods .*$", "bold"),
)
PROOFS = (
    (r"^\S+: conversion of .*$", "bold"),
    (r"^  P\d  holds\b", "green"),
    (r"^  P\d  fails\b.*$|^ +first difference:.*$|\b\d+ fails\b", "bold red"),
    (r"^  P\d  not \w+\b", "yellow"),
)
RUN = (
    (r"\A.*$", "bold"),
    (r"^ *(?:rounds|central, \d+ epochs?) .*$", "cyan"),
    (r"^.*  best$", "green"),
    (r"^Failed:$|^  \S+: .*$", "bold red"),
    (r"^(?:global model|best model|curve|everything) +", "cyan"),
)
CHANGE = (
    (r"^(?:---|\+\+\+) .*$", "bold"),
    (r"^@@.*$", "cyan"),
    (r"^\+(?!\+\+).*$", "green"),
    (r"^-(?!--).*$", "red"),
)

Styles = tuple[tuple[str, str], ...]


def show(text: str, styles: Styles, err: bool = False) -> None:
    """Print a text, with what fits a pattern in its style where it goes to a terminal.

    Args:
        text: what is printed; a newline is added where there is none.
        styles: patterns, each with a style of rich.
        err: on standard error instead of standard output.
    """
    stream = sys.stderr if err else sys.stdout
    if not _has_colours(stream):
        click.echo(text, err=err)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    for pattern, style in styles:
        styled.highlight_regex(f"(?m){pattern}", style)
    Console(file=stream, highlight=False, soft_wrap=True).print(styled)


def _has_colours(stream: TextIO) -> bool:
    """A terminal that shows colours, whose user has not forbidden them (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
