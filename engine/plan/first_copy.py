"""Copies of the first weights by which training goes: an anchor that the weights are held near, a teacher that is the
model as it was. A site takes them from the weights that it has built itself, before it has received any; the training
starts from the server's."""

from __future__ import annotations

import ast
import re

from engine.facts import Facts
from engine.facts.source_text import assigned, names_in, text_of
from engine.facts.trace import Call, Event, Loop, is_default, path_inside
from engine.facts.values import Object
from engine.plan.frame import Frame
from engine.plan.refusals import FIRST_WEIGHTS_COPIED
from engine.result import Result

COPIES = ("copy.deepcopy", ".clone", "torch.clone", ".parameters_to_vector")
PRETRAINED = re.compile(r"pretrained|weights\s*=\s*(?!None)")


def copied_first(facts: Facts, frame: Frame) -> Result | None:
    """The refusal of a copy of the model's first weights that training goes by. None where there is none, and where
    the site starts from weights out of a file, from which the server does, too."""
    if not facts.models or not frame.is_loop:
        return None
    model = facts.models[0].value
    loaded = [one.event.number for one in facts.models[0].first_weights if one.origin != "drawn" and one.certain]
    used = _used_in_training(facts, frame)
    inside = [event.number for event in facts.trace.events if event.within_node(frame.node)]
    for event in facts.trace.where(lambda event: event.name.endswith(COPIES) and is_default(event.path)):
        early = model.event < event.number < min(inside, default=0) and event.number < min(
            loaded, default=event.number + 1
        )
        if early and _copies(event, model) and any(text_of(one) in used for one in assigned(event.statement)):
            return FIRST_WEIGHTS_COPIED.at(event.scope.file, event.place)
    return None


def _copies(event: Event, model: Object) -> bool:
    """True for a statement that copies all weights of a model, named by one of its names; unless the model is built
    with weights from elsewhere, which the server's has likewise."""
    if event.statement is None or PRETRAINED.search(text_of(model.node)):
        return False
    names = "|".join(map(re.escape, model.names))
    whole = rf"(?<![\w.])({names})(\.(named_parameters|parameters|state_dict)\(|\s*\))"
    return bool(names) and re.search(whole, text_of(event.statement)) is not None


def _used_in_training(facts: Facts, frame: Frame) -> set[str]:
    """The names and attributes that the batches are trained with: in the loop over them, and in the functions on the
    way to it, together with what these are given."""
    nodes: list[ast.AST] = []
    for step in (one.step_event for one in facts.optimizers):
        inner = path_inside(step.path, frame.node) if step is not None else ()
        entry = next((one for one in inner if isinstance(one, (Loop, Call))), None)
        if isinstance(entry, Loop):
            nodes.append(entry.node)
        elif entry is not None and isinstance(entry.node, ast.Call):
            nodes += [entry.function.node, *entry.node.args, *[keyword.value for keyword in entry.node.keywords]]
    parts = [part for node in nodes for part in ast.walk(node) if isinstance(part, (ast.Name, ast.Attribute))]
    kept_anew = {text_of(part) for part in parts if not isinstance(part.ctx, ast.Load)}  # such as the best weights
    return {text_of(part) for part in parts if names_in(part)} - kept_anew
