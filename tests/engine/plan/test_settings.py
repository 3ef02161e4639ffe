"""What the job sets means what the script does with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from textwrap import dedent, indent

import pytest

from codemods import PIPELINE, expose_arguments
from engine import output
from engine.apply import build
from engine.facts import Choices, gather
from engine.job import job_spec, render
from engine.pipeline import convert
from engine.plan import Choices as Pinned
from engine.plan import Plan, make_plan
from engine.source import Project
from tests.codemods import tools

check_converted = partial(tools.check_converted, expose_arguments.step)
check_unchanged = partial(tools.check_unchanged, expose_arguments.step)

HEAD = """\
import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
epoch, passes = 1, 0
"""
STEP = """\
optimizer.zero_grad()
model(torch.ones(4, 2)).mean().backward()
optimizer.step()
"""


def plan_of(folder: Path, text: str, *arguments: str) -> Plan:
    script = folder / "train.py"
    script.write_text(text)
    plan = make_plan(gather(Project(script), Choices(arguments=arguments)))
    assert isinstance(plan, Plan)
    return plan


def with_loop(loop: str) -> str:
    """A script with a loop; ``STEP`` in it becomes a training step, which notes a pass."""
    step = STEP + "passes += 1\n"
    return HEAD + "".join(indent(step, line[: -len("STEP\n")]) if "STEP" in line else line
                          for line in dedent(loop).splitlines(keepends=True))  # fmt: skip


LOOPS = [
    "for epoch in range(args.epochs):\n    STEP\n",
    "for epoch in range(1, args.epochs):\n    STEP\n",
    "for epoch in range(1, args.epochs + 1):\n    STEP\n",
    "for epoch in range(0, args.epochs, 1):\n    STEP\n",
    "for epoch in range(args.epochs, 0, -1):\n    STEP\n",
    "for epoch in range(args.epochs - 1, -1, -1):\n    STEP\n",
    "while epoch < args.epochs:\n    STEP\n    epoch += 1\n",
    "while epoch <= args.epochs:\n    STEP\n    epoch = epoch + 1\n",
    "while args.epochs > epoch:\n    STEP\n    epoch += 1\n",
    "epoch = 0\nwhile epoch <= args.epochs:\n    STEP\n    epoch += 1\n",
    "while epoch < args.epochs + 1:\n    STEP\n    epoch += 1\n",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_the_option_is_told_what_makes_so_many_epochs(loop: str, tmp_path: Path) -> None:
    """The default is what the script trains, and 7 local epochs are 7 passes of the loop."""
    text = with_loop(loop)
    plan = plan_of(tmp_path, text)
    assert plan.epochs is not None
    assert passes(text, 5) == plan.epochs.default
    assert passes(text, 7 + plan.epochs.beyond) == 7


def passes(text: str, told: int) -> int:
    """How many passes a script makes that is told ``--epochs``; its training is left out."""
    loop = text[text.index("epoch, passes") :]
    for line in STEP.splitlines():
        loop = loop.replace(line, "pass")
    names: dict[str, object] = {"args": type("Namespace", (), {"epochs": told})}
    exec(loop, names)
    return names["passes"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    "loop",
    [
        "while epoch < args.epochs:\n    STEP\n    epoch += 2\n",
        "while epoch < args.epochs:\n    for _ in range(2):\n        STEP\n        epoch += 1\n",
        "while epoch < args.epochs:\n    STEP\n    epoch *= 2\n",
        "for epoch in range(4 // 2):\n    STEP\n",
        "half = 4 // 2\nfor epoch in range(half):\n    STEP\n",
        "for epoch in range(4 if torch.cuda.is_available() else 2):\n    STEP\n",
        "for epoch in range(args.epochs // int(torch.rand(1)) + 1):\n    STEP\n",
    ],
)
def test_a_count_that_is_not_of_epochs_cannot_be_set(loop: str, tmp_path: Path) -> None:
    assert plan_of(tmp_path, with_loop(loop)).epochs is None


def test_the_record_says_by_how_much_an_option_exceeds_the_epochs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, with_loop(LOOPS[1]))
    record = output.record(convert(plan, []), tmp_path, {})
    assert record["arguments"]["epochs"] == {"option": "--epochs", "default": 4, "beyond": 1}
    assert record["original"]["epochs"]["beyond"] == 1


def test_options_are_parsed_before_the_first_setting_they_replace(tmp_path: Path) -> None:
    script = "import torch\nEPOCHS = 7\nimport argparse\nfrom torch import nn\nmodel = nn.Linear(2, 1)\n"
    script += "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nfor epoch in range(EPOCHS):\n"
    plan = plan_of(tmp_path, script + indent(STEP, "    "))
    assert plan.epochs is not None
    assert (plan.epochs.default, plan.parser.declare_at.line) == (7, 2)


CONFIGURED = f"""\
import argparse
import json
from pathlib import Path

import torch
from torch import nn


class Net(nn.Linear):
    def __init__(self, wide):
        super().__init__(2, wide)


parser = argparse.ArgumentParser()
parser.add_argument("-c", "--config")
parser.add_argument("rate", type=float)
args = parser.parse_args()
with Path(args.config).open("rt") as file:
    config = json.load(file)
model = Net(config["wide"])
optimizer = torch.optim.SGD(model.parameters(), lr=args.rate)
for epoch in range(3):
{indent(STEP, "    ")}"""
GIVEN = [("0.1", "--config=small.json"), ("-c", "small.json", "0.1"), ("--config", "small.json", "0.1")]


def test_a_file_of_settings_is_asked_for(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CONFIGURED)
    needs = build(gather(Project(script)), PIPELINE, lambda _: (), tmp_path, Pinned(), {}).needs
    assert [(need.code, need.remedy) for need in needs] == [("FLR166", "name the file: --arg=--config=FILE")]


@pytest.mark.parametrize("test", ["args.config", "args.config is not None"])
def test_a_file_of_settings_that_may_be_left_out_is_not_asked_for(test: str, tmp_path: Path) -> None:
    optional = CONFIGURED.replace("with Path", f'config = {{"wide": 3}}\nif {test}:\n    with Path')
    optional = optional.replace("\n    config = json", "\n        config = json")
    plan = plan_of(tmp_path, optional, "0.1")
    assert plan.facts.trace.needed_options == []


@pytest.mark.parametrize("words", GIVEN)
def test_a_file_of_settings_is_read_and_found_by_the_client(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text('{"wide": 7}')
    plan = plan_of(tmp_path, CONFIGURED, *words)
    assert plan.model.args == {"wide": 7}
    record = output.record(convert(plan, []), tmp_path / "out", {"script_arguments": words})
    assert record["arguments"]["files"] == ["small.json"]
    assert 'str(SOURCE / "small.json")' in render(job_spec({**record, "files": {}}))


def test_a_positional_number_of_epochs_stays_what_is_given(tmp_path: Path) -> None:
    text = with_loop(LOOPS[0]).replace('"--epochs", type=int, default=5', '"epochs", type=int')
    assert plan_of(tmp_path, text, "6").epochs is None


def test_data_that_an_argument_without_a_flag_names(tmp_path: Path) -> None:
    """The job has no flag for it: the summary says where the data is taken from, and --arg gives another place."""
    (tmp_path / "points").mkdir()
    declared = 'parser.add_argument("data", nargs="?", default="points")'
    text = with_loop(LOOPS[0]).replace("args = parser", f"{declared}\nargs = parser")
    text = text.replace("model = nn", 'table = open(args.data + "/x.csv").read()\nmodel = nn')
    plan = plan_of(tmp_path, text)
    assert plan.paths == ()
    assert [d.otherwise for d in plan.decisions if d.subject == "data location"] == ["give another with --arg"]
    given = plan_of(tmp_path, text, "points")
    assert [d for d in given.decisions if d.subject == "data location"] == []
    record = output.record(convert(given, []), tmp_path / "out", {"script_arguments": ("points",)})
    assert 'str(SOURCE / "points")' in render(job_spec({**record, "files": {}}))


READS = """\
import json
import os
{before}
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
{step}"""


def client_of(folder: Path, before: str) -> tuple[str, str]:
    """What the client and its job are where these statements stand before the training."""
    script = folder / "train.py"
    script.write_text(f"import torch\nfrom torch import nn\n{READS.format(before=before, step=indent(STEP, '    '))}")
    outcome = build(gather(Project(script)), PIPELINE, lambda _: (), folder / "federated", Pinned(), {})
    return outcome.files["client.py"].decode(), outcome.files["job.py"].decode()


def test_data_below_the_working_directory_gets_a_location(tmp_path: Path) -> None:
    root = 'root = os.path.abspath(os.path.join(os.getcwd(), "../.."))\n'
    client, job = client_of(tmp_path, root + 'names = open(os.path.join(root, "data", "names.txt")).read()')
    assert 'root = os.path.abspath(os.path.join(args.data_dir, "../.."))' in client
    assert 'default=str(SOURCE / ".")' in job


def test_a_path_is_looked_for_where_it_is_read(tmp_path: Path) -> None:
    client, _ = client_of(tmp_path, 'if os.path.exists("names.txt"):\n    names = open("names.txt").read()')
    assert "if os.path.exists(args.data_path):\n    names = open(args.data_path).read()" in client


@pytest.mark.parametrize(
    "read", ['os.environ.get("HERE", {})', 'os.getenv("HERE", default={})', 'os.environ.get("HERE") or {}']
)
def test_the_default_of_a_variable_of_the_environment_gets_an_option(read: str, tmp_path: Path) -> None:
    script = with_loop(LOOPS[0]).replace("import torch\n", "import os\n\nimport torch\n", 1)
    script = script.replace("model = nn", f"here = {read.format(repr('data'))}\nopen(here + '/x.csv')\nmodel = nn")
    plan = plan_of(tmp_path, script)
    assert [(path.option, path.default) for path in plan.paths] == [("--data-dir", "data")]
    client = convert(plan, PIPELINE).files["client.py"].decode()
    assert f"here = {read.format('args.data_dir')}\n" in client
    told = [decision.decision for decision in plan.decisions if decision.subject == "data location"]
    assert told == ["where HERE is set in the environment of a site, it comes before --data-dir (at train.py:11)"]


@pytest.mark.parametrize("read", ['os.environ["HERE"]', 'os.environ.get("HERE")', 'os.getenv("HERE")'])
def test_a_variable_of_the_environment_without_a_default_is_told_of(read: str, tmp_path: Path) -> None:
    script = with_loop(LOOPS[0]).replace("import torch\n", "import os\n\nimport torch\n", 1)
    script = script.replace("model = nn", f'open(os.path.join({read}, "x.csv"))\nmodel = nn')
    plan = plan_of(tmp_path, script)
    assert plan.paths == ()
    (told,) = [decision.decision for decision in plan.decisions if decision.subject == "data location"]
    assert told.startswith(f"{read} at train.py:11 is read at each site from its own environment")


def test_a_file_of_settings_that_is_written_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text("{}")
    client, _ = client_of(tmp_path, 'with open("classes.json", "w") as file:\n    json.dump({}, file)')
    assert 'with open("classes.json", "w") as file:' in client


def test_a_range_that_ends_before_its_number() -> None:
    """The option says how many epochs are trained, which is one less than the number that stands there."""
    source = """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(1, {count}):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """
    options = """\
        # set by the federated job
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=9, help="local epochs of one round")
        args = parser.parse_args()
"""
    expected = source.format(count="args.epochs + 1").replace("        x, y", f"{options}        x, y")
    check_converted(
        source.format(count=10), expected.replace("import torch", "import argparse\n\n        import torch", 1)
    )


def test_a_range_that_counts_in_steps() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(0, 100, 10):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """
    )


def test_an_option_of_that_name_that_means_something_else() -> None:
    check_unchanged(
        """\
        import argparse

        import torch
        from torch import nn


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--epochs", type=int, default=3)
            parser.add_argument("--partitions", type=int, default=4, help="folds")
            args = parser.parse_args()
            from torch.utils.data import DataLoader, TensorDataset
            data = torch.ones(8, 2)
            loader = DataLoader(data, batch_size=args.partitions)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(args.epochs):
                optimizer.zero_grad()
                sum(model(x).mean() for x in loader).backward()
                optimizer.step()


        if __name__ == "__main__":
            main()
        """,
    )


def test_a_while_loop_without_count() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = 1.0
        while loss > 0.5:
            optimizer.zero_grad()
            error = nn.functional.mse_loss(model(x), y)
            error.backward()
            loss = error.item()
            optimizer.step()
        """,
    )


LOADING = """\
import numpy as np
import torch


def load(path={path}, name="points"):
    table = np.loadtxt("{{}}{{}}.csv".format(path, name), delimiter=",")
    return torch.tensor(table[:, :2]).float(), torch.tensor(table[:, 2:]).float()
"""
TRAINING = """\
import argparse

import torch
from torch import nn
{imports}
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
x, y = {data}
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(args.epochs):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""
SITE_SETTINGS = '''\
"""What the job sets for this site."""

import argparse
import sys

# needed before the script reads its command line, so taken from there first
parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("--data-dir", default="../data/", help="where the data lies")
args, sys.argv[1:] = parser.parse_known_args()
data_dir = args.data_dir
'''


def test_a_path_that_is_a_default_in_another_module() -> None:
    """A default is evaluated when the module is imported: before the script reads its command line."""
    script = TRAINING.format(imports="\nfrom utils import load\n", data="load()")
    expected = LOADING.format(path="site_settings.data_dir").replace(
        "torch\n\n", "torch\n\nimport site_settings\n\n", 1
    )
    check_converted(
        script,
        script,
        files={"utils.py": LOADING.format(path='"../data/"')},
        also={"utils.py": expected, "site_settings.py": SITE_SETTINGS},
    )


def test_a_path_that_is_needed_before_the_script_reads_its_arguments() -> None:
    head = 'from pathlib import Path\n\nDATA = Path("../data/")\n'
    loading = "torch.tensor(np.loadtxt(DATA / 'x.csv')), torch.tensor(np.loadtxt(DATA / 'y.csv'))"
    script = TRAINING.format(imports=head, data=loading).replace("import torch", "import numpy as np\nimport torch", 1)
    expected = script.replace(
        '\nDATA = Path("../data/")', "\nimport site_settings\n\nDATA = Path(site_settings.data_dir)"
    )
    check_converted(script, expected, also={"site_settings.py": SITE_SETTINGS})


@pytest.mark.parametrize(
    ("here", "default"),
    [("Path(__file__).parent", "data"), ("Path(__file__).resolve().parents[1]", "../data")],
)
def test_a_path_that_starts_where_the_script_lies(here: str, default: str) -> None:
    head = f'from pathlib import Path\n\nHERE = {here}\nDATA = HERE / "data"\n'
    loading = "torch.tensor(np.loadtxt(DATA / 'x.csv')), torch.tensor(np.loadtxt(DATA / 'y.csv'))"
    script = TRAINING.format(imports=head, data=loading).replace("import torch", "import numpy as np\nimport torch", 1)
    expected = script.replace('DATA = HERE / "data"', "DATA = Path(site_settings.data_dir)").replace(
        "\nHERE =", "\nimport site_settings\n\nHERE ="
    )
    check_converted(script, expected, also={"site_settings.py": SITE_SETTINGS.replace("../data/", default)})


def test_constants_of_a_module_of_settings() -> None:
    script = TRAINING.format(imports="\nimport config\nfrom utils import load\n", data="load(config.DATA)")
    script = script.replace("range(args.epochs)", "range(config.EPOCHS)").replace('"--epochs"', '"--seed"')
    expected = "import site_settings\n\nDATA = site_settings.data_dir\nEPOCHS = site_settings.epochs\n"
    check_converted(
        script,
        script,
        files={"config.py": 'DATA = "../data/"\nEPOCHS = 4\n', "utils.py": LOADING.format(path="None")},
        also={"config.py": expected},
    )


def test_a_path_that_begins_an_f_string() -> None:
    loading = "torch.tensor(np.loadtxt(f'../data/{args.epochs}.csv')), torch.ones(4, 1)"
    script = TRAINING.format(imports="\nimport numpy as np\n", data=loading)
    declared = 'parser.add_argument("--data-dir", default="../data/", help="where the data lies")\n'
    expected = script.replace("f'../data/{", "f'{args.data_dir}{")
    check_converted(script, expected.replace("args = parser", f"# set by the federated job\n{declared}args = parser"))


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ("args = parser.parse_args()\nargs.epochs = 4", "args.epochs = args.epochs_per_round"),
        ("args = parser.parse_args()\ncfg = EasyDict()\ncfg.epochs = 4", "cfg.epochs = args.epochs"),
        ("args = parser.parse_args()\ncfg = EasyDict()\ncfg.epochs = 4\ncfg.update(vars(args))", "cfg.epochs = 4"),
    ],
)
def test_a_number_that_an_attribute_is_set_to(settings: str, after: str, tmp_path: Path) -> None:
    head = HEAD.replace("import torch\n", "import torch\nfrom easydict import EasyDict\n", 1)
    head = head.replace('parser.add_argument("--epochs", type=int, default=5)\nargs = parser.parse_args()', settings)
    holder = after.partition(".")[0]
    script = tmp_path / "train.py"
    script.write_text(f"{head}for epoch in range({holder}.epochs):\n{indent(STEP, '    ')}")
    outcome = build(gather(Project(script)), PIPELINE, lambda _: (), tmp_path / "out", Pinned(), {})
    client = outcome.conversion.files["client.py"].decode()
    assert after in client.splitlines()
