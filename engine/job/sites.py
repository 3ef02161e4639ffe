"""Named sites with arguments of their own, from the command line or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from engine.result import UserError

Sites = dict[str, dict[str, str | int]]


def named_sites(options: Iterable[str] = (), file: Path | None = None) -> Sites:
    """The sites of a job, for the field ``sites`` of JobSpec.

    Args:
        options: such as ``hospital-a:data_dir=/data/a``, or ``hospital-b`` for a site without values of its own.
        file: TOML file with one table per site, such as ``[hospital-a]`` with ``data_dir = "/data/a"``.

    Returns:
        Values by option of job.py, by site; an option on the command line replaces the value of the file.

    Raises:
        UserError: where an option or the file cannot be read.
    """
    sites: Sites = _read(file) if file else {}
    for option in options:
        name, _, setting = option.partition(":")
        key, equals, value = setting.partition("=")
        if not name or (setting and not (key and equals)):
            raise UserError(
                f"--site {option} is not understood: write NAME:KEY=VALUE, such as hospital-a:data_dir=/data"
            )
        site = sites.setdefault(name, {})
        if setting:
            site[key.replace("-", "_")] = int(value) if value.isdecimal() else value
    return sites


def _read(file: Path) -> Sites:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid TOML: {error}") from None
    for name, values in tables.items():
        plain = isinstance(values, dict) and all(type(value) in (str, int) for value in values.values())
        if not plain:
            raise UserError(f"{name} in {file} is not a table of texts and whole numbers, such as [hospital-a]")
    return {name: {key.replace("-", "_"): value for key, value in table.items()} for name, table in tables.items()}
