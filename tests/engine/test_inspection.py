"""The document that `inspect` prints: its schema, its verdicts, its story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import libcst
import pytest

import rules
from codemods import PIPELINE
from engine.apply import build
from engine.facts import Choices, gather
from engine.inspection import as_json, as_text, inspect_program, refused_file
from engine.lint import lint
from engine.plan import Choices as Pinned
from engine.result import UserError
from engine.source import NotPython3, Project

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "inspect.schema.json").read_text())
SHAPES = Path(__file__).parent / "facts" / "shapes"
CHOICE = """import torch
from torch import nn
model = nn.Linear(2, 1)
for epoch in range(2):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
for epoch in range(20):
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    optimizer.step()
"""
UNDECIDED = """import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--net", required=True)
args = parser.parse_args()
if args.net == "small":
    model = nn.Linear(2, 1)
elif args.net == "large":
    model = nn.Linear(2, 100)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
"""

STARTS_WITH = """import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("experiment")
parser.add_argument("--run-name", required=True)
args = parser.parse_args()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
"""


def inspected(path: Path, **choices: Any) -> dict:
    """The document of a script, valid against the published schema."""
    facts = gather(Project(path), Choices(**choices))
    given = choices.get("arguments", ())
    document = json.loads(as_json(inspect_program(facts, {}, rules.blockers, rules.warnings, script_arguments=given)))
    jsonschema.validate(document, SCHEMA)
    return document


@pytest.fixture
def script(tmp_path: Path):
    """Writes a script and gives back its path."""

    def write(text: str) -> Path:
        path = tmp_path / "train.py"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", sorted(SHAPES.glob("*.py")), ids=lambda path: path.stem)
def test_every_shape_gives_a_valid_document(path: Path) -> None:
    document = inspected(path)
    assert document["entry"] == path.name
    assert as_text(document).startswith(f"{path.name}: ")


def test_facts_are_published() -> None:
    facts = inspected(SHAPES / "main_function.py")["facts"]
    assert facts["model"]["class"] == "Net"
    assert facts["optimizer"]["class"] == "torch.optim.AdamW"
    assert (facts["train_function"], facts["evaluate_function"]) == ("train", "evaluate")
    assert facts["metric"] == {"name": "accuracy", "direction": "max"}


def test_a_size_from_local_data_is_asked_for() -> None:
    document = inspected(SHAPES / "size_from_data.py")
    assert document["verdict"] == "needs_input"
    assert [need["option"] for need in document["needs"]] == ["--model-arg hidden=VALUE"]
    assert "local data" in document["needs"][0]["message"]


def test_one_of_two_loops_is_asked_for_and_obeyed(script) -> None:
    path = script(CHOICE)
    document = inspected(path)
    assert document["verdict"] == "needs_input"
    assert document["needs"][0]["choices"] == ["train.py:4", "train.py:8"]
    chosen = inspected(path, loop="train.py:8")["facts"]
    assert (chosen["epoch_loop"]["line"], chosen["optimizer"]["class"]) == (8, "torch.optim.Adam")


def test_a_loop_that_is_not_there(script) -> None:
    with pytest.raises(UserError, match=r"train\.py:4, train\.py:8"):
        gather(Project(script(CHOICE)), Choices(loop="train.py:5"))


def test_one_of_two_models_is_asked_for(script) -> None:
    document = inspected(script(UNDECIDED))
    assert document["verdict"] == "needs_input"
    assert document["needs"][0]["name"] == "model"
    assert document["needs"][0]["option"] == "--arg=--OPTION=VALUE"  # both are a Linear
    facts = gather(Project(script(UNDECIDED)), Choices(arguments=("--net=large",)))
    assert facts.model.arguments == {"0": 2, "1": 100} and facts.model.undecided == ()


def test_models_that_one_function_builds_are_chosen_by_their_classes(script) -> None:
    text = UNDECIDED.replace("nn.Linear(2, 1)", "build(A)").replace("nn.Linear(2, 100)", "build(B)")
    classes = "class A(nn.Linear): pass\nclass B(nn.Linear): pass\ndef build(cls):\n    return cls(2, 1)\n"
    text = text.replace("parser = ", f"{classes}parser = ", 1)
    needed = inspected(script(text))["needs"][0]
    assert (needed["option"], needed["choices"]) == ("--model A", ["A", "B"])
    assert gather(Project(script(text)), Choices(model="B")).model.name == "B"


@pytest.mark.parametrize("given", [(), ("first",), ("--run-name=a",), ("first", "--run-name=a")])
def test_what_apply_will_ask_for_to_start_the_script_is_told(script, tmp_path: Path, given) -> None:
    path = script(STARTS_WITH)
    document = inspected(path, arguments=given)
    asked = build(
        gather(Project(path)), PIPELINE, rules.blockers, tmp_path, Pinned(), {"script_arguments": list(given)}
    ).needs  # fmt: skip
    told = [warning["message"] for warning in document["warnings"] if warning["rule"] == "FLR165"]
    assert told == [need.message for need in asked]
    assert len(told) == 2 - len(given)


def test_a_size_that_an_option_gives_is_asked_for_once(script, tmp_path: Path) -> None:
    path = script(STARTS_WITH.replace("nn.Linear(2, 1)", "nn.Linear(2, int(args.run_name))"))
    document = inspected(path, arguments=("first",))
    assert [need["option"] for need in document["needs"]] == ["--arg=--run-name=VALUE"]
    given = ("first", "--run-name=3")
    facts = gather(Project(path), Choices(arguments=given))
    outcome = build(facts, PIPELINE, rules.blockers, tmp_path, Pinned(), {"script_arguments": list(given)})
    assert outcome.needs == ()
    assert facts.model.arguments == {"0": 2, "1": 3}


LOADS = """\
import argparse
import torch
from weights import start
parser = argparse.ArgumentParser()
parser.add_argument("-s", "--seed", type=int, default=3)
parser.add_argument("--start", default="own.pt")
args = parser.parse_args()
torch.manual_seed({seed})
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
state = torch.load(args.start)  # {silent}
"""


def test_what_lint_finds_in_the_files_of_a_program_is_told_but_for_what_a_comment_silences(script, tmp_path) -> None:
    module = tmp_path / "weights.py"
    module.write_text("import torch\n\ndef start(path):\n    return torch.load(path)\n")
    (tmp_path / "stranger.py").write_text("import torch\ntorch.load('a')\n")
    path = script(LOADS.format(seed=3, silent="ours"))
    told = [(each["rule"], each["file"], each["line"]) for each in inspected(path)["warnings"]]
    assert told == [("FLR202", "train.py", 14), ("FLR202", "weights.py", 4), ("FLR301", "train.py", 8)]
    found = lint([path, module], lambda: rules.RULES).results
    assert sorted(told) == sorted((each.code, Path(each.place.file).name, each.place.line) for each in found)
    path = script(LOADS.format(seed="3)  # noqa: FLR301\nprint(1", silent="noqa: FLR202"))
    assert [each["file"] for each in inspected(path)["warnings"]] == ["weights.py"]


def test_a_file_that_libcst_cannot_parse_is_still_inspected(script, tmp_path, monkeypatch) -> None:
    def parse(text: str) -> None:
        raise libcst.ParserSyntaxError("", lines=[""], raw_line=1, raw_column=0)

    monkeypatch.setattr("engine.concrete.cst.parse_module", parse)
    (tmp_path / "weights.py").write_text("start = None\n")
    document = inspected(script(LOADS.format(seed=3, silent="ours")))
    assert [each["rule"] for each in document["warnings"]] == ["FLR301"]


@pytest.mark.parametrize(("seed", "told"), [("3", "Make the seed an argument"), ("args.seed + 1", "another --seed")])
def test_a_seed_that_is_an_option_is_not_asked_to_be_one(script, tmp_path, seed: str, told: str) -> None:
    (tmp_path / "weights.py").write_text("start = None\n")
    (found,) = inspected(script(LOADS.format(seed=seed, silent="noqa")))["warnings"]
    assert found["rule"] == "FLR301" and told in found["remedy"]


def test_a_model_that_is_not_there(script) -> None:
    with pytest.raises(UserError, match="no model Other is trained"):
        gather(Project(script(UNDECIDED)), Choices(model="Other"))


def test_a_refusal_names_rule_place_and_remedy(script) -> None:
    document = inspected(script("import torch\nprint(torch.ones(1))\n"))
    assert document["verdict"] == "refuse"
    assert document["blockers"][0]["rule"] == "FLR103"
    assert document["blockers"][0]["remedy"]
    assert "Blockers:" in as_text(document)


def test_what_is_not_python_is_refused(script) -> None:
    path = script("print 'epoch', 1\n")
    with pytest.raises(NotPython3) as error:
        Project(path)
    document = refused_file(path.name, rules.not_python3.NotPython3.refusal(error.value))
    jsonschema.validate(document, SCHEMA)
    assert (document["verdict"], document["facts"]) == ("refuse", None)


def test_the_story_tells_the_program() -> None:
    story = as_text(inspected(SHAPES / "evaluation_print.py"))
    for part in ("Net()", "torch.optim.SGD", "evaluation_print.py:", "test(): accuracy, higher is better"):
        assert part in story
