"""Which rules run on a file: what the command line says, and what the configuration of the file does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.configuration import Configuration, Settings
from engine.findings import Rule
from engine.result import UserError
from engine.spelling import meant

Rules = Sequence[Rule]


class Selection:
    """The rules of each file.

    ``select`` of the command line takes the place of what the configuration selects and ignores; its ``ignore`` comes
    on top. What the configuration ignores in single files it ignores in any case.
    """

    def __init__(self, rules: Rules, configuration: Configuration, select: Sequence[str], ignore: Sequence[str]):
        check(rules, (*select, *ignore))
        self.rules, self.select, self.ignore = rules, select, ignore
        self.configuration = configuration
        self._known: dict[Path | None, Rules] = {}

    def started_by(self, path: Path) -> Rules:
        """The rules to run on the program that a file starts, whichever of its files they find something in.

        Raises:
            UserError: the configuration names a rule that there is not.
        """
        settings = self.configuration.of(path)
        if settings.file not in self._known:
            self._known[settings.file] = self._chosen(settings)
        return self._known[settings.file]

    def of(self, path: Path) -> Rules:
        """The rules that may find something in a file; none where it is excluded."""
        settings = self.configuration.of(path)
        return [] if self.configuration.excludes(path) else chosen(self.started_by(path), (), settings.ignored_in(path))

    def _chosen(self, settings: Settings) -> Rules:
        named = (
            *settings.select,
            *settings.ignore,
            *(rule for each in settings.per_file_ignores.values() for rule in each),
        )
        try:
            check(self.rules, named)
        except UserError as error:
            raise UserError(f"{settings.name}: {error}") from None
        if self.select:
            return chosen(self.rules, self.select, self.ignore)
        return chosen(self.rules, settings.select, (*settings.ignore, *self.ignore))


def chosen(rules: Rules, select: Sequence[str], ignore: Sequence[str]) -> Rules:
    """The rules that are selected (all, where nothing is said) and not ignored."""
    return [rule for rule in rules if (not select or fits(rule, select)) and not fits(rule, ignore)]


def fits(rule: Rule, selectors: Sequence[str]) -> bool:
    """True for a rule that is named, by its code, the beginning of its code, or its name."""
    return any(rule.__name__ == each or getattr(rule, "CODE", "").startswith(each.upper()) for each in selectors)


def check(rules: Rules, selectors: Sequence[str]) -> None:
    """Raises UserError for a selector that fits no rule."""
    for selector in selectors:
        if not any(fits(rule, [selector]) for rule in rules):
            raise UserError(f"no rule is called {selector}; {meant(selector, (rule.__name__ for rule in rules))}")
