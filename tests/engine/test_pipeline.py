"""Running steps over a project, and what is checked of what came out."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemods import PIPELINE
from engine.edit import Edit, Insert, ReplaceStatement
from engine.pipeline import Conversion, Step, check, comments, convert, select
from engine.plan import Plan
from engine.result import Status, UserError
from tests.codemods.tools import plan_of, written

SCRIPT = """\
import torch

model = torch.nn.Linear(2, 1)  # the model
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(written(tmp_path, SCRIPT, {}))


def step(*edits: Edit, files: dict[str, str] | None = None) -> Step:
    return Step("a_step", "does something", "somebody wants it", lambda plan: edits, lambda plan: files or {})


def test_files_of_a_step_are_added_and_the_client_comes_first(plan: Plan) -> None:
    made = convert(plan, [step(files={"a.py": "x = 1\n", "zip.py": "y = 2\n"})])
    assert isinstance(made, Conversion)
    assert list(made.files) == ["client.py", "a.py", "zip.py"]
    assert made.files["client.py"] == SCRIPT.encode()


def test_a_step_tells_whether_it_changed_something_and_where(plan: Plan) -> None:
    made = convert(plan, [step(), step(Insert(plan.frame.place, "x = 1\n"))])
    assert [result.status for result in made.results] == [Status.UNCHANGED, Status.CHANGED]
    assert made.results[1].place == plan.frame.place


def test_a_conversion_that_is_no_python_is_an_error(plan: Plan) -> None:
    with pytest.raises(UserError, match=r"train\.py:1: the conversion would not be valid Python"):
        convert(plan, [step(Insert(plan.frame.place, "break\n"))])


def test_a_conversion_that_loses_a_comment_is_an_error(plan: Plan) -> None:
    model = plan.facts.project.entry.tree.body[1]
    place = plan.facts.project.entry.place(model)
    with pytest.raises(UserError, match="the conversion would lose the comment '# the model'"):
        convert(plan, [step(ReplaceStatement(place, ""))])
    convert(plan, [step(ReplaceStatement(place, ""), files={"model.py": "x = 1  # the model\n"})])


def test_a_module_of_the_project_is_not_overwritten(tmp_path: Path) -> None:
    plan = plan_of(written(tmp_path, f"import helper\n{SCRIPT}", {"helper.py": "x = 1\n"}))
    with pytest.raises(UserError, match=r"helper\.py:1: the job needs a file of its own named helper\.py"):
        convert(plan, [step(files={"helper.py": "y = 1\n"})])


def test_comments_are_counted_each() -> None:
    before, once = b"a = 1  # x\nb = 2  # x\n", b"a = 1  # x\n"
    check("train.py", before, before)
    check("train.py", before, once, [once])
    with pytest.raises(UserError, match="lose the comment '# x'"):
        check("train.py", before, once)


def test_what_looks_like_a_comment_in_a_string_is_none() -> None:
    assert comments(b'a = "# x"  # y\n"""\n# z\n"""\n') == ["# y"]


def test_select_keeps_the_order_and_adds_what_is_needed() -> None:
    names = [step.name for step in PIPELINE]
    assert [step.name for step in select(PIPELINE)] == names
    assert [step.name for step in select(PIPELINE, only=["send_params", "extract_model"])] == [
        "extract_model", "wrap_in_is_running", "send_params",
    ]  # fmt: skip
    assert [step.name for step in select(PIPELINE, skip=["count_steps"])] == [n for n in names if n != "count_steps"]


@pytest.mark.parametrize(("only", "skip"), [(["nonsense"], []), ([], ["nonsense"])])
def test_select_refuses_what_cannot_be(only: list[str], skip: list[str]) -> None:
    with pytest.raises(UserError):
        select(PIPELINE, only, skip)


def test_every_step_says_what_it_does_and_why_in_one_sentence() -> None:
    for each in PIPELINE:
        assert each.summary[0].islower() and not each.summary.endswith(".")
        assert len(each.why.split()) > 5
