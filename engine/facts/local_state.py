"""State that training changes and the model does not carry, and that the training or the evaluation goes by: centers of
classes, a memory bank, a running mean of the inputs, a teacher that follows the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.facts.epoch_pass import Pass
from engine.facts.library import comes_from_data
from engine.facts.locations import BATCH, DATA, LEARNED, MEASURED, OUTPUT, Change, Location, Origins
from engine.facts.models import belongs
from engine.facts.optimizers import is_optimizer, is_scaler, is_scheduler
from engine.facts.origins import STATISTICS
from engine.facts.program import EvaluationFact, LocalStateFact, ModelFact
from engine.facts.source_text import expression, text_of
from engine.facts.trace import Trace
from engine.facts.training import TrainingLoop
from engine.facts.values import Class, Function, Object, Scope, Sequence, Value, objects, options

REGISTERS = ("register_buffer", "register_parameter")
PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")


def followed_epoch(
    trace: Trace, training: TrainingLoop, models: tuple[ModelFact, ...], evaluations: tuple[EvaluationFact, ...]
) -> Pass:
    """A pass of the epoch loop, followed.

    Args:
        trace: of the program.
        training: the epoch loop.
        models: the trained models.
        evaluations: how the program measures them.
    """
    trained = [value for model in models for value in (model.value, *model.alternatives)]
    done = Pass(trace, training, trained, evaluations)
    done.run()
    stored = frozenset(at for at in done.locations.changes if _gives_data(at.holder))
    if stored:
        done = Pass(trace, training, trained, evaluations, stored)
        done.run()
    return done


def local_state(done: Pass) -> Iterator[LocalStateFact]:
    """What training learns beside the model and goes by, in the order of the program.

    Args:
        done: a pass that has been followed.
    """
    locations, models = done.locations, done.models
    now = {at: locations.read(at) for at in locations.changes}
    learned = {at: origins for at, origins in now.items() if origins & LEARNED and not _is_known(done, at, models)}
    trains = _behind(done.trains, learned)
    by_itself = locations.changed_by_evaluation - trains
    measures = {at for at in _behind(done.measures - by_itself, learned) if _is_trained(learned[at])} - by_itself
    told = trains | measures
    whole = [value for at in told for value in _values(done, at)]
    for at, change in locations.changes.items():
        if at in measures or (at in told and at.holder not in whole):
            yield LocalStateFact(
                _name(at, change), expression(change.statement, change.scope), at in measures, at.holder
            )


def _is_trained(origins: Origins) -> bool:
    """True for what the training makes, not an evaluation alone."""
    return bool(origins & {BATCH, OUTPUT}) or DATA in origins and MEASURED not in origins


def _behind(reached: set, learned: dict) -> set[Location]:
    """The locations that something comes from, in this pass or through others in earlier ones."""
    found: set[Location] = set()
    pending = [at for at in reached if at in learned]
    while pending:
        at = pending.pop()
        if at not in found:
            found.add(at)
            pending += [other for other in learned[at] if other in learned]
    return found


def _gives_data(holder: object) -> bool:
    """True for a data set, a sampler or a loader."""
    if not isinstance(holder, Object):
        return False
    return holder.kind.startswith("torch.utils.data.") or (
        holder.cls is not None and any(holder.cls.find(name) for name in ("__getitem__", "__iter__"))
    )


def _is_known(done: Pass, at: Location, models: list[Object]) -> bool:
    """True for what is no state beside the model: the model itself, an optimizer or a schedule, and data that is only
    put into another order."""
    holder, values = at.holder, _values(done, at)
    own = [holder, *values] if isinstance(holder, Object) else values
    if any(is_optimizer(one) or is_scheduler(one) or is_scaler(one) for one in own):
        return True
    if isinstance(holder, Object) and any(belongs(holder, model) for model in models):
        return holder.cls is None or _registers(holder.cls, at.name) or any(map(_is_registered, values))
    if any(belongs(one, model) for one in values for model in models if isinstance(one, Object)):
        return True
    return not done.locations.read(at) & {OUTPUT, MEASURED} and _is_data(holder, at.name, values)


def _values(done: Pass, at: Location) -> list[Value]:
    """What a location stands for where the loop starts, as far as that is known."""
    if isinstance(at.holder, Scope):
        known = next((names for scope, names in done.training.epoch.known if scope is at.holder), None)
        return options(known.get(at.name)) if known is not None else objects(at.holder.variables.get(at.name))
    if isinstance(at.holder, Class):
        return list(objects(at.holder.body.variables.get(at.name)))
    return options(at.holder.attributes.get(at.name)) if isinstance(at.holder, Object) else []


def _is_data(holder: object, name: str, values: list[Value]) -> bool:
    """True for what holds data before the training starts, and for an attribute that no constructor sets."""
    kept = [one for one in values if not (isinstance(one, Sequence) and one.grows)]
    if not isinstance(holder, Object):
        return any(map(comes_from_data, kept))
    constructor = holder.cls.find("__init__") if holder.cls is not None else None
    nodes = ast.walk(constructor.node) if isinstance(constructor, Function) else ()
    is_set = any(isinstance(n, ast.Attribute) and n.attr == name and isinstance(n.ctx, ast.Store) for n in nodes)
    is_set = is_set or name == STATISTICS or (holder.cls is not None and _registers(holder.cls, name))
    return not is_set or any(isinstance(one, Object) and comes_from_data(one) for one in kept)


def _registers(cls: Class, name: str) -> bool:
    """True where a class registers an attribute, or one by a name that is worked out."""
    classes = [base for base in cls.ancestry() if isinstance(base, Class)]
    calls = [node for base in classes for node in ast.walk(base.node) if isinstance(node, ast.Call) and node.args]
    named = [c.args[0] for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr in REGISTERS]
    return any(not isinstance(node, ast.Constant) or node.value == name for node in named)


def _is_registered(value: Value) -> bool:
    """True for a module and a parameter, which a module registers when they are stored in it."""
    return isinstance(value, Object) and (value.is_module or value.kind in PARAMETERS)


def _name(at: Location, change: Change) -> str:
    """The name of a location: of an attribute with that of its object."""
    if isinstance(at.holder, (Class, Function)):
        return f"{at.holder.name}.{at.name}"
    if isinstance(at.holder, Object):
        written = _name_of(at.holder)
        return f"{written}.{at.name}" if written else text_of(change.target)
    return at.name


def _name_of(value: Object) -> str:
    """The name of an object: of a part with that of the whole; empty where it has none."""
    if value.parent is not None:
        return f"{_name_of(value.parent[0])}.{value.parent[1]}"
    return value.names[0] if value.names else ""
