"""The command line: every command, and what becomes of a mistake of the user."""

from __future__ import annotations

import errno
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from codemods.commands import ERROR, INTERRUPTED

COMMANDS = (
    "inspect", "apply", "renew", "job", "simulate", "poc", "verify", "lint", "lsp", "train", "scaffold", "list",
    "explain",
)  # fmt: skip


class Commands(click.Group):
    """Commands whose mistakes of the user end in one sentence and exit code 2; imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name, or None."""
        return import_module(f"codemods.commands.{name}").command if name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command with the whole first sentence of its help, in the order of use."""
        with formatter.section("Commands"):
            commands = [(name, self.get_command(ctx, name)) for name in COMMANDS]
            formatter.write_dl([(name, command.get_short_help_str(limit=200)) for name, command in commands])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that is named. One that there is not ends in what was meant: another, or the path of a script."""
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from engine.spelling import meant

        if Path(name).exists() or name.endswith((".py", ".ipynb")):
            ctx.fail(f"{name} is no command; put one before it, such as inspect {name}")
        ctx.fail(f"there is no command {name}; {meant(name, COMMANDS, '--help')}")

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from engine.result import UserError

        try:
            _require_working_directory()
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(ERROR)
        except OSError as error:
            if error.errno == errno.EPIPE:  # who reads the output has enough, which click takes care of
                raise
            what = f"{error.filename} cannot be read or written" if error.filename else "what is told cannot be written"
            click.echo(f"error: {what} ({error.strerror}); mend that and try again", err=True)
            ctx.exit(ERROR)
        except KeyboardInterrupt:
            click.echo("error: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except RecursionError:
            click.echo("error: the code is nested too deeply to be analysed; flatten it and try again", err=True)
            ctx.exit(ERROR)


def _require_working_directory() -> None:
    """Raises UserError where the working directory was removed: no relative path means anything then."""
    from engine.result import UserError

    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the working directory does not exist any more; change to one that does") from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flare-codemods", message="%(version)s")
def main() -> None:
    """Turn a PyTorch training project into an NVIDIA FLARE federated job, by rewriting its source.

    \b
    python -m codemods inspect train.py      what it trains, and whether it can be federated
    python -m codemods apply train.py        write federated/: client.py, model.py, job.py
    python -m codemods verify federated      prove that one site trains what the script trains
    python -m codemods simulate federated    run it in FLARE's simulator
    """


if __name__ == "__main__":
    main(prog_name="python -m codemods")
