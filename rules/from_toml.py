"""A team's own rewrite rules, from a TOML file: patterns and templates as in `engine.rewrite`, without any code."""

from __future__ import annotations

import builtins
import copyreg
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import libcst as cst

from engine.extension import check_code
from engine.matching import metavariables, spoken_names
from engine.names import Names
from engine.result import Safety, UserError
from engine.rewrite import Condition, Match, RewriteRule, lacks
from rules.base import Invalid, PatternRule

if TYPE_CHECKING:
    from engine.pipeline import Step

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = {
    "name": str, "code": str, "find": str, "message": str, "replace": str, "safety": str, "remedy": str, "why": str,
    "where": dict, "step": bool, "before": str, "example": list, "unchanged": list,
}  # fmt: skip
REQUIRED = ("name", "code", "find", "message", "example")
CONDITIONS = {"lacks": list, "matches": dict, "unlike": dict}


class Tabled(type):
    """The class of the rules that tables describe. Another process makes them of their tables again."""


copyreg.pickle(Tabled, lambda rule: (_rule, rule.MADE_OF))


def read(path: Path) -> list[type[PatternRule]]:
    """The rules of a TOML file.

    Args:
        path: the file, with a table ``[[rule]]`` for each.

    Raises:
        UserError: it cannot be read, or a rule in it is broken.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text, as TOML has to be") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    tables = document.pop("rule", None)
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UserError(f"{path} has to hold tables [[rule]] and nothing else")
    return [_rule(table, f"{path}: rule {table.get('name', number)}") for number, table in enumerate(tables, 1)]


def _rule(table: dict[str, Any], origin: str) -> type[PatternRule]:
    """The rule that a table describes."""
    _check(table, KEYS, origin)
    for key in REQUIRED:
        if not table.get(key):
            raise UserError(f"{origin} lacks `{key}`")
    name, code, replace = table["name"], table["code"], table.get("replace", "")
    if not re.fullmatch(r"[A-Z]\w*", name):
        raise UserError(f"{origin}: a name is one word such as StableSoftmax")
    check_code(code, name, origin)
    if code[-3] == "1":
        raise UserError(f"{origin}: a pattern cannot block a conversion; number it 2xx or 3xx")
    if ("step" in table or "before" in table or "safety" in table) and not replace:
        raise UserError(f"{origin}: `step`, `before` and `safety` are about a replacement; add `replace`")
    if table.get("before") and not table.get("step"):
        raise UserError(f"{origin}: `before` says where a step comes; add `step = true`")
    rewrite = _rewrite(table, _safety(table, origin), origin)
    attributes = {
        "CODE": code,
        "MESSAGE": table["message"],
        "REMEDY": table.get("remedy") or (f"Write {replace}." if replace else "Change it by hand."),
        "SAFETY": rewrite.safety,
        "REWRITES": (rewrite,),
        "VALID": [_code(text, origin) for text in table.get("unchanged", [])],
        "INVALID": [_example(example, bool(replace), origin) for example in table["example"]],
        "STEP": _step(table, rewrite) if table.get("step") else None,
        "MADE_OF": (table, origin),
        "__doc__": _documentation(table, rewrite.safety),
        "__module__": __name__,
    }
    return Tabled(name, (PatternRule,), attributes)


def _check(table: Mapping[str, Any], known: Mapping[str, type], origin: str) -> None:
    """Every key is known, and its value of its type."""
    for key, value in table.items():
        if key not in known:
            raise UserError(f"{origin} has the key `{key}`, which there is not; there are {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise UserError(f"{origin}: `{key}` has to be a {known[key].__name__}, not {value!r}")


def _safety(table: Mapping[str, Any], origin: str) -> Safety:
    """How safe the replacement is said to be; not, where nothing is said."""
    if not table.get("replace"):
        return Safety.DISPLAY_ONLY
    try:
        return {"safe": Safety.SAFE, "unsafe": Safety.UNSAFE}[table.get("safety", "unsafe")]
    except KeyError:
        raise UserError(f'{origin}: `safety` is "safe" or "unsafe", not {table["safety"]!r}') from None


def _rewrite(table: Mapping[str, Any], safety: Safety, origin: str) -> RewriteRule:
    """The pattern and its template, both sound."""
    where = _condition(table.get("where", {}), origin)
    rewrite = RewriteRule(table["find"], table.get("replace", ""), where, safety, table["message"])
    try:
        found, used = metavariables(rewrite.pattern), metavariables(rewrite.template)
    except ValueError as error:
        raise UserError(f"{origin}: {error}") from None
    if "$_" in {*re.findall(r"\$\w+", rewrite.replace)}:
        raise UserError(f"{origin}: `replace` cannot use $_, which stands for anything; name it in `find`")
    for unbound in sorted(used - found):
        raise UserError(f"{origin}: `replace` uses ${unbound}, which `find` does not capture")
    for asked in sorted({name for kind in ("matches", "unlike") for name in table.get("where", {}).get(kind, {})}):
        if asked not in found:
            raise UserError(f"{origin}: `where` asks for ${asked}, which `find` does not capture")
    for name in sorted(spoken_names(rewrite.pattern)):
        if "." not in name and name not in vars(builtins):
            raise UserError(
                f"{origin}: the name {name} in `find` means nothing by itself; write ${name} for any expression, or "
                "the full name of what is imported, such as torch.load"
            )
    if _feeds_itself(rewrite):
        raise UserError(f"{origin}: `replace` holds what `find` looks for, so that it would be replaced without end")
    return rewrite


def _condition(conditions: Mapping[str, Any], origin: str) -> Condition:
    """The conditions of ``where``, all of which a match has to fulfil."""
    _check(conditions, CONDITIONS, f"{origin}: `where`")
    checks = [lacks(*conditions.get("lacks", ()))]
    for kind, wanted in (("matches", True), ("unlike", False)):
        for name, pattern in conditions.get(kind, {}).items():
            try:
                checks.append(_text(name, re.compile(pattern), wanted))
            except (re.error, TypeError) as error:
                raise UserError(f"{origin}: `where.{kind}.{name}` is no regular expression: {error}") from None
    return lambda match: all(check(match) for check in checks)


def _text(name: str, pattern: re.Pattern[str], wanted: bool) -> Condition:
    """A condition on the text of what a metavariable captured."""

    def holds(match: Match) -> bool:
        captured = match.captures[name]
        nodes = captured if isinstance(captured, tuple) else (captured,)
        text = ", ".join(cst.Module([]).code_for_node(node).rstrip(", \n") for node in nodes)
        return bool(pattern.fullmatch(text)) is wanted

    return holds


def _feeds_itself(rewrite: RewriteRule) -> bool:
    """Whether what the template makes is found by the pattern again."""
    if rewrite.template is None:
        return False
    names = {*spoken_names(rewrite.pattern), *spoken_names(rewrite.template)}
    imports = "".join(f"import {name.partition('.')[0]}\n" for name in sorted(names) if "." in name)
    module = cst.parse_module(imports)
    captures = dict.fromkeys(metavariables(rewrite.pattern, many=False), cst.Name("value_"))
    captures |= dict.fromkeys(metavariables(rewrite.pattern, many=True), ())
    replacement = Match(rewrite, rewrite.pattern, captures, Names(module)).replacement
    if replacement is None:
        return False
    return bool(rewrite.matches(cst.parse_module(imports + module.code_for_node(replacement))))


def _code(text: Any, origin: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{origin}: an example is Python code, not {text!r}")
    return dedent(text)


def _example(table: Any, replaces: bool, origin: str) -> Invalid:
    """A case of the rule: code it finds, and what that becomes."""
    if not isinstance(table, dict):
        raise UserError(f"{origin}: an example is a table [[rule.example]] with `before` and `after`")
    _check(table, {"before": str, "after": str}, f"{origin}: an example")
    if "before" not in table or ("after" in table) is not replaces:
        wanted = "`before` and `after`" if replaces else "`before` alone, since nothing is replaced"
        raise UserError(f"{origin}: an example has {wanted}")
    after = _code(table["after"], origin) if replaces else None
    return Invalid(_code(table["before"], origin), expected_replacement=after)


def _step(table: Mapping[str, Any], rewrite: RewriteRule) -> Step:
    """The rule as a step of a conversion."""
    from engine.pipeline import Step

    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", table["name"]).lower()
    return Step(
        name=words,
        summary=f"writes {table['replace']} instead of {table['find']}",
        why=table.get("why") or table["message"],
        edits=lambda plan: (),
        safety=rewrite.safety,
        before=table.get("before", ""),
        rewrite=rewrite.apply,
    )


def _documentation(table: Mapping[str, Any], safety: Safety) -> str:
    """What `explain` prints, under the headings of every rule."""
    return "\n\n".join(_sections(table, safety)) + "\n"


def _sections(table: Mapping[str, Any], safety: Safety) -> Iterator[str]:
    yield f"## What it does\n{table['message']}"
    yield f"## Why is this bad\n{table.get('why') or 'The team has decided so.'}"
    yield "## Example\n" + "\n".join(
        f"```python\n{dedent(example['before']).strip()}\n```"
        for example in table["example"][:1]
        if isinstance(example, dict) and isinstance(example.get("before"), str)
    )
    if table.get("replace"):
        yield f"## Remedy\n{table.get('remedy') or f'''`{table['replace']}` instead of `{table['find']}`.'''}"
    yield f"## Fix safety\n{'There is no fix.' if safety is Safety.DISPLAY_ONLY else f'The fix is {safety.value}.'}"
