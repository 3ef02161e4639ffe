"""Bring the documentation up to date: ``python -m tests.docs [PAGE...]``.

Writes the generated pages, runs the commands of the others, and puts what they print now where a page says something
else, leaving out again what was left out there. Look at the result before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

from tests.docs import reference, sessions
from tests.docs.pages import PAGES, ROOT, commands
from tests.docs.sessions import LEFT_OUT


def refresh(page: Path) -> None:
    """Put what the commands of a page print now where it says something else."""
    text = page.read_text()
    found = [command for command in commands(text) if sessions.is_run(command)]
    if not found:
        return
    with tempfile.TemporaryDirectory() as folder:
        printed = sessions.run(found, Path(folder))
    for command, output in reversed(list(zip(found, printed, strict=True))):
        if command.output is not None and not sessions.agrees(command.output, output):
            assert "Traceback (most recent call last)" not in output, f"`{command.text}` fails:\n{output}"
            text = text[: command.start] + shortened(output, command.output) + text[command.end :]
            print(f"{page.relative_to(ROOT)}:{command.line}: {command.text}")
    page.write_text(text)


def shortened(printed: str, documented: str) -> str:
    """An output, shortened where a page has shortened an earlier one."""
    old, gaps = [], set()
    for line in documented.splitlines(keepends=True):
        if line.strip() == LEFT_OUT:
            gaps.add(len(old))
        else:
            old.append(line)
    new = printed.splitlines(keepends=True)
    result = []
    for operation, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left_out = operation == "insert" and start in gaps
        result += [f"{LEFT_OUT}\n"] if left_out else new[first:last]
        if operation == "equal":
            inner = [gap for gap in gaps if start < gap < end]
            for gap in sorted(inner, reverse=True):
                result.insert(len(result) - (end - gap), f"{LEFT_OUT}\n")
    return "".join(result)


if __name__ == "__main__":
    for name, content in reference.PAGES.items():
        (ROOT / "docs" / name).write_text(content())
    for page in [Path(name).resolve() for name in sys.argv[1:]] or PAGES:
        refresh(page)
