"""What the job sets on the client's command line: local epochs, data location, parts of the data."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.facts import Facts, LoopFact, PathFact
from engine.facts.calls import CALLS_ITS_ARGUMENT
from engine.facts.configuration import Option
from engine.facts.source_text import contains
from engine.facts.trace import Call, Event
from engine.facts.values import Literal, options, plain, value_of
from engine.plan.decision import Decision
from engine.plan.literals import Range, leaves, parameter_of
from engine.plan.names import Names
from engine.plan.parser import ParserPlan, how_to_read, parsed_at

FACTORS = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
F_STRING = re.compile(r"""(?P<open>[rR]?[fF][rR]?(\"{3}|'{3}|"|'))(?P<head>[^{}\\]*)(?=\{[^{])""")


@dataclass(frozen=True)
class Setting:
    """A value that an option of the client sets.

    Attributes:
        option: the flag, such as ``--epochs``.
        destination: the attribute it is read by.
        default: its default; for the epochs, how many the script trains by default.
        kind: ``int``, ``float`` or ``str``.
        help: one line for ``--help``.
        declared: True where the script declares the option itself.
        literal: the source range the value stands in, where it is a literal to be replaced.
        reader: how the value is read where the literal stands; empty where the literal stays.
        text: what stands there then, where that is more than how the value is read.
        path_kind: for a data path: ``directory``, ``file`` or ``any``.
        passed: the call the value is passed to, where the literal is the default of a parameter.
        early: True where it is read before the script parses its command line: ``site_settings`` takes it from there.
        beyond: by how much the number in the source exceeds the number of epochs: ``range(1, 10)`` has 9 epochs.
    """

    option: str
    destination: str
    default: Any
    kind: str
    help: str
    declared: bool
    literal: Range | None = None
    path_kind: str = ""
    reader: str = ""
    text: str = ""
    passed: Passed | None = None
    beyond: int = 0
    early: bool = False


@dataclass(frozen=True)
class Passed:
    """An argument added to a call.

    Attributes:
        call: the range of the call.
        parameter: the name of the argument.
    """

    call: Range
    parameter: str


def plan_epochs(facts: Facts, parser: ParserPlan, names: Names) -> Setting | None:
    """The option that sets the local epochs of one round; None where the loop's length cannot be set."""
    loop = facts.loop
    if loop is None or loop.count is None:
        return None
    counts = [leaf for leaf in leaves(loop.count) if isinstance(leaf.value, int) and leaf.value > 1]
    counts = [leaf for leaf in counts if not _is_part(leaf)]
    counts = [leaf for leaf in counts if leaf.option is not None] or counts
    for leaf in counts:
        beyond = _beyond(loop, leaf)
        if beyond is None or leaf.value - beyond < 1:
            continue
        if leaf.option is None and leaf.written is not None and not _is_overridden(facts, leaf):
            return _written_epochs(facts, parser, names, leaf, beyond)
        if leaf.option is not None and not leaf.option.positional:  # else it has no flag by which the job could set it
            place = Range.of(*leaf.written) if leaf.written is not None else None
            epochs = leaf.value - beyond
            return Setting(flag_of(leaf.option), leaf.option.destination, epochs, "int", "", True, place, beyond=beyond)
    return None


def _is_part(leaf: Literal) -> bool:
    """True for a number that is written as a factor or divisor, such as the 2 in ``EPOCHS // 2``, or as one of two
    numbers of epochs: ``4 if cuda else 2``."""
    if leaf.written is None:
        return False
    node, scope = leaf.written
    around = next((one for one in ast.walk(scope.file.tree) if node in ast.iter_child_nodes(one)), None)
    if isinstance(around, ast.IfExp):
        return isinstance(around.body, ast.Constant) and isinstance(around.orelse, ast.Constant)
    return isinstance(around, ast.BinOp) and isinstance(around.op, FACTORS)


def _is_overridden(facts: Facts, leaf: Literal) -> bool:
    """True for a setting of an object that takes others from elsewhere later: ``cfg.merge_from_file(args.cfg)``."""
    target = _target_of(leaf)
    holders = value_of(target.value, leaf.written[1]) if isinstance(target, ast.Attribute) else []
    return any(
        event.name.startswith((".merge", ".update")) and any(one in holders for one in options(event.receiver))
        for event in facts.trace.events
    )


def _target_of(leaf: Literal) -> ast.expr | None:
    """What a number is assigned to where it is written."""
    node, scope = leaf.written
    assigned = (one for one in ast.walk(scope.file.tree) if isinstance(one, ast.Assign) and one.value is node)
    return next((statement.targets[0] for statement in assigned), None)


def _written_epochs(facts: Facts, parser: ParserPlan, names: Names, leaf: Literal, beyond: int) -> Setting:
    """The new option for a number of epochs that is written in the source.

    Args:
        facts: of the program.
        parser: where options are read.
        names: the names of what is added.
        leaf: the number.
        beyond: by how much it exceeds the number of epochs.
    """
    place = Range.of(*leaf.written)
    call = defaulting_call(facts, place)
    read_at = Range.of(call.node, call.caller) if call is not None else place
    target = _target_of(leaf)
    is_read = target is not None and ast.unparse(target) == f"{parser.variable}.epochs"
    base = "epochs_per_round" if is_read else "epochs"  # no args.epochs = args.epochs
    name = free_option(base, {option.destination for option in facts.arguments.options})
    read = how_to_read(name, parser, read_at, names)
    reader = read or f"{names.site_settings}.{name}"
    return Setting(
        flag(name),
        name,
        leaf.value - beyond,
        "int",
        "local epochs of one round",
        False,
        place,
        reader=f"{reader} {'+' if beyond > 0 else '-'} {abs(beyond)}" if beyond else reader,
        passed=Passed(read_at, parameter_of(place)) if call is not None else None,
        beyond=beyond,
        early=read is None,
    )


def _beyond(loop: LoopFact, leaf: Literal) -> int | None:
    """By how much a number exceeds the number of epochs; None for one that does not say how many there are.

    It is the number of epochs itself, or the end of a count whose start or last pass make up the difference.
    """
    if loop.epochs is None:
        computed = any(isinstance(one, ast.BinOp) and isinstance(one.op, FACTORS) for one in ast.walk(loop.count.node))
        return None if loop.kind == "while" or computed else 0
    beyond = leaf.value - loop.epochs
    starts = [plain(value) for value in value_of(loop.start.node, loop.start.scope)] if loop.start else []
    ends = [plain(value) for value in value_of(loop.count.node, loop.count.scope)] if loop.kind == "while" else []
    return beyond if beyond == 0 or starts == [beyond] or leaf.value in ends else None


def defaulting_call(facts: Facts, place: Range) -> Call | None:
    """The call on the way to the epoch loop that leaves a parameter at the default that stands at a place; none where a
    library calls the function, as ``fire.Fire`` and ``mp.spawn`` do."""
    handed_over = {event.node for event in facts.trace.events if event.name in CALLS_ITS_ARGUMENT}
    for call in facts.loop.calls if facts.loop else ():
        if call.node in handed_over:
            continue
        arguments = call.function.node.args
        defaults = [*arguments.defaults, *[d for d in arguments.kw_defaults if d is not None]]
        if any(call.function.file.place(default) == place.place for default in defaults) and isinstance(
            call.node, ast.Call
        ):
            return call
    return None


def plan_paths(facts: Facts, parser: ParserPlan, names: Names, taken: set[str]) -> list[Setting]:
    """The options that say where the data lies: the script's own, and one for each literal path that can have one."""
    found: list[Setting] = []
    paths = facts.data.paths if facts.data else ()
    early = {path.value for path in paths if path.option is None and _is_early(path, parser, names, facts)}
    for path in paths:
        if path.option is not None:
            setting = _declared_path(path, path.option, found)
        else:
            setting = _written_path(facts, parser, names, path, path.value in early, taken, found)
        found += [setting] if setting is not None else []
    return found


def _declared_path(path: PathFact, option: Option, found: list[Setting]) -> Setting | None:
    """The script's own option for a path; None where it has no flag, or is among those found."""
    has_flag = any(one.startswith("-") for one in option.flags)
    if not has_flag or any(setting.destination == option.destination for setting in found):
        return None
    return Setting(flag_of(option), option.destination, path.value, "str", "", True, path_kind=path.kind)


def _written_path(
    facts: Facts, parser: ParserPlan, names: Names, path: PathFact, early: bool, taken: set[str], found: list[Setting],
) -> Setting | None:  # fmt: skip
    """The new option for a path that is written in the source; None where it cannot be read there.

    Args:
        facts: of the program.
        parser: where options are read.
        names: the names of what is added.
        path: the path.
        early: True where it is needed before the script's arguments are at hand.
        taken: the destinations of other options.
        found: the options of the paths before it; the same path has the same option.
    """
    place, default = literal_of(path), _where_run(facts, path)
    if not is_settable(path) or any(setting.literal == place for setting in found):
        return None
    known = next((setting for setting in found if setting.default == default and setting.reader), None)
    base = "data_dir" if path.kind == "directory" else "data_path"
    name = known.destination if known else free_option(base, taken | {setting.destination for setting in found})
    reader = f"{names.site_settings}.{name}" if early else how_to_read(name, parser, place, names)
    if reader is None:
        return None
    text = _in_text(path, reader) if isinstance(path.expression.node, ast.JoinedStr) else None
    if path.path_class:
        text = f"{path.path_class}({reader})"
    return Setting(
        flag(name),
        name,
        default,
        "str",
        "where the data lies",
        known is not None,
        place,
        path.kind,
        reader,
        text or "",
        early=early,
    )


def _where_run(facts: Facts, path: PathFact) -> str | None:
    """A path as it is relative to the folder of the script that is run."""
    if path.path_class is None or path.value is None:
        return path.value
    return posixpath.relpath(path.value, posixpath.dirname(facts.project.entry.name) or ".")


def partitions_setting(taken: set[str]) -> Setting:
    """The option that tells the client into how many parts the training data is split.

    Args:
        taken: the destinations of the script's own options.
    """
    name = free_option("partitions", taken)
    return Setting(flag(name), name, "1", "str", "split the training data between the sites of a simulation", False)


def rounds_setting(name: str) -> Setting:
    """The option of a name that tells the client how many rounds there are."""
    return Setting(flag(name), name, 1, "int", "rounds of the job, which the learning-rate schedule spans", False)


def fixed_paths(facts: Facts, found: Sequence[Setting]) -> list[PathFact]:
    """The paths that no option sets: written in the source, or the defaults of arguments without a flag."""
    paths = facts.data.paths if facts.data else ()
    written = [p for p in paths if p.option is not None and isinstance(p.expression.node, ast.Constant)]
    positional = [p for p in written if p.option.positional]
    return positional + [
        p
        for p in paths
        if p.option is None and (p.value or p.environment) and not any(s.literal == literal_of(p) for s in found)
    ]


def fixed_path(path: PathFact) -> Decision:
    """What is said of a path that no option sets."""
    text = f"{path.expression.text} at {path.expression.place} stays as it is written: no option can set it there"
    if path.option is not None:
        return Decision("data location", text, "give another with --arg")
    if path.environment:
        text = f"{path.expression.text} at {path.expression.place} is read at each site from its own environment"
        text += "; the sites of a simulation share one"
        return Decision("data location", text, "make it an argument of the script, and read that in its place")
    otherwise = "make it an argument of the script, and read that in its place"
    if path.value and not isinstance(path.expression.node, ast.Constant) and is_beside_the_script(path.value):
        text += f"; it is {path.value}, which a site looks for in the folder that it runs in"
        otherwise = f"write the whole path where {path.value} stands, or {otherwise}"
    return Decision("data location", text, otherwise)


def variables_before(facts: Facts, found: Sequence[Setting]) -> Iterator[Decision]:
    """What is said of the variables of the environment that come before an option: the script asks for them first.

    Args:
        facts: of the program.
        found: the options that say where the data lies.
    """
    for event in facts.trace.named("os.environ.get", "os.getenv"):
        name = plain(event.args[0]) if event.args else None
        for setting in found:
            if isinstance(name, str) and setting.literal is not None and _stands_for_lack_of(event, setting.literal):
                place = setting.literal.place
                yield Decision(
                    "data location",
                    f"where {name} is set in the environment of a site, it comes before {setting.option} (at {place})",
                    f"leave {name} unset where the job is to say where the data lies",
                )


def _stands_for_lack_of(event: Event, literal: Range) -> bool:
    """True for a literal that is the default of a variable of the environment: an argument of the call that reads it,
    or after an ``or``."""
    nodes = ast.walk(event.statement) if event.statement is not None else ()
    either = [node for node in nodes if isinstance(node, ast.BoolOp) and contains(node, event.node)]
    return any(
        isinstance(node, ast.Constant) and event.scope.file.place(node) == literal.place
        for around in (event.node, *either)
        for node in ast.walk(around)
    )


def is_beside_the_script(path: str) -> bool:
    """True for a path that is relative to where the script runs."""
    return not re.match(r"/|~|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://", path)


def is_settable(path: PathFact) -> bool:
    """True for a path that stands in the source as a literal of its own, begins an f-string, or is ``os.getcwd()``."""
    node = path.expression.node
    if path.value is None or not (path.path_class or isinstance(node, (ast.Constant, ast.JoinedStr, ast.Call))):
        return False
    return not isinstance(node, ast.JoinedStr) or _in_text(path, "") is not None


def _in_text(path: PathFact, reader: str) -> str | None:
    """An f-string with the value that is read in place of the path it begins with; None where it does not."""
    found = F_STRING.match(path.expression.text)
    if found is None or found["head"] != path.value:
        return None
    return f"{found['open']}{{{reader}}}{path.expression.text[found.end() :]}"


def literal_of(path: PathFact) -> Range:
    """Where a path is written."""
    return Range(path.expression.place, path.expression.end, path.expression.scope)


def _is_early(path: PathFact, parser: ParserPlan, names: Names, facts: Facts) -> bool:
    """True for a literal path that the program needs before the script's arguments are at hand."""
    return is_settable(path) and (
        runs_early(path.event, parser, facts) or how_to_read("", parser, literal_of(path), names) is None
    )


def runs_early(event: Event, parser: ParserPlan, facts: Facts) -> bool:
    """True for a call made before the script's own arguments are parsed, or ours: while a module is imported."""
    parsed = parsed_at(facts, parser)
    if parsed is not None:
        return event.number < parsed
    outermost = event.calls[0].caller if event.calls else event.scope
    return outermost.module is not facts.trace.modules[facts.project.entry.name].scope


def flag_of(option: Option) -> str:
    """The flag to set an option by."""
    return next((flag for flag in option.flags if flag.startswith("--")), option.flags[0])


def free_option(base: str, taken: set[str]) -> str:
    """A destination that no option of the script has."""
    return next(name for name in (base, *(f"{base}_{number}" for number in range(2, 1000))) if name not in taken)


def flag(destination: str) -> str:
    """The flag of a destination."""
    return f"--{destination.replace('_', '-')}"
