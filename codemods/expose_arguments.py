"""Make the local epochs, the data location and the split for simulations options of the script."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddImport, Edit, Insert, Replace
from engine.pipeline import Step
from engine.plan import Plan
from engine.plan.settings import Setting


def edits(plan: Plan) -> Iterator[Edit]:
    """Declare options with the script's own parser, or one of ours, and read the values where literals stood."""
    parser = plan.parser
    if parser is None:
        return
    settings = plan.new_settings
    for setting in plan.settings:
        if setting.literal is not None and setting.replaces:
            yield Replace(setting.literal.place, setting.literal.end, f"{parser.variable}.{setting.destination}")
    if not settings:
        return
    declarations = "".join(declaration(parser.parser, setting) for setting in settings)
    if parser.existing:
        yield Insert(parser.declare_before, f"# set by the federated job\n{declarations}")
        return
    assert parser.bound_file is not None
    yield AddImport(parser.bound_file, "import argparse")
    text = f"# set by the federated job\n{parser.parser} = argparse.ArgumentParser()\n{declarations}"
    yield Insert(parser.declare_before, f"\n{text}{parser.variable} = {parser.parser}.parse_args()\n")


def declaration(parser: str, setting: Setting) -> str:
    """The statement that declares an option."""
    kind = f", type={setting.kind}" if setting.kind != "str" else ""
    return f'{parser}.add_argument("{setting.option}"{kind}, default={_quoted(setting.default)}, help="{setting.help}")\n'


def _quoted(value: object) -> str:
    """A default as source, in double quotes where it is text."""
    return f'"{value}"' if isinstance(value, str) and '"' not in value and "\\" not in value else repr(value)


step = Step(
    "expose_arguments",
    "makes the local epochs, the data location and the split for simulations options of the script",
    "a job sets what differs from site to site and from run to run; what is written into the code cannot be set",
    edits,
)
