"""Every rule against its own cases, through fixit's testing."""

from __future__ import annotations

from fixit.testing import add_lint_rule_tests_to_module

from rules.for_fixit import LINT_RULES

add_lint_rule_tests_to_module(globals(), [rule() for rule in LINT_RULES])
