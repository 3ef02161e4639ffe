"""What the script has to be given on its command line."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from engine.facts import ArgumentsFact, Facts
from engine.facts.configuration import Option
from engine.facts.trace import Branch
from engine.facts.values import Unknown
from engine.plan.model import passed_values
from engine.plan.settings import Setting
from engine.result import UserError
from engine.spelling import nearest


def missing_options(arguments: ArgumentsFact, settings: Iterable[Setting], given: Sequence[str]) -> tuple[Option, ...]:
    """The arguments without which the script does not start, and which nobody gives it.

    Args:
        arguments: the command line of the script.
        settings: what the job fills in.
        given: what the user says the script is given, one item per word.

    Returns:
        Positional arguments first, in their order.
    """
    filled = {setting.destination for setting in settings}
    required = [option for option in arguments.options if option.required and option.destination not in filled]
    positional = [option for option in required if not option.flags[0].startswith("-")]
    named = [option for option in required if option.flags[0].startswith("-")]
    free = [word for word, before in zip(given, ["", *given], strict=False) if not _belongs(word, before)]
    flags = {word.partition("=")[0] for word in given}
    return (*positional[len(free) :], *(option for option in named if not flags.intersection(option.flags)))


def check_options(facts: Facts, settings: Iterable[Setting], given: Sequence[str]) -> None:
    """Raise UserError for an option that the script does not take, where it is known which it takes.

    Args:
        facts: of the program.
        settings: what the job fills in, by options that the script may not have of itself.
        given: what the user says the script is given, one item per word.
    """
    known = [flag for option in facts.arguments.options for flag in option.flags if flag.startswith("--")]
    taken = [*known, *(setting.option for setting in settings), "--help"]
    words = [*given, "--"]
    for word in words[: words.index("--")] if facts.arguments.closed else ():
        flag = word.partition("=")[0]
        forms = (flag, flag.replace("--no-", "--", 1))  # the second of a BooleanOptionalAction
        if word.startswith("--") and not any(name.startswith(forms) for name in taken):
            near = nearest(flag, known)
            options = f"did you mean {near}?" if near else f"its options are {', '.join(known)}"
            raise UserError(f"{facts.project.entry.name} takes no {flag}: {options}")


def training_switches(facts: Facts) -> tuple[Option, ...]:
    """The switches without which the script does not train, and which are off unless given: ``if args.train:``."""
    if facts.loop is None or facts.optimizer is None:
        return ()
    path = facts.optimizer.step_event.path
    around = path[: next((at for at, entry in enumerate(path) if entry is facts.loop.loop), 0)]
    off = [entry for entry in around if isinstance(entry, Branch) and entry.taken and entry.default is False]
    tests = [getattr(entry.node, "test", None) for entry in off]
    asked = {test.attr for test in tests if isinstance(test, ast.Attribute)}
    return tuple(one for one in facts.arguments.options if one.destination in asked and one.default is False)


def option_behind(facts: Facts, argument: str, missing: Iterable[Option]) -> Option | None:
    """The missing option of the script that gives a constructor argument of the model its value: it is asked for once.

    Args:
        facts: of the program.
        argument: the constructor argument.
        missing: the options without which the script does not start.
    """
    passed = passed_values(facts.model.value, argument) if facts.model else []
    behind = {value.option.destination for value in passed if isinstance(value, Unknown) and value.option is not None}
    return next((one for one in missing if not one.positional and one.destination in behind), None)


def _belongs(word: str, before: str) -> bool:
    """True for an option, and for a word that may be the value of the one before it."""
    return word.startswith("-") or (before.startswith("-") and "=" not in before)
