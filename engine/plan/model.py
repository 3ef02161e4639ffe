"""How the server builds the model without importing the training script."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.facts import Facts, ModelFact, Symbol
from engine.facts.constructor import parameter_names
from engine.facts.library import comes_from_data, is_namespace
from engine.facts.values import ARGUMENTS, Member, Object, Unknown, Value, options, plain, source_of
from engine.plan.decision import Decision
from engine.plan.model_by_function import (
    alterations,
    by_function,
    casts,
    in_order,
    initialisations,
    is_record,
    stands_under,
)
from engine.plan.model_by_name import Builder, builders, by_name, sets_all
from engine.plan.model_reshaped import built_by_calls, reshaped_elsewhere, reshaping_statements
from engine.plan.server_model import ModelPlan, free_file, pinned, unbuildable

OBJECT_READERS = ("torch.load", "torch.jit.load", "pickle.load", "joblib.load", "dill.load")


def plan_model(facts: Facts, layout: dict[str, tuple[str, ...]], given: dict[str, Any]) -> ModelPlan:
    """Decide how the server builds the model: by its class, by the factory that builds it, or by a function of our own.

    Args:
        facts: of the program.
        layout: where each file goes.
        given: constructor arguments the user has pinned with ``--model-arg``.
    """
    model = facts.model
    assert model is not None
    changes = in_order([*alterations(model), *reshaping_statements(facts, model)])
    new_file = free_file(layout)
    reshaped = reshaped_elsewhere(facts, model, changes)
    if reshaped is not None:
        for called in built_by_calls(facts, model):
            changes = in_order([*alterations(called), *reshaping_statements(facts, called)])
            if reshaped_elsewhere(facts, called, changes) is None:
                return by_function(facts, called, changes, new_file, given)
        return unbuildable("layers of the model are set there, away from where it is built", reshaped)
    initialised = _initialised(facts, layout, new_file, changes, given) if model.first_weights else None
    if initialised is not None:
        return initialised
    if not changes and not casts(facts, model):
        built_by = list(builders(facts, model))
        plans = [by_name(facts, layout, new_file, builder, given) for builder in built_by]
        whole = next((plan for plan in plans if plan is not None and not plan.missing and not plan.problem), None)
        if whole is not None:
            return whole
        coded = any(isinstance(value, Symbol) for value in model.arguments.values())
        named = not model.positional and not coded and model.qualified_name.replace(".", "").isidentifier()
        if model.value.cls is None and named:
            return ModelPlan(model.qualified_name, *pinned(model.arguments, given, model.arguments_source))
        first = next((plan for plan in plans if plan is not None), None)
        missing = [name for name, _ in first.missing] if first is not None else []
        given_by_options = all(_can_be_given(passed_values(model.value, name)) for name in missing)
        if not given_by_options:
            for builder, plan in zip(built_by, plans, strict=True):
                if plan is not None and _can_be_asked(builder, plan):
                    return plan
        if first is not None and any(_unsaid(model.value, name) for name in missing):
            other = None if given_by_options else _without_settings(facts, model, changes, new_file, given)
            return other or first
        own = by_function(facts, model, changes, new_file, given)
        in_settings = first is not None and any(
            _is_settings(v) for v in [*model.value.args, *model.value.kwargs.values()]
        )
        return first if first is not None and (own.problem or own.missing and not in_settings) else own
    return by_function(facts, model, changes, new_file, given)


def decide_arguments(facts: Facts, model: ModelPlan) -> Iterator[Decision]:
    """The judgements on the model's arguments: those that are the defaults of the script's options.

    Args:
        facts: of the program.
        model: how the server builds the model.
    """
    for name, value in (model.args | model.defaults).items():
        passed = passed_values(facts.model.value, name) if facts.model else []
        if name in model.defaults or any(source_of(one) == ARGUMENTS and plain(one) == value for one in passed):
            place = model.file if name in model.defaults else "job.py"
            yield Decision(
                "model arguments",
                f"the server builds the model with {name}={value!r}, the default of the script's option",
                f"change it in {place} where the sites are given another value",
            )


def _initialised(
    facts: Facts, layout: dict[str, tuple[str, ...]], new_file: str, changes: list[ast.stmt], given: dict[str, Any]
) -> ModelPlan | None:
    """Build the model with the weights that the script gives it; None where the server cannot set them."""
    model = facts.model
    assert model is not None
    for builder in builders(facts, model):
        plan = by_name(facts, layout, new_file, builder, given) if sets_all(model.first_weights, builder) else None
        if plan is not None and not plan.missing and not plan.problem:
            return replace(plan, repeats=tuple(each for each in model.first_weights if each.origin != "file"))
    setting = initialisations(facts, model)
    plan = by_function(facts, model, in_order([*changes, *setting]), new_file, given) if setting else None
    if plan is None or plan.missing or plan.problem:
        return None
    return replace(plan, repeats=tuple(w for w in model.first_weights if stands_under(w.event, setting)))


def passed_values(model: Object, name: str) -> list[Value]:
    """What a constructor argument may be."""
    position = parameter_names(model).index(name) if name in parameter_names(model) else len(model.args)
    return options(model.argument(position, name))


def is_made_by_the_script(model: Object, name: str) -> bool:
    """True for an argument that is a module, an object read from a file or an enumeration's: no option can give it."""
    values = passed_values(model, name)
    return any(
        isinstance(v, Object) and (v.is_module or v.kind in OBJECT_READERS) or isinstance(plain(v), Member)
        for v in values
    )


def _can_be_given(values: list[Value]) -> bool:
    """True for a constructor argument that an option can give: no module, settings or other object of the project's."""
    made = [one for one in values if isinstance(one, Object)]
    return not any(one.is_module or one.cls is not None or _is_settings(one) for one in made)


def _can_be_asked(builder: Builder, plan: ModelPlan) -> bool:
    """True for a function that builds the model from values of which options can give those that are missing."""
    missing = [options(builder.values.get(name)) for name, _ in plan.missing]
    return bool(builder.values) and not plan.problem and all(map(_can_be_given, missing))


def _without_settings(
    facts: Facts, model: ModelFact, changes: list[ast.stmt], new_file: str, given: dict[str, Any]
) -> ModelPlan | None:
    """Build the model by a function of our own, which writes out an object of settings that is among its arguments;
    None where others of them are objects."""
    values = [value for each in (*model.value.args, *model.value.kwargs.values()) for value in options(each)]
    if not all(_is_settings(value) or _can_be_given([value]) for value in values):
        return None
    own = by_function(facts, model, changes, new_file, given)
    return None if own.problem else own


def _unsaid(model: Object, name: str) -> bool:
    """True for a constructor argument whose value nothing in the source says: read from data, or not followed."""
    values = passed_values(model, name)
    return any(isinstance(value, Unknown) or comes_from_data(value) for value in values if not _is_settings(value))


def _is_settings(value: Value) -> bool:
    """True for an object that only holds settings."""
    return isinstance(value, Object) and (is_namespace(value) or is_record(value))
