"""``report.html``: what a program is, what became of it and what was proved, in one file that asks for no other.

A report grows: `apply` writes what it did, and `verify` and `simulate` add what they found to the report of the same
conversion. What is known is kept in the file itself, as data; a part of another conversion is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.redaction import redacted
from engine.result import UserError

MARK = '<meta name="generator" content="flare-codemods report 1">'
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

Document = dict[str, Any]


def check(path: Path) -> None:
    """What `write` would refuse, before the work whose report it is.

    Raises:
        UserError: the file is there and is no report, or its folder is not there.
    """
    _read(path)
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")


def write(path: Path, parts: Mapping[str, Any], identity: Mapping[str, Any], keep: Collection[str] = ()) -> None:
    """Write a report, or add to the one that is there.

    Args:
        path: the file; overwritten only where it is a report.
        parts: what is to be told, by section: ``program``, ``conversion``, ``proofs``, ``simulation``.
        identity: what the conversion is known by; parts of a report with another identity are dropped.
        keep: sections that are left as they are where the report has them.

    Raises:
        UserError: the file is there and is no report, or cannot be written.
    """
    from engine import atomic

    known = _read(path)
    kept = known["parts"] if known.get("identity") == dict(identity) else {}
    new = {name: part for name, part in parts.items() if part is not None and not (name in keep and name in kept)}
    document = {"identity": dict(identity), "parts": redacted({**kept, **new})}
    atomic.write(path.parent, {path.name: render(document).encode()})


def render(document: Mapping[str, Any]) -> str:
    """The page of a report."""
    import jinja2

    from engine.page.curves import curves
    from engine.page.diff import shown

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["shown"] = shown
    template = environment.from_string(files(__name__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    parts = _printable(document["parts"])
    simulation = parts.get("simulation")
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    data = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return template.render(
        mark=MARK,
        data=data,
        program=parts.get("program"),
        conversion=parts.get("conversion"),
        proofs=parts.get("proofs"),
        simulation=simulation,
        curves=curves(simulation) if simulation else [],
    )


def _read(path: Path) -> Document:
    """The data of a report; nothing where there is none."""
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        if MARK not in text:
            raise ValueError
        return json.loads(_DATA.search(text)[1])
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path} is no report of this tool and is kept; choose another file") from None


def _printable(value: Any) -> Any:
    """The value with the characters that HTML does not allow replaced."""
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return _CONTROL.sub("\ufffd", value) if isinstance(value, str) else value
