"""``scaffold``: write the script of a specification."""

from __future__ import annotations

from pathlib import Path

import click

from codemods.options import SPECIFICATION


@click.command("scaffold")
@SPECIFICATION
@click.option("--out", type=click.Path(path_type=Path), help="The script to write [default: train.py beside SPEC].")
@click.option("--force", is_flag=True, help="Overwrite a script that the tool did not write.")
def command(specification: Path, out: Path | None, force: bool) -> None:
    """Write the plain PyTorch script that does what a training specification describes."""
    from engine.trainer import scaffold as write

    click.echo(f"{write(specification, out, force=force)} written")
