"""The Markdown pages of the project, and the fenced blocks in them.

Three kinds of block are run, all of a page in one shell, in the order of the page:

    ```console      commands after ``$ ``, each with what it prints below, which is compared
    ```bash         commands, one a line
    ```python       a program

Above any other block ``<!-- output of: COMMAND -->`` says which command prints it, and ``<!-- file: NAME -->`` that it
is the content of a file which later commands read. A line ``...`` in an output stands for lines that are left out. What
shows no output has to succeed, but for a command whose exit code is shown by ``$ echo $?``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- (?P<role>file|output of): (?P<value>[^\n]+) -->\n+)?"
    r"(?P<fence>`{3,})(?P<language>\w*)\n(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = "$ "


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        text: what is typed.
        output: what the page says it prints; None where it says nothing.
        start, end: where the output stands in the page.
        line: 1-based line of the page.
        required: whether it has to succeed.
    """

    text: str
    output: str | None
    start: int
    end: int
    line: int
    required: bool = False


def commands(page: str) -> list[Command]:
    """The commands of a page, in order."""
    return [command for block in _BLOCK.finditer(page) for command in _commands(page, block)]


def _commands(page: str, block: re.Match[str]) -> list[Command]:
    start, end = block.span("body")
    line = page.count("\n", 0, start)
    body = block["body"]
    if block["role"] == "output of":
        return [Command(block["value"], body, start, end, line)]
    if block["role"] == "file":
        return [Command(f"cat > {block['value']} <<'END OF FILE'\n{body}END OF FILE", None, start, end, line, True)]
    if block["language"] == "python":
        return [Command(f"python - <<'END OF PROGRAM'\n{body}END OF PROGRAM", None, start, end, line, True)]
    if block["language"] in ("console", "bash"):
        return _session(body, start, line, _PROMPT if block["language"] == "console" else "")
    return []


def _session(body: str, start: int, line: int, prompt: str) -> list[Command]:
    """The commands of a block, each after a prompt; one that ends in a backslash goes on in the next line."""
    found: list[Command] = []
    lines = body.splitlines(keepends=True)
    while lines:
        assert lines[0].startswith(prompt), f"line {line + 1}: a console block starts with a command"
        typed = [lines.pop(0)]
        while typed[-1].endswith("\\\n"):
            typed.append(lines.pop(0))
        output = []
        while lines and prompt and not lines[0].startswith(prompt):
            output.append(lines.pop(0))
        start += len("".join(typed))
        end = start + len("".join(output))
        text = "".join(typed).removeprefix(prompt).rstrip()
        required = not output and not (lines and lines[0] == f"{prompt}echo $?\n")
        found.append(Command(text, "".join(output) or None, start, end, line + 1, required))
        line += len(typed) + len(output)
        start = end
    return found
