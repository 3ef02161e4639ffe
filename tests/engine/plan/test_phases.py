"""Loops over phases: what is left of them where the phase is known."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from engine.plan.phases import Fold, phase_of


def folded(code: str) -> str:
    """Statements with the tests of ``phase`` decided for "val"."""
    kept = [part for statement in ast.parse(dedent(code)).body for part in Fold("phase", "val").statements(statement)]
    return ast.unparse(ast.Module(kept, []))


@pytest.mark.parametrize(
    ("loop", "phase"),
    [
        ("for phase in ['train', 'val']: pass", ("phase", "val")),
        ("for mode in ('train', 'Test', 'extra'): pass", ("mode", "Test")),
        ("for phase in ['train']: pass", None),
        ("for phase in ['val']: pass", None),
        ("for phase in phases: pass", None),
        ("for phase, loader in ['train', 'val']: pass", None),
    ],
)
def test_the_phase_that_evaluates(loop: str, phase: tuple[str, str] | None) -> None:
    assert phase_of(ast.parse(loop).body[0]) == phase


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("if phase == 'train':\n    train()\nelse:\n    evaluate()", "evaluate()"),
        ("if phase != 'train':\n    evaluate()", "evaluate()"),
        ("if phase == 'train' and ready:\n    train()", ""),
        ("if phase == 'val' and ready:\n    evaluate()", "if ready:\n    evaluate()"),
        ("optimizer.zero_grad()\nevaluate()", "evaluate()"),
        ("with amp:\n    if phase == 'train':\n        train()", "with amp:\n    pass"),
        ("for x in part:\n    optimizer.zero_grad()", "for x in part:\n    pass"),
        ("if ready:\n    optimizer.zero_grad()", "if ready:\n    pass"),
        ("with torch.set_grad_enabled(phase == 'train'):\n    run()", "with torch.set_grad_enabled(False):\n    run()"),
        ("if other == 'train':\n    run()", "if other == 'train':\n    run()"),
    ],
)  # fmt: skip
def test_what_is_left_where_the_phase_is_known(code: str, left: str) -> None:
    assert folded(code) == left
