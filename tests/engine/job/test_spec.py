"""What a job is, whether a plan or a file says so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codemods import PIPELINE
from engine.apply import build
from engine.facts import gather
from engine.job import job_spec, job_spec_from, planned_job_spec, read_conversion, render, update_job
from engine.plan import Choices
from engine.result import UserError
from engine.source import Project
from tests.conftest import FIXTURES

SCRIPT = """\
import argparse
import torch


class {name}(torch.nn.Module):
    def __init__(self, clip=1.0):
        super().__init__()
        self.fc = torch.nn.Linear(2, 1)


parser = argparse.ArgumentParser()
parser.add_argument("{flag}", dest="epochs", type=int, default=3)
args = parser.parse_args()
model = {name}({clip})
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(args.epochs):
    optimizer.zero_grad()
    model.fc(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


def convert(folder: Path, name: str = "Net", flag: str = "--epochs", clip: str = "") -> dict[str, Any]:
    """What the conversion of a script says of its job."""
    script = (folder / "train.py").resolve()
    script.write_text(SCRIPT.format(name=name, flag=flag, clip=clip), encoding="utf-8")
    outcome = build(gather(Project(script)), PIPELINE, lambda _: (), folder / "federated", Choices(), {})
    return {**outcome.record, "files": dict.fromkeys(outcome.files, "")}


@pytest.mark.parametrize("fixture", ["digits", "breast_cancer", "diabetes", "numpy_breast_cancer"])
def test_what_a_plan_says_of_a_job_is_what_validation_makes_of_it(fixture: str) -> None:
    record = read_conversion(FIXTURES / fixture / "expected")
    assert planned_job_spec({**record, "job": {}}) == job_spec({**record, "job": {}})


@pytest.mark.parametrize("name", ["Ünet", "Netü"])
def test_a_class_may_have_any_name_of_python(tmp_path: Path, name: str) -> None:
    record = convert(tmp_path, name=name)
    assert planned_job_spec(record) == job_spec(record)
    assert f'"class_path": "model.{name}"' in render(planned_job_spec(record))


@pytest.mark.parametrize("flag", ["--2-epochs", "--epochs+", "--épochs"])
def test_an_option_that_the_job_cannot_set_is_named(tmp_path: Path, flag: str) -> None:
    with pytest.raises(
        UserError, match=f"cannot set the option {re.escape(flag)} of the script: let its name begin with"
    ):
        convert(tmp_path, flag=flag)


def test_a_model_argument_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="model.args of the job: model arguments must be finite JSON values"):
        convert(tmp_path, clip="float('inf')")


def test_a_tuple_is_the_list_that_flare_makes_of_it_from_the_start(tmp_path: Path) -> None:
    """So that a job rendered anew from its record is the same, and edits of it can be told."""
    record = convert(tmp_path, clip="(1, (2, 3))")
    assert planned_job_spec(record).model.args == {"clip": [1, [2, 3]]}
    assert render(planned_job_spec(record)) == render(job_spec(json.loads(json.dumps(record))))


def test_a_mapping_with_keys_that_json_does_not_have_stays_python(tmp_path: Path) -> None:
    assert convert(tmp_path, clip="{1: 2}")["model"] == {"class_path": "model.build_model", "args": {}}


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("arguments", {"epochs": {"option": "--epochs", "default": []}}, "arguments.epochs.default.str of the job: "),
        ("arguments", {"epochs": {"option": "epochs"}}, "cannot set the option epochs"),
        ("arguments", 3, "arguments of the job: Input should be"),
        ("model", {"class_path": "Net"}, "model.class_path of the job: String should match pattern"),
        ("model", {"args": {}}, "model.class_path of the job: Field required"),
        ("job", {"num_rounds": "many"}, "num_rounds of the job: Input should be a valid integer"),
        ("job", {"fedprox_mu": float("inf")}, "fedprox_mu of the job: Input should be a finite number"),
        ("job", {"nonsense": 1}, "nonsense of the job: Extra inputs are not permitted"),
        ("job", {"optimizer_args": {"path": "Adam"}}, "optimizer_args.path of the job: 'Adam' is not written like"),
    ],
)
def test_a_record_that_was_changed_is_validated(tmp_path: Path, part: str, content: object, message: str) -> None:
    record = convert(tmp_path)
    (tmp_path / "conversion.json").write_text(json.dumps({**record, part: content}))
    for read in (job_spec_from, update_job):
        with pytest.raises(UserError, match=message):
            read(tmp_path)


def test_what_a_person_chose_is_validated_when_a_script_is_converted(tmp_path: Path) -> None:
    record = convert(tmp_path)
    with pytest.raises(UserError, match="num_rounds of the job: Input should be greater than or equal to 1"):
        planned_job_spec({**record, "job": {"num_rounds": 0}})
