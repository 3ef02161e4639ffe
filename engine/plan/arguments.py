"""What the script has to be given on its command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.facts import ArgumentsFact, Facts
from engine.facts.configuration import Option
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
        flag = word.partition("=")[0].replace("--no-", "--")  # of a BooleanOptionalAction
        if word.startswith("--") and not any(name.startswith(flag) for name in taken):
            near = nearest(flag, known)
            options = f"did you mean {near}?" if near else f"its options are {', '.join(known)}"
            raise UserError(f"{facts.project.entry.name} takes no {word.partition('=')[0]}: {options}")


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
