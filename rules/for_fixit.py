"""The rules as fixit's own, of the same names: what plain ``fixit lint`` finds by ``enable = ["rules"]``.

Only fixit imports this module: ``inspect`` and ``apply`` ask the rules without the third of a second that it takes.
"""

from __future__ import annotations

import fixit

from rules import RULES
from rules.base import Documented, Invalid


def lint_rule(rule: type[Documented]) -> type[fixit.LintRule]:
    """A rule as one that fixit runs."""
    cases = [
        fixit.Invalid(case.code, expected_replacement=case.expected_replacement) if isinstance(case, Invalid) else case
        for case in rule.INVALID
    ]
    attributes = {"INVALID": cases, "__doc__": rule.__doc__, "__module__": rule.__module__}
    return type(rule.__name__, (rule, fixit.LintRule), attributes)


LINT_RULES = tuple(map(lint_rule, RULES))
globals().update({rule.__name__: rule for rule in LINT_RULES})  # fixit looks at what a module holds
