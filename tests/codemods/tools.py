"""Checks of one step on source texts, as before and after; and of what holds for every conversion.

    check_converted(step, before, after)    the step alone makes of the one script the other
    check_diff(step, difference)            the same, both texts in one: as a diff shows them
    check_unchanged(step, before)           the step alone leaves the script as it is

All also run the whole pipeline over the script and check what any conversion promises: see `check_promises`.
"""

from __future__ import annotations

import ast
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from codemods import PIPELINE
from engine import atomic, job, output
from engine.apply import Outcome, build
from engine.facts import gather
from engine.pipeline import Step, comments, convert, select
from engine.plan import Choices, Plan, make_plan
from engine.result import Result
from engine.source import Project
from rules import blockers

FEDERATED_ALREADY = "FLR104"
TRAINING = """\
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""


def check_converted(
    step: Step,
    before: str,
    after: str,
    *,
    below: str = "",
    files: Mapping[str, str] | None = None,
    also: Mapping[str, str] | None = None,
    model_args: Mapping[str, object] | None = None,
    recipe: str = "",
) -> None:
    """The step, run alone, turns a script into another; the whole pipeline keeps its promises on it.

    Args:
        step: the step.
        before: the script.
        after: what its ``client.py`` becomes.
        below: what stands below both, and stays as it is.
        files: other files of the project, by name.
        also: other files of the conversion that are checked, by name; changed ones and added ones.
        model_args: constructor arguments of the model that the user pins.
        recipe: the algorithm; FedAvg by default.
    """
    before, after = unindented(before) + below, unindented(after) + below
    also = {name: unindented(text) for name, text in (also or {}).items()}
    for text in (after, *also.values()):
        ast.parse(text)
    with tempfile.TemporaryDirectory() as folder:
        entry = written(Path(folder), before, files or {})
        choices = Choices(dict(model_args or {}), recipe)
        made = run_alone(step, entry, choices)
        assert made["client.py"] == after
        assert {name: made.get(name) for name in also} == also
        check_promises(entry, choices)


def check_diff(step: Step, difference: str, **more: Any) -> None:
    """As `check_converted`, where most lines stay what they are.

    Args:
        step: the step.
        difference: the lines of both texts, those of the script alone behind a ``-``, those of what its ``client.py``
            becomes alone behind a ``+``.
        more: as for `check_converted`.
    """
    lines = [(line[0], line[2:] or "\n") for line in unindented(difference).splitlines(keepends=True)]
    before = "".join(line for mark, line in lines if mark != "+")
    after = "".join(line for mark, line in lines if mark != "-")
    check_converted(step, before, after, **more)


def check_unchanged(step: Step, before: str, *, below: str = "", files: Mapping[str, str] | None = None) -> None:
    """The step, run alone, leaves a script and the files beside it as they are, and adds none."""
    before = unindented(before) + below
    with tempfile.TemporaryDirectory() as folder:
        entry = written(Path(folder), before, files or {})
        made = run_alone(step, entry, Choices())
        assert made.pop("client.py") == before
        assert made == {name: unindented(text) for name, text in (files or {}).items() if name.endswith(".py")}
        check_promises(entry, Choices())


def written(folder: Path, script: str, files: Mapping[str, str]) -> Path:
    """A project on disk; the path of its training script."""
    for name, text in {"train.py": script, **{name: unindented(text) for name, text in files.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return (folder / "train.py").resolve()


def unindented(text: str) -> str:
    """The text of a case, without the margin it has in the test; its newlines stay."""
    if "\r\n" in text:
        return dedent(text.replace("\r\n", "\n")).replace("\n", "\r\n")
    return dedent(text)


def plan_of(entry: Path, choices: Choices | None = None) -> Plan:
    """The plan of a program that converts."""
    facts = gather(Project(entry))
    assert [result.message for result in blockers(facts)] == []
    plan = make_plan(facts, choices or Choices())
    assert isinstance(plan, Plan), [result.message for result in plan]
    return plan


def planned(folder: Path, script: str, recipe: str) -> Plan | list[Result]:
    """The plan of a script for a recipe, or the refusals."""
    return make_plan(gather(Project(written(folder, script, {}))), Choices(recipe=recipe))


def run_alone(step: Step, entry: Path, choices: Choices) -> dict[str, str]:
    """What one step makes of a project, with the steps it needs, by file of the converted folder."""
    files = convert(plan_of(entry, choices), select(PIPELINE, only=[step.name])).files
    return {name: content.decode() for name, content in files.items()}


def check_promises(entry: Path, choices: Choices | None = None) -> dict[str, bytes]:
    """What holds for every conversion: all files compile, all comments of the source are kept, the source is as it was,
    a second run changes nothing, the job is the same when it is read back, and what came out is not converted again.

    Returns:
        the files of the conversion.
    """
    choices = choices or Choices()
    before = {path: path.read_bytes() for path in entry.parent.rglob("*.py")}
    folder = entry.parent / "federated"
    files = whole_pipeline(entry, folder, choices).files
    assert files is not None
    for name, content in files.items():
        if name.endswith(".py"):
            compile(content, name, "exec", dont_inherit=True)
    check_comments(entry, files)
    atomic.write(folder, files)
    again = whole_pipeline(entry, folder, choices).files
    assert again is not None
    assert output.compare(folder, again) == output.Comparison({}, (), (), ())
    assert {path: path.read_bytes() for path in before} == before
    assert job.render(job.job_spec_from(folder)).encode() == files["job.py"]
    refused = whole_pipeline(folder / "client.py", folder / "federated", choices)
    assert FEDERATED_ALREADY in [result.code for result in refused.refusals]
    return dict(files)


def check_comments(entry: Path, files: Mapping[str, bytes]) -> None:
    """Every comment of the project's files stands in what came of them, as often as it did."""
    wanted = Counter(c for file in Project(entry).modules for c in comments(file.raw))
    kept = Counter(c for name, content in files.items() if name.endswith(".py") for c in comments(content))
    assert not wanted - kept


def whole_pipeline(entry: Path, folder: Path, choices: Choices) -> Outcome:
    """What all steps make of a project, not written."""
    return build(gather(Project(entry.resolve())), PIPELINE, blockers, folder, choices, {})
