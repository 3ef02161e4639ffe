"""Write the rules' pages from the rules themselves: ``python -m rules.document [FOLDER]``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

from moreorless import unified_diff

from engine.cases import plain
from engine.result import Safety
from rules import RULES
from rules.base import Documented, Invalid

FOLDER = Path(__file__).parent.parent / "docs" / "rules"
KINDS = {
    "FLR1": ("Blocks conversion", "What `apply` refuses, because a conversion could not be faithful."),
    "FLR2": ("Converted with a fix", "What `apply` takes care of, or `lint --fix` mends."),
    "FLR3": ("Warnings", "What a person should look at; `apply` converts all the same."),
}
SAFETY = {
    Safety.SAFE: "`lint --fix` mends it.",
    Safety.UNSAFE: "`lint --fix --unsafe` mends it; look at the change.",
    Safety.DISPLAY_ONLY: "There is no automatic fix.",
}
SHOWN = 2


def pages(rules: Sequence[type[Documented]] = RULES) -> dict[str, str]:
    """File name -> content: a page for each rule, and the index."""
    return {"index.md": index(rules)} | {f"{rule.__name__}.md": page(rule) for rule in rules}


def index(rules: Sequence[type[Documented]]) -> str:
    """The table of all rules, by kind."""
    lines = ["# Rules", "", "`python -m codemods explain FLR202` prints a rule's page."]
    for prefix, (title, text) in KINDS.items():
        lines += ["", f"## {title}", "", text, "", "| Code | Rule | Finds | Fix |", "| - | - | - | - |"]
        for rule in (rule for rule in rules if rule.CODE.startswith(prefix)):
            fix = "" if rule.SAFETY is Safety.DISPLAY_ONLY else rule.SAFETY.value
            lines.append(f"| {rule.CODE} | [{rule.__name__}]({rule.__name__}.md) | {rule.MESSAGE} | {fix} |")
    return "\n".join(lines) + "\n"


def page(rule: type[Documented]) -> str:
    """The page of one rule, the project's own or a team's: its docstring, and its first cases as they are tested."""
    title, _ = KINDS[f"FLR{rule.CODE[-3]}"]
    safety = SAFETY[getattr(rule, "SAFETY", Safety.DISPLAY_ONLY)]
    parts = [f"# {rule.CODE} {rule.__name__}", f"{title}. {safety}", inspect.getdoc(rule) or rule.MESSAGE]
    invalid = [Invalid(case) if isinstance(case, str) else case for case in rule.INVALID]
    valid = [case if isinstance(case, str) else case.code for case in rule.VALID]
    parts += [section("Found", [found(case) for case in invalid[:SHOWN]])] if invalid else []
    parts += [section("Not found", [code_block(case) for case in valid[:SHOWN]])] if valid else []
    return "\n\n".join(parts) + "\n"


def section(title: str, blocks: Sequence[str]) -> str:
    """A heading with code blocks below it."""
    return "\n\n".join([f"## {title}", *blocks])


def found(case: Invalid) -> str:
    """A case that the rule finds, with what its fix changes."""
    if not case.expected_replacement:
        return code_block(case.code)
    diff = unified_diff(plain(case.code), plain(case.expected_replacement), "train.py", n=2)
    change = "\n".join(diff.splitlines()[2:])
    return f"{code_block(case.code)}\n\nis fixed to\n\n```diff\n{change}\n```"


def code_block(code: str) -> str:
    """A Python code block."""
    return f"```python\n{plain(code).rstrip()}\n```"


def main(folder: Path = FOLDER) -> None:
    """Write all pages into a folder, and remove those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for old in set(folder.glob("*.md")) - {folder / name for name in written}:
        old.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
