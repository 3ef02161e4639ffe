"""Make the local epochs, the data location and the split for simulations options of the script."""

from __future__ import annotations

from collections.abc import Iterator

from engine.edit import AddArgument, AddImport, Edit, Insert, Replace, imported_as
from engine.pipeline import Step
from engine.plan import Plan
from engine.plan.settings import Setting

EARLY_HEAD = """
import argparse
import sys

# needed before the script reads its command line, so taken from there first
parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
"""
LATE_ONLY = '"""What the job sets for this site; client.py fills it in from its command line."""\n'


def edits(plan: Plan) -> Iterator[AddImport | Edit]:
    """Declare options with the script's own parser, or one of ours, and read the values where literals stood."""
    parser = plan.parser
    for setting in plan.settings:
        if setting.passed is not None:
            call = setting.passed.call
            yield AddArgument(call.place, call.end, f"{setting.passed.parameter}={setting.reader}")
        elif setting.literal is not None and setting.reader:
            yield Replace(setting.literal.place, setting.literal.end, setting.text or setting.reader)
    yield from packaged(plan)
    yield from shared(plan)
    yield from continued(plan)
    declared = [setting for setting in plan.new_settings if not setting.early]
    if not declared:
        return
    declarations = "".join(declaration(parser.parser, setting) for setting in declared)
    if parser.existing:
        yield Insert(parser.declare_at, f"# set by the federated job\n{declarations}", after=parser.declare_after)
    else:
        yield AddImport(parser.bound_file, "import argparse")
        if parser.alone:
            head = f"{parser.parser} = argparse.ArgumentParser()\n"
            parsed = f"{parser.variable} = {parser.parser}.parse_args()\n"
        else:
            yield AddImport(parser.bound_file, "import sys")
            head = f"{parser.parser} = argparse.ArgumentParser(add_help=False, allow_abbrev=False)\n"
            parsed = f"{parser.variable}, sys.argv[1:] = {parser.parser}.parse_known_args()\n"
        yield Insert(parser.declare_at, f"\n# set by the federated job\n{head}{declarations}{parsed}")
    yield from filled_in(plan)


def continued(plan: Plan) -> Iterator[AddImport | Edit]:
    """Let the job's options follow a command line that is written in the script: the last value of an option counts."""
    line = plan.facts.arguments.line
    if line is not None:
        yield AddImport(plan.facts.project.files[line.place.file], "import sys")
        yield Replace(line.place, line.end, f"[*{line.text}, *sys.argv[1:]]")


def packaged(plan: Plan) -> Iterator[AddImport | Edit]:
    """Look for settings files beside the script: FLARE runs it in another folder."""
    for file in plan.settings_files:
        if file.literal is None:
            continue
        folder = "os.path.abspath(__file__)"
        for _ in range(file.depth + 1):
            folder = f"os.path.dirname({folder})"
        yield AddImport(plan.facts.project.files[file.literal.place.file], "import os")
        yield Replace(file.literal.place, file.literal.end, f"os.path.join({folder}, {file.text})")


def shared(plan: Plan) -> Iterator[AddImport]:
    """Import the module with the values that are read where the parsed arguments are out of reach."""
    module = plan.names.site_settings
    readers = {
        s.literal.place.file for s in plan.settings if s.literal is not None and s.reader.startswith(f"{module}.")
    }
    readers |= {edit.place.file for edit in plan.schedules.edits if f"{module}." in edit.template}
    if any(not setting.early for setting in plan.shared_settings):
        readers.add(plan.parser.bound_file.name)
    for name in sorted(readers):
        yield AddImport(plan.facts.project.files[name], imported_as("import site_settings", module))


def filled_in(plan: Plan) -> Iterator[Insert]:
    """Hand the parsed values on to that module."""
    parser, module = plan.parser, plan.names.site_settings
    handed = [setting.destination for setting in plan.shared_settings if not setting.early]
    if handed:
        lines = "".join(f"{module}.{name} = {parser.variable}.{name}\n" for name in handed)
        yield Insert(parser.bound_after, lines, after=parser.existing)


def files(plan: Plan) -> dict[str, str]:
    """The settings files that travel with the client, and the module that hands values on, where one is needed."""
    found = {file.name: file.content.decode() for file in plan.settings_files}
    early = [setting for setting in plan.shared_settings if setting.early]
    late = [setting for setting in plan.shared_settings if not setting.early]
    if not (early or late):
        return found
    text = '"""What the job sets for this site."""\n' if early else LATE_ONLY
    if early:
        text += EARLY_HEAD + "".join(declaration("parser", setting) for setting in early)
        text += "args, sys.argv[1:] = parser.parse_known_args()\n"
        text += "".join(f"{setting.destination} = args.{setting.destination}\n" for setting in early)
    if early and late:
        text += "\n# filled in by client.py from its command line"
    if late:
        text += "\n" + "".join(f"{setting.destination} = {_quoted(setting.default)}\n" for setting in late)
    return {**found, "site_settings.py": text}


def declaration(parser: str, setting: Setting) -> str:
    """The statement that declares an option."""
    kind = f", type={setting.kind}" if setting.kind != "str" else ""
    return (
        f'{parser}.add_argument("{setting.option}"{kind}, default={_quoted(setting.default)}, help="{setting.help}")\n'
    )


def _quoted(value: object) -> str:
    """A default as source, in double quotes where it is text."""
    return f'"{value}"' if isinstance(value, str) and '"' not in value and "\\" not in value else repr(value)


step = Step(
    "expose_arguments",
    "makes the local epochs, the data location and the split for simulations options of the script",
    "a job sets what differs from site to site and from run to run; what is written into the code cannot be set",
    edits,
    files,
)
