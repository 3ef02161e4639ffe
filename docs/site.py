"""For mkdocs: links that lead out of the pages, into the repository, become the text they stand under."""

from __future__ import annotations

import re


def on_page_markdown(markdown: str, *, page, **others) -> str:
    """The Markdown of a page without links to files that are not part of the site."""
    outside = re.escape("../" * (page.file.src_uri.count("/") + 1))
    return re.sub(rf"\[([^\]]+)\]\({outside}[^)]*\)", r"\1", markdown)
