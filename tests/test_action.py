"""The GitHub Action: it is one by GitHub's schema, and its steps do in a shell what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}
LOAD = "import torch\nstate = torch.load(path)\n"
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]  # what GitHub runs a step of shell bash with


def schema(name: str) -> dict:
    """A schema of GitHub's files."""
    return json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json").read_text())


class Workflow:
    """A machine on which the steps of the action run, with the variables that GitHub sets."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.temporary, programs = (folder / name for name in ("work", "temporary", "programs"))
        for each in (self.workspace, self.temporary, programs):
            each.mkdir()
        (programs / "flare-codemods").write_text(f'#!/bin/sh\nexec {sys.executable} -m codemods "$@"\n')
        (programs / "python").write_text(f'#!/bin/sh\necho "$@" >> {self.temporary}/python.txt\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        self.output = self.temporary / "output"
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GITHUB_ACTION_PATH": "/actions/flare-codemods",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
        }

    def run(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step."""
        step = STEPS[name]
        script = self.temporary / "step.sh"
        script.write_text(step["run"])
        variables = {key: self.filled(value, inputs) for key, value in step.get("env", {}).items()}
        return subprocess.run(
            [*SHELL, str(script)], cwd=self.workspace, env={**self.environment, **variables},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def outputs(self) -> dict[str, str]:
        """What the steps have set."""
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def filled(self, text: str, inputs: dict[str, str]) -> str:
        """A value with its expressions replaced."""
        usual = {name: each.get("default", "") for name, each in ACTION["inputs"].items()}
        values = {f"inputs.{name}": value for name, value in {**usual, **inputs}.items()}
        values |= {f"steps.lint.outputs.{name}": value for name, value in self.outputs().items()}
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: values.get(found[1], ""), text)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """A machine with an empty workspace."""
    return Workflow(tmp_path)


def test_it_is_an_action() -> None:
    jsonschema.validate(ACTION, schema("github-actions"))


def test_no_expression_is_part_of_a_script() -> None:
    assert [name for name, step in STEPS.items() if "${{" in step.get("run", "")] == []


def test_it_installs_itself(workflow: Workflow) -> None:
    assert workflow.run("Install").returncode == 0
    assert (workflow.temporary / "python.txt").read_text() == "-m pip install --quiet /actions/flare-codemods\n"


def test_findings_are_annotated_and_written_as_sarif_and_fail(workflow: Workflow) -> None:
    (workflow.workspace / "load.py").write_text(LOAD)
    done = workflow.run("Lint")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning file=load.py,line=2,")
    (run,) = json.loads(Path(workflow.outputs()["sarif"]).read_text())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["FLR202"]
    assert workflow.outputs()["code"] == "1"
    assert workflow.run("Tell").returncode == 1


def test_nothing_found_is_a_success(workflow: Workflow) -> None:
    (workflow.workspace / "load.py").write_text("import torch\n")
    assert workflow.run("Lint").stdout == ""
    assert workflow.outputs()["code"] == "0"
    assert json.loads(Path(workflow.outputs()["sarif"]).read_text())["runs"][0]["results"] == []
    assert workflow.run("Tell").returncode == 0


def test_paths_stand_on_lines_of_their_own_and_options_between_spaces(workflow: Workflow) -> None:
    for name in ("one file.py", "two.py", "three.py", "-four.py"):
        (workflow.workspace / name).write_text(f"{LOAD}torch.manual_seed(1)\n")
    done = workflow.run(
        "Lint", paths="  one file.py \n\n  \ntwo.py\r\n-four.py\n", options="--ignore FLR301 --ignore FLR303"
    )
    assert re.findall(r"file=([^,]+)", done.stdout) == ["-four.py", "one file.py", "two.py"]


def test_an_error_is_no_success(workflow: Workflow) -> None:
    done = workflow.run("Lint", paths="nothing.py")
    assert "nothing.py does not exist" in done.stderr
    assert workflow.outputs() == {"code": "2"}
    assert workflow.run("Tell").returncode == 2


def test_inputs_are_data(workflow: Workflow) -> None:
    workflow.run("Lint", paths="$(touch ran)\n`touch ran`", options="; touch ran")
    assert list(workflow.workspace.iterdir()) == []


def test_converted_folders_have_to_be_up_to_date(workflow: Workflow) -> None:
    (workflow.workspace / "train.py").write_text(TRAINING)
    command = ["flare-codemods", "apply", "train.py"]
    subprocess.run(command, cwd=workflow.workspace, env=workflow.environment, check=True, capture_output=True)
    assert workflow.run("Check converted folders").returncode == 0
    (workflow.workspace / "train.py").write_text(TRAINING.replace("lr=0.1", "lr=0.25"))
    done = workflow.run("Check converted folders")
    assert done.returncode == 1
    assert "federated is out of date with train.py" in done.stdout
