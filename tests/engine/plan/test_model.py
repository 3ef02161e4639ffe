"""How the server comes to the model: what it is given for a device, what it cannot have."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

from codemods import extract_model
from engine.facts import gather
from engine.plan import Choices, Plan, make_plan
from engine.result import Result
from engine.source import Project
from tests.codemods.tools import check_promises, check_unchanged

NET = """
import importlib
import os
import sys
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, device, size=2):
        super().__init__()
        self.layer = nn.Linear(size, 1).to(device)
    def forward(self, x):
        return self.layer(x)
"""
TRAINING = """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
"""


def planned(folder: Path, building: str, **files: str) -> Plan | list[Result]:
    """The plan of a script that builds its model in some way."""
    for name, text in {**files, "train": NET + dedent(building) + TRAINING}.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return make_plan(gather(Project((folder / "train.py").resolve())))


@pytest.mark.parametrize(
    "device",
    [
        '"cuda:0"',
        'torch.device("cuda")',
        'torch.device("cuda" if torch.cuda.is_available() else "cpu")',
        '"cuda" if torch.cuda.is_available() else "cpu"',
    ],
)
def test_the_server_builds_the_model_without_a_gpu(device: str, tmp_path: Path) -> None:
    plan = planned(tmp_path, f"model = Net({device})")
    assert isinstance(plan, Plan)
    assert (plan.model.args, plan.model.missing) == ({"device": "cpu"}, ())


def test_the_variable_of_a_comprehension_is_no_global(tmp_path: Path) -> None:
    building = """
    def build(depth):
        return nn.Sequential(nn.Linear(2, 2), *[nn.Linear(2, 2) for i in range(depth)])
    model = build(3)
    for i in range(2):
        print(i)
    """
    plan = planned(tmp_path, building)
    assert isinstance(plan, Plan)
    namespace = SimpleNamespace()
    exec(plan.model.text, vars(namespace))
    built = getattr(namespace, plan.model.class_path.rpartition(".")[2])(**plan.model.args)
    assert len(built) == 4


def test_a_type_that_only_an_option_asks_for_is_not_the_models(tmp_path: Path) -> None:
    building = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args()
    model = Net("cpu")
    if args.half:
        model = model.half()
    """
    plan = planned(tmp_path, building)
    assert isinstance(plan, Plan)
    assert plan.model.class_path == "model.Net"


def test_a_module_chosen_by_name_from_a_folder_that_the_script_adds(tmp_path: Path) -> None:
    building = """
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "nets"))
    model = importlib.import_module("small").build()
    """
    small = "from torch import nn\nclass Small(nn.Linear):\n    pass\ndef build():\n    return Small(2, 1)\n"
    plan = planned(tmp_path, building, nets__small=small)
    assert isinstance(plan, Plan)
    assert plan.model.class_path == "nets.small.build"
    check_promises((tmp_path / "train.py").resolve(), Choices())


def test_what_only_the_running_script_has_is_refused(tmp_path: Path) -> None:
    building = """
    def main():
        nets = importlib.import_module("not" + "here")
        return nets.build(2)
    model = main()
    """
    plan = planned(tmp_path, building)
    assert [(found.code, "nets" in found.message) for found in plan] == [("FLR151", True)]


def test_a_size_that_a_file_holds_is_asked_for(tmp_path: Path) -> None:
    plan = planned(tmp_path, "model = nn.Linear(len(open('words.txt').read().split()), 1)")
    assert isinstance(plan, Plan)
    assert [name for name, _ in plan.model.missing] == ["in_features"]


def test_a_part_built_with_what_a_file_holds_is_refused(tmp_path: Path) -> None:
    plan = planned(tmp_path, "model = nn.Sequential(nn.Linear(len(open('words.txt').read().split()), 1))")
    assert isinstance(plan, list)
    assert [(found.code, "open('words.txt') reads" in found.message) for found in plan] == [("FLR151", True)]


READS_DATA = """
from sizes import *
import numpy as np
table = np.loadtxt("data.csv")
columns = int(table.max())
"""


@pytest.mark.parametrize("imported", ["from data import *", "from data import columns, rows"])
def test_a_size_from_a_module_that_reads_data_is_asked_for(imported: str, tmp_path: Path) -> None:
    building = f"{imported}\nmodel = nn.Sequential(Net('cpu', size=columns), nn.Linear(1, rows))"
    plan = planned(tmp_path, building, data=READS_DATA, sizes="rows = 3")
    assert isinstance(plan, Plan)
    assert plan.model.args["rows"] == 3
    assert [name for name, _ in plan.model.missing] == ["columns"]
    assert "from data import" not in plan.model.text


def test_a_model_that_needs_a_module_which_reads_data_is_refused(tmp_path: Path) -> None:
    net = "from torch import nn\nfrom data import columns\nclass Wide(nn.Linear):\n    width = columns\n"
    script = f"import data\n{net}model = nn.Sequential(Wide(2, 1))"
    plan = planned(tmp_path, script, data=READS_DATA, sizes="rows = 3")
    assert isinstance(plan, list)
    assert [(one.code, str(one.place)) for one in plan] == [("FLR151", "data.py:4")]
    assert "np.loadtxt() when it is imported" in plan[0].message


def test_a_module_that_reads_settings_or_defines_what_reads_data_can_be_imported(tmp_path: Path) -> None:
    module = "import numpy as np\nwords = list(open(__file__))\ncolumns = 4\ndef load():\n    return np.loadtxt('a')\n"
    plan = planned(tmp_path, "from data import columns\nmodel = nn.Sequential(Net('cpu', columns))", data=module)
    assert isinstance(plan, Plan)
    assert plan.model.missing == ()


OPTIONS = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--width", type=int)
    args = parser.parse_args()


    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, {read})


    model = Reads()
    """


def test_a_model_that_reads_parsed_arguments_is_built_with_their_defaults(tmp_path: Path) -> None:
    plan = planned(tmp_path, OPTIONS.format(read="args.hidden"))
    assert isinstance(plan, Plan)
    assert (plan.model.class_path, plan.model.args, plan.model.moved) == ("model.Reads", {}, ())
    assert "\nargs = SimpleNamespace(hidden=8)  # the defaults of the script's options\n" in plan.model.text
    told = [one.decision for one in plan.decisions if one.subject == "model arguments"]
    assert told == ["the server builds the model with args.hidden=8, the default of the script's option"]


@pytest.mark.parametrize("read", ["args.width", "len(vars(args))"])
def test_arguments_without_a_default_and_other_uses_refuse(read: str, tmp_path: Path) -> None:
    found = planned(tmp_path, OPTIONS.format(read=read))
    assert isinstance(found, list)
    assert [result.code for result in found] == ["FLR151"]


def test_a_library_class_with_keywords() -> None:
    check_unchanged(
        extract_model.step,
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(in_features=2, out_features=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


SETTINGS = """
import argparse
from copy import deepcopy
class Words(Net):
    def __init__(self, config):
        super().__init__("cpu", config.size)
        self.table = nn.Embedding(config.words, config.size).to(config.device)
args = argparse.Namespace(size=2, unread=torch.ones(2))
config = {config}
config.words = len(open("words.txt").read().split())
config.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Words(config)
"""


@pytest.mark.parametrize("config", ["args", "deepcopy(args)"])
def test_a_setting_that_the_model_reads_and_the_script_fills_in_is_asked_for(config: str, tmp_path: Path) -> None:
    plan = planned(tmp_path, SETTINGS.format(config=config))
    assert isinstance(plan, Plan)
    assert [name for name, _ in plan.model.missing] == ["words"]
    known = {name: value for name, value in plan.model.args.items() if name != "words"}
    assert known == {"size": 2, "device": "cpu"}


def test_what_absl_reads_from_the_command_line_is_asked_for(tmp_path: Path) -> None:
    building = """
    from absl import flags
    FLAGS = flags.FLAGS
    flags.DEFINE_integer("size", 2, "width")
    model = Net("cpu", FLAGS.size)
    """
    plan = planned(tmp_path, building)
    assert isinstance(plan, Plan)
    assert [name for name, _ in plan.model.missing] == ["size"]


def test_an_option_is_what_it_was_where_the_model_is_built(tmp_path: Path) -> None:
    building = """
    import argparse, json
    parser = argparse.ArgumentParser()
    parser.add_argument("--restore")
    parser.add_argument("--size", type=int, default=2)
    args = parser.parse_args()
    model = Net("cpu", size=args.size)
    model.layer = nn.Linear(2, 1)
    if args.restore:
        args.size = json.load(open(args.restore))["size"]
    """
    plan = planned(tmp_path, building)
    assert isinstance(plan, Plan)
    assert (plan.model.class_path, plan.model.args, plan.model.missing) == ("model.build_model", {"size": 2}, ())
