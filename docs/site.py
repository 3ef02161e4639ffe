"""For mkdocs: links that lead out of the pages, into the repository, become the text they stand under; the page of a
rule, which the navigation does not name, leads back to all of them."""

from __future__ import annotations

import re


def on_page_markdown(markdown: str, *, page, **others) -> str:
    """The Markdown of a page as the site has it."""
    outside = re.escape("../" * (page.file.src_uri.count("/") + 1))
    inside = re.sub(rf"\[([^\]]+)\]\({outside}[^)]*\)", r"\1", markdown)
    of_a_rule = page.file.src_uri.startswith("rules/") and page.file.name != "index"
    return f"{inside}\n---\n\n[All rules](index.md)\n" if of_a_rule else inside
