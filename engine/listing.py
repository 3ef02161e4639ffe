"""What there is of steps and rules, and what each of them is."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from engine.cases import failures
from engine.extension import Extended, keys
from engine.plan.refusals import REFUSALS
from engine.result import UserError
from engine.spelling import meant


def listed(extended: Extended) -> dict[str, list[dict[str, Any]]]:
    """The steps in the order of the pipeline, and the rules in that of their codes, the refusals of the plan too."""
    origin = {name: {"origin": where} for name, where in extended.origins.items()}
    steps = [
        {"name": step.name, "safety": step.safety.value, "summary": step.summary, **origin.get(step.name, {})}
        for step in extended.steps
    ]
    rules = [
        {"code": rule.CODE, "name": rule.__name__, "message": rule.MESSAGE, **origin.get(rule.__name__, {})}
        for rule in extended.rules
    ]
    rules += [{"code": r.code, "name": r.name, "message": r.texts["message"]} for r in REFUSALS]
    return {"steps": steps, "rules": sorted(rules, key=lambda rule: rule["code"])}


def as_json(extended: Extended) -> str:
    """All steps and rules as one JSON document."""
    return json.dumps(listed(extended), indent=2)


def as_text(extended: Extended) -> str:
    """All steps and rules for a person."""
    found = listed(extended)
    width = max(len(entry["name"]) for entries in found.values() for entry in entries)
    lines = ["Steps, in order:"]
    lines += [f"  {step['name']:{width}}  {step['summary']}{_from(step)}" for step in found["steps"]]
    lines += ["", "Rules:"]
    lines += [f"  {r['code']}  {r['name']:{width}}  {r['message']}{_from(r)}" for r in found["rules"]]
    return "\n".join(lines)


def _from(entry: dict[str, Any]) -> str:
    return f"  [{entry['origin']}]" if "origin" in entry else ""


def tested(extended: Extended) -> tuple[str, bool]:
    """The examples of the added rules, run: what came of them for a person, and whether all hold."""
    lines, good = [], True
    for rule in extended.added_rules:
        wrong = list(failures(rule))
        good = good and not wrong
        count = len(rule.VALID) + len(rule.INVALID)
        held = f"{count} example{'s' * (count != 1)} hold{'s' * (count == 1)}"
        lines.append(f"{rule.CODE} {rule.__name__}: {held if not wrong else 'FAILS'}")
        lines += [f"  {text}" for text in wrong]
    return "\n".join(lines or ["no rules are added here; give the file of your own with --rules"]), good


def explained(name: str, extended: Extended) -> str:
    """What a step or rule does and why.

    Raises:
        UserError: there is none of that name or code.
    """
    name = name.upper() if re.fullmatch(r"[a-z]+\d{3}", name) else name
    origin = f"\n\nFrom: {extended.origins[name]}" if name in extended.origins else ""
    for step in extended.steps:
        if step.name == name:
            return f"{step.name} ({step.safety.value})\n\nIt {step.summary}.\n\nWhy: {step.why}.{origin}"
    for rule in extended.rules:
        if name in keys(rule):
            added = extended.origins.get(rule.__name__)
            return f"{rule.CODE} {rule.__name__}\n\n{inspect.getdoc(rule)}" + (f"\n\nFrom: {added}" if added else "")
    for refusal in REFUSALS:
        if name in (refusal.code, refusal.name):
            texts = refusal.texts
            said = f"{texts['message']}.\n\nWhy: {texts['why']}.\n\nRemedy: {texts['remedy']}."
            return f"{refusal.code} {refusal.name}\n\n{said}"
    names = [step.name for step in extended.steps]
    names += [rule.__name__ for rule in extended.rules] + [refusal.name for refusal in REFUSALS]
    raise UserError(f"there is no step or rule {name}; {meant(name, names)}")
