"""Every page does what it says: its commands run, its links lead somewhere, nothing is out of date."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.docs import reference, sessions
from tests.docs.pages import PAGES, ROOT, Command, commands

LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]+)?\)")
SLOW = re.compile(r"codemods (simulate|verify|poc)|python \S*job\.py")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def runnable(page: Path) -> list[Command]:
    return [command for command in commands(page.read_text()) if sessions.is_run(command)]


WITH_COMMANDS = [
    pytest.param(page, id=name(page), marks=[pytest.mark.simulator] if any(SLOW.search(c.text) for c in found) else [])
    for page in PAGES
    if page.parent.name != "rules"  # what stands there are the cases of the rules, which are tests by themselves
    and (found := runnable(page))
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    found = runnable(page)
    printed = sessions.run(found, tmp_path)
    for command, output in zip(found, printed, strict=True):
        if command.output is not None and not sessions.agrees(command.output, output):
            pytest.fail(f"{name(page)}:{command.line}: `{command.text}` prints\n{output}\nnot\n{command.output}", False)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    dead = [
        target + anchor
        for target, anchor in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
        if not leads_somewhere(page, target, anchor)
    ]
    assert dead == []


def leads_somewhere(page: Path, target: str, anchor: str) -> bool:
    """Whether a relative link has a file at its end, and a heading where it names one."""
    path = Path(os.path.normpath(page.parent / target)) if target else page
    if not path.exists():
        return False
    return not anchor or anchor[1:] in map(slug, re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE))


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", reference.PAGES, ids=str)
def test_generated_pages_are_up_to_date(page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == reference.PAGES[page](), "run `python -m tests.docs`"


def test_every_page_is_reached_from_the_site_or_the_readme() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text() + (ROOT / "README.md").read_text()
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation and not page.startswith("rules/")] == []
