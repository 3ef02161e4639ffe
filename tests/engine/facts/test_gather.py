"""What the facts say where a program trains more than once, chooses between models, or rebinds its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import Choices, Facts, gather
from engine.plan import Plan, make_plan
from engine.result import UserError
from engine.source import Project

HEADER = """import argparse
import torch
from torch import nn, optim

class Net(nn.Module):
    def __init__(self, hidden=2):
        super().__init__()
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.fc(x)

def train(model, epochs):
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        model(torch.ones(2)).sum().backward()
        optimizer.step()

"""


def facts_of(folder: Path, text: str, **choices: str) -> Facts:
    path = folder / "train.py"
    path.write_text(HEADER + text)
    return gather(Project(path), Choices(**choices))


def test_a_second_model_in_the_same_loop(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "first = Net()\ntrain(first, 3)\nsecond = nn.Linear(2, 1)\ntrain(second, 3)\n")
    assert [model.name for model in facts.models] == ["Net"]
    assert facts.loop is not None and len(facts.loop.reached_from) == 2


def test_a_second_phase_of_the_same_model(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "model = Net()\ntrain(model, 3)\ntrain(model, 30)\n")
    assert [model.name for model in facts.models] == ["Net"]
    assert facts.loop is not None and len(facts.loop.reached_from) == 2


def test_what_an_exception_handler_repeats_is_no_second_run(tmp_path: Path) -> None:
    text = "model = Net()\ntry:\n    train(model, 3)\nexcept RuntimeError:\n    train(model, 3)\n"
    facts = facts_of(tmp_path, text)
    assert facts.loop is not None and len(facts.loop.reached_from) == 1


def test_the_default_of_an_option_decides(tmp_path: Path) -> None:
    text = """parser = argparse.ArgumentParser()
parser.add_argument("--wide", action="store_true")
args = parser.parse_args()
if args.wide:
    model = nn.Linear(200, 1)
else:
    model = Net(hidden=4)
train(model, 3)
"""
    facts = facts_of(tmp_path, text)
    assert facts.model is not None
    assert (facts.model.name, facts.model.arguments, facts.model.undecided) == ("Net", {"hidden": 4}, ())


CHAIN = """parser = argparse.ArgumentParser()
parser.add_argument("--net", required=True)
args = parser.parse_args()

def small():
    return Net(2)

def large():
    return Net(200)

if args.net == "small":
    model = small()
elif args.net == "large":
    model = large()
train(model, 3)
"""


def test_nothing_decides(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, CHAIN)
    assert facts.model is not None
    assert set(facts.model.undecided) == {"small", "large"}


def test_the_user_decides(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, CHAIN, model="large")
    assert facts.model is not None
    assert (facts.model.arguments, facts.model.undecided) == ({"hidden": 200}, ())


def test_the_user_names_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model huge is trained; choose --model"):
        facts_of(tmp_path, CHAIN, model="huge")


def test_names_are_those_at_the_loop(tmp_path: Path) -> None:
    text = """model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
model = torch.load("best.pt")
"""
    facts = facts_of(tmp_path, text)
    assert facts.model is not None and facts.model.variable == "model"
    assert facts.loop is not None and facts.loop.scope.look_up("model") is facts.model.value


def test_a_layer_that_is_replaced(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "model = Net()\nmodel.fc = nn.Linear(2, 5)\ntrain(model, 3)\n")
    assert facts.model is not None
    assert [change.text for change in facts.model.alterations] == ["model.fc = nn.Linear(2, 5)"]


def test_a_wrapper_is_no_change_of_a_layer(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, "model = Net()\nmodel.fc = nn.DataParallel(model.fc)\ntrain(model, 3)\n")
    assert facts.model is not None and facts.model.alterations == ()


def test_several_models_side_by_side(tmp_path: Path) -> None:
    text = """nets = [Net(2), Net(3)]
optimizers = [optim.SGD(net.parameters(), lr=0.1) for net in nets]
for epoch in range(3):
    for net, optimizer in zip(nets, optimizers):
        net(torch.ones(2)).sum().backward()
        optimizer.step()
"""
    facts = facts_of(tmp_path, text)
    assert [model.arguments for model in facts.models] == [{"hidden": 2}, {"hidden": 3}]


def test_an_image_is_no_model(tmp_path: Path) -> None:
    text = """vgg = Net()
image = torch.ones(2, requires_grad=True)
optimizer = optim.Adam([image])
for step in range(3):
    vgg(image).sum().backward()
    optimizer.step()
"""
    facts = facts_of(tmp_path, text)
    assert facts.models == ()


def test_the_loops_of_two_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "pretrain.py").write_text(HEADER + "model = Net()\ntrain(model, 3)\n")
    facts = facts_of(tmp_path, "import pretrain\nmodel = Net()\ntrain(model, 3)\n")
    assert [loop.place.file for loop in facts.loops] == ["pretrain.py", "train.py"]
    chosen = facts_of(tmp_path, "import pretrain\nmodel = Net()\ntrain(model, 3)\n", loop="train.py:15")
    assert [loop.place.file for loop in chosen.loops] == ["train.py"]


RELOADS = """class Trainer:
    def __init__(self):
        self.model = Net()
    def train(self):
        optimizer = optim.SGD(self.model.parameters(), lr=0.1)
        for epoch in range(3):
            self.model(torch.ones(2)).sum().backward()
            optimizer.step()
    def load(self):
        self.model = Net(hidden=2)
        self.model.load_state_dict(torch.load("best.pt"))
trainer = Trainer()
trainer.train()
trainer.load()
"""


def test_a_model_that_another_replaces_after_training_is_named_as_it_was(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, RELOADS)
    assert [(model.variable, model.arguments) for model in facts.models] == [("self.model", {})]
    plan = make_plan(facts)
    assert isinstance(plan, Plan)
    assert plan.model_name.bare == "self.model"


PARTS = """class Whole(nn.Module):
    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head
    def forward(self, x):
        return self.head(self.backbone(x))
backbone, head = nn.Linear(2, 2), Net()
whole = Whole(backbone, head)
groups = [{"params": whole.backbone.parameters()}, {"params": whole.head.parameters(), "lr": 0.01}]
optimizer = optim.SGD(groups, lr=0.1)
for epoch in range(3):
    FORWARD.sum().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("forward", "models"),
    [("whole(torch.ones(2))", ["whole"]), ("head(backbone(torch.ones(2)))", ["backbone", "head"])],
)
def test_parts_built_by_themselves_belong_to_the_module_that_is_called(
    forward: str, models: list[str], tmp_path: Path
) -> None:
    facts = facts_of(tmp_path, PARTS.replace("FORWARD", forward))
    assert [model.variable for model in facts.models] == models


def test_a_switch_of_the_script_turned_round_is_known_by_its_default(tmp_path: Path) -> None:
    text = """parser = argparse.ArgumentParser()
parser.add_argument("--narrow", action="store_true")
args = parser.parse_args()
class Wide(Net):
    def __init__(self, wide):
        super().__init__(4 if wide else 2)
train(Wide(wide=not args.narrow), 3)
"""
    facts = facts_of(tmp_path, text)
    assert facts.model is not None and facts.model.arguments == {"wide": True}
    assert facts.model.arguments_source == "arguments"


def test_an_option_decides_which_function_builds_the_model(tmp_path: Path) -> None:
    text = """parser = argparse.ArgumentParser()
parser.add_argument("--net", default="small")
args = parser.parse_args()
def small():
    return Net(2)
def large():
    return Net(8)
if args.net == "small":
    build = small
elif args.net == "large":
    build = lambda: large()
else:
    raise SystemExit("no such net")
train(build(), 3)
"""
    facts = facts_of(tmp_path, text)
    assert facts.model is not None and facts.model.arguments == {"hidden": 2}
    assert facts.model.undecided == ()


def test_a_command_line_written_in_the_script_sets_its_options(tmp_path: Path) -> None:
    text = """parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int, default=2)
parser.add_argument("--double", action="store_true")
args = parser.parse_args(["--hidden", "3", "--double"])
train(Net(args.hidden * (2 if args.double else 1)), 3)
"""
    facts = facts_of(tmp_path, text)
    assert facts.model is not None and facts.model.arguments == {"hidden": 6}
    assert facts.arguments.line is not None


WRAPS_STEP = """
class Counting:
    def __init__(self, optimizer):
        def counted(method):
            function, owner = method.__func__, method.__self__
            def wrapper(*args):
                return function.__get__(owner, type(owner))(*args)
            return wrapper
        optimizer.step = counted(optimizer.step)

model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1)
counting = Counting(optimizer)
for epoch in range(3):
    model(torch.ones(2)).sum().backward()
    optimizer.step()
"""


def test_a_wrapper_around_the_step_of_an_optimizer_still_steps(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, WRAPS_STEP)
    assert facts.optimizer is not None and facts.optimizer.step is not None
    assert facts.model is not None and facts.model.name == "Net"


@pytest.mark.parametrize(("given", "trained"), [((), ["model"]), (("--decoder",), ["model", "decoder"])])
def test_a_model_that_only_an_option_trains_is_no_second_model(given, trained, tmp_path: Path) -> None:
    shape = Path(__file__).parent / "shapes/second_model_by_option.py"
    facts = gather(Project(shape), Choices(arguments=given))
    assert [model.variable for model in facts.models] == trained


def test_a_function_that_could_have_the_chosen_name_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, hidden):\n        super().__init__()\n"
        "        self.fc = nn.Linear(hidden, 1)\n\n    def forward(self, x):\n        return self.fc(x)\n\n\n"
        "class Shift:\n    def __init__(self, by):\n        self.by = by\n\n\n"
        "def squared(out, y):\n    return nn.functional.mse_loss(out, y)\n"
    )
    facts = facts_of(
        tmp_path,
        "import os\nimport nets\nmodel = getattr(nets, os.environ['NET'])(2)\n"
        "loss = getattr(nets, os.environ['LOSS'])\n"
        "optimizer = optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)\n"
        "for epoch in range(3):\n    loss(model(torch.ones(2)), torch.ones(1)).backward()\n    optimizer.step()\n",
    )
    assert [(model.name, model.alternatives) for model in facts.models] == [("Net", ())]
