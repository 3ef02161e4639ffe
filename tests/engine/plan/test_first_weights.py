"""The weights that a job starts from are those that the script starts from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest
import torch
from click.testing import CliRunner

from codemods.__main__ import main
from engine.plan import Plan
from engine.verify.launch import Settings
from engine.verify.run import verify
from tests.codemods.tools import plan_of, written

SCRIPT = """\
import os
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


{functions}


def main():
    x = torch.linspace(-1, 1, 160).reshape(40, 4)
    loader = DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8, shuffle=True)
    model = {construction}
{statements}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()


main()
"""
WHOLE = "model.load_state_dict(torch.load('first.pt'))"
PART = """\
state = model.state_dict()
state.update({name: value for name, value in torch.load('backbone.pt').items() if name in state})
model.load_state_dict(state)
"""


def script(statements: str = "", functions: str = "", construction: str = "Net()") -> str:
    statements = indent(dedent(statements), "    ")
    return SCRIPT.format(statements=statements, functions=dedent(functions), construction=construction)


def planned(folder: Path, text: str) -> Plan:
    return plan_of(written(folder, text, {}))


def built(plan: Plan) -> str:
    """The function that builds the model on the server."""
    return plan.model.text.partition("def build_model")[2]


INITIALISES = """
    def init_weights(net):
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
"""


@pytest.mark.parametrize(
    ("statements", "functions"),
    [
        ("init_weights(model)", INITIALISES),
        ("model.apply(init)", "def init(m):\n    if isinstance(m, nn.Linear):\n        nn.init.zeros_(m.weight)"),
        ("nn.init.zeros_(model.head.weight)", ""),
        ("model.head.bias.data.fill_(0.5)", ""),
        ("for parameter in model.parameters():\n    nn.init.normal_(parameter, std=0.02)", ""),
        ("with torch.no_grad():\n    model.head.weight.mul_(0.1)", ""),
        ("nn.utils.parametrizations.weight_norm(model.head)", ""),
        ("for layer in [model.body, model.head]:\n    nn.utils.prune.l1_unstructured(layer, 'weight', 0.3)", ""),
    ],
)
def test_the_server_initialises_the_model_as_the_script_does(tmp_path: Path, statements: str, functions: str) -> None:
    plan = planned(tmp_path, script(statements, functions))
    assert plan.model.class_path == "model.build_model"
    assert indent(statements, "    ") in built(plan)
    assert plan.first_weights.decisions == ()


def test_a_function_that_builds_and_initialises_is_what_the_server_calls(tmp_path: Path) -> None:
    functions = "def make_net():\n    net = Net()\n    nn.init.zeros_(net.head.weight)\n    return net\n"
    plan = planned(tmp_path, script(functions=functions, construction="make_net()"))
    assert plan.model.class_path == "model.make_net"
    assert plan.first_weights.decisions == ()
    resuming = planned(tmp_path, script(f"if os.path.exists('first.pt'):\n    {WHOLE}", functions, "make_net()"))
    assert resuming.model.class_path == "model.make_net"
    (decision,) = resuming.first_weights.decisions
    assert "also where" in decision.decision  # of the checkpoint, not of what make_net draws


@pytest.mark.parametrize(
    "statements",
    [
        "",
        "for parameter in model.body.parameters():\n    parameter.requires_grad = False",
        "x.mul_(2.0)",
        "other = Net()\nnn.init.zeros_(other.head.weight)",
        "model.train()",
    ],
)
def test_what_leaves_the_weights_alone_changes_nothing(tmp_path: Path, statements: str) -> None:
    plan = planned(tmp_path, script(statements))
    assert plan.model.class_path == "model.Net"
    assert plan.first_weights.decisions == ()


def test_initialisation_that_cannot_be_repeated_is_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, script("mean = float(x.mean())\nmodel.head.bias.data.fill_(mean)"))
    (decision,) = plan.first_weights.decisions
    assert "without those that train.py:25 sets" in decision.decision
    assert "--initial-ckpt" in decision.otherwise


@pytest.mark.parametrize(
    ("statements", "line"),
    [
        (f"if os.path.exists('first.pt'):\n    {WHOLE}", 25),
        (f"try:\n    {WHOLE}\nexcept FileNotFoundError:\n    print('new weights')", 25),
        (f"try:\n    {WHOLE}\nexcept (KeyError, OSError):\n    pass", 25),
        (f"def load():\n    {WHOLE}\ntry:\n    load()\nexcept Exception as error:\n    print(error)", 27),
    ],
)
def test_a_checkpoint_that_may_be_there_is_told(statements: str, line: int, tmp_path: Path) -> None:
    plan = planned(tmp_path, script(statements))
    (decision,) = plan.first_weights.decisions
    assert decision.decision == f"the job starts from new weights, also where train.py:{line} would load some"


@pytest.mark.parametrize("handler", ["except KeyError:\n    pass", "except OSError:\n    raise SystemExit(1)"])
def test_a_checkpoint_that_has_to_be_there_is_started_from(handler: str, tmp_path: Path) -> None:
    assert planned(tmp_path, script(f"try:\n    {WHOLE}\n{handler}")).first_weights.checkpoint == "first.pt"


@pytest.mark.parametrize("call", ["main()", "with torch.enable_grad():\n        main()"])
def test_a_handler_around_the_training_says_nothing_of_a_checkpoint(call: str, tmp_path: Path) -> None:
    text = script(WHOLE).replace(
        "\n\nmain()\n", f"\n\ntry:\n    {call}\nexcept Exception as error:\n    print(error)\n"
    )
    assert planned(tmp_path, text).first_weights.checkpoint == "first.pt"


@pytest.mark.parametrize(
    "body",
    [
        "try:\n        state = torch.load('last.pt')\n    except FileNotFoundError:\n        return\n",
        "if not os.path.exists('last.pt'):\n        return\n    state = torch.load('last.pt')\n",
    ],
)
def test_a_function_that_may_return_before_it_loads_is_told(tmp_path: Path, body: str) -> None:
    plan = planned(tmp_path, script("resume(model)", f"def resume(net):\n    {body}    net.load_state_dict(state)\n"))
    assert plan.first_weights.needed is None
    assert ["also where" in one.decision for one in plan.first_weights.decisions] == [True]


def test_a_branch_that_is_not_taken_says_nothing(tmp_path: Path) -> None:
    plan = planned(tmp_path, script(f"resume = False\nif resume:\n    {WHOLE}"))
    assert plan.first_weights.decisions == ()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the state of a model, and a part of one."""
    torch.manual_seed(5)
    body, head = torch.nn.Linear(4, 8).state_dict(), torch.nn.Linear(8, 2).state_dict()
    state = {f"body.{name}": value for name, value in body.items()}
    torch.save(state, tmp_path / "backbone.pt")
    torch.save(state | {f"head.{name}": value for name, value in head.items()}, tmp_path / "first.pt")
    return tmp_path


def applied(project: Path, text: str, *options: str) -> tuple[int, str]:
    (project / "train.py").write_text(text)
    result = CliRunner().invoke(main, ["apply", str(project / "train.py"), *options])
    return result.exit_code, result.output


def test_a_job_starts_from_the_state_that_the_script_loads(project: Path) -> None:
    code, told = applied(project, script(WHOLE))
    assert code == 0, told
    assert "the job starts from first.pt, which train.py:24 loads" in told
    job = project / "federated" / "job.py"
    assert 'initial_ckpt=os.path.abspath("../first.pt")' in job.read_text()
    report = verify(project / "federated", Settings(sites=()))
    assert report.exit_code == 0, report.failures
    record = project / "federated" / "conversion.json"
    document = json.loads(record.read_text())
    del document["initial_ckpt"]
    record.write_text(json.dumps(document))
    report = verify(project / "federated", Settings(sites=()))
    assert ["starts from weights that it loads" in check.detail for check in report.failures] == [True]


@pytest.mark.parametrize(
    "statements",
    [
        PART,
        "model.load_state_dict(torch.load('first.pt'), strict=False)",
        "model.body.load_state_dict(torch.load('body.pt'))",  # a part of the model
        "model = nn.DataParallel(model)\nmodel.load_state_dict(torch.load('first.pt'))",  # keys begin with module.
        f"{WHOLE}\nmodel.head = nn.Linear(8, 2)",  # the file has another head
    ],
)
def test_weights_that_only_the_script_can_put_together_are_asked_for(project: Path, statements: str) -> None:
    code, told = applied(project, script(statements))
    assert code == 3
    assert "FLR162 FirstWeightsNeeded" in told
    assert "--initial-ckpt initial.pt" in told
    assert not (project / "federated").exists()
    inspected = CliRunner().invoke(main, ["inspect", str(project / "train.py"), "--format", "json"])
    document = json.loads(inspected.output)
    assert document["verdict"] == "needs_input"
    assert [need["option"] for need in document["needs"]] == ["--initial-ckpt FILE"]


def test_weights_that_are_given_are_started_from(project: Path) -> None:
    text = script(PART)
    saving = text.replace("    optimizer =", "    torch.save(model.state_dict(), 'initial.pt')\n    optimizer =")
    subprocess.run([sys.executable, "-c", saving], cwd=project, check=True, timeout=120)
    code, told = applied(project, text, "--initial-ckpt", str(project / "initial.pt"))
    assert code == 0, told
    job = project / "federated" / "job.py"
    assert 'initial_ckpt=os.path.abspath("../initial.pt")' in job.read_text()
    inspected = CliRunner().invoke(
        main, ["inspect", str(project / "train.py"), "--initial-ckpt", str(project / "initial.pt")]
    )
    assert inspected.exit_code == 0
