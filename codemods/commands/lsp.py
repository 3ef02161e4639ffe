"""``lsp``: serve an editor."""

from __future__ import annotations

import click

from codemods.commands.shared import extended
from codemods.options import RULES


@click.command("lsp")
@RULES
@click.option("--stdio", is_flag=True, help="Accepted, because editors say so; there is no other way.")
def command(rule_files, stdio: bool) -> None:
    """Serve an editor over standard input and output (Language Server Protocol)."""
    from functools import partial

    from engine.lsp import Tools, serve
    from rules import blockers
    from rules.document import page

    everything = extended(rule_files)
    rules = everything.rules
    pages = {rule.__name__: rule for rule in rules}
    refuse = partial(blockers, rules=rules)
    serve(Tools(rules, refuse, everything.steps, lambda name: page(pages[name]) if name in pages else ""))
