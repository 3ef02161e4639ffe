"""What a script has to be given on its command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from engine.facts import ArgumentsFact, gather
from engine.facts.configuration import Option
from engine.plan.arguments import missing_options
from engine.plan.settings import Setting
from engine.result import Place
from engine.source import Project
from engine.verify.launch import Settings
from engine.verify.run import verify


def option(name: str, required: bool = True) -> Option:
    return Option((name,), name.lstrip("-"), None, required, "", Place("train.py", 1))


ARGUMENTS = ArgumentsFact(
    "argparse", options=(option("epochs"), option("--lr"), option("--data"), option("every"), option("--seed", False))
)
DATA = Setting("--data", "data", None, "str", "", True)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], ["epochs", "every", "--lr"]),
        (["4", "--lr", "0.1"], ["every"]),
        (["4", "--lr=0.1", "2"], []),
        (["--lr=0.1", "4", "2"], []),
        (["4", "2", "--seed", "1"], ["--lr"]),
    ],
)
def test_what_nobody_gives_is_missing(given: list[str], missing: list[str]) -> None:
    assert [each.flags[0] for each in missing_options(ARGUMENTS, [DATA], given)] == missing


SWITCHED = """\
import argparse
import torch
from torch import nn
parser = argparse.ArgumentParser()
parser.add_argument("--train", action="store_true")
parser.add_argument("--plot", action="store_true")
args = parser.parse_args()
model = nn.Linear(2, 1)
if args.train:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).sum().backward()
        if args.plot:
            print("plotted")
        optimizer.step()
"""


def test_a_script_that_trains_only_when_it_is_told_to_has_to_be_told(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SWITCHED)
    apply = ["apply", str(script), "--out", str(tmp_path / "federated")]
    refused = CliRunner().invoke(main, apply)
    assert refused.exit_code == 3 and "does not start without --train" in refused.output
    assert "--plot" not in refused.output
    assert CliRunner().invoke(main, [*apply, "--arg=--train"]).exit_code == 0
    assert '"--train"' in (tmp_path / "federated" / "job.py").read_text()


FIRE = """\
import fire
import torch
from torch import nn


def train(folder, epochs=3):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        model(torch.ones(8, 4)).sum().backward()
        optimizer.step()


def predict(text):
    print(text)


if __name__ == "__main__":
    fire.Fire()
"""


def applied(folder: Path, text: str, *options: str) -> tuple[int, str]:
    (folder / "train.py").write_text(text)
    result = CliRunner().invoke(main, ["apply", str(folder / "train.py"), *options])
    return result.exit_code, result.output


def test_fire_is_told_which_function_trains_and_asks_for_what_that_needs(tmp_path: Path) -> None:
    code, told = applied(tmp_path, FIRE)
    assert (code, "the script does not start without --folder" in told) == (3, True)
    code, told = applied(tmp_path, FIRE, "--arg=--folder=here")
    assert code == 0, told
    assert "the job starts the script with train" in told
    record = json.loads((tmp_path / "federated" / "conversion.json").read_text())
    assert record["job"]["script_arguments"] == ["train", "--folder=here"]
    assert '            "train",\n' in (tmp_path / "federated" / "job.py").read_text()
    assert applied(tmp_path, FIRE, "--arg", "train", "--arg=--folder=here")[0] == 0
    again = json.loads((tmp_path / "federated" / "conversion.json").read_text())
    assert again["job"]["script_arguments"] == record["job"]["script_arguments"]


@pytest.mark.parametrize("start", ["fire.Fire(train)", "typer.run(train)"])
def test_a_default_is_set_where_it_stands_when_a_library_calls_the_function(tmp_path: Path, start: str) -> None:
    text = FIRE.replace("fire.Fire()", start).replace("import fire", f"import {start[: start.index('.')]}")
    text = text.replace("folder, epochs", "rank=0, epochs")
    code, told = applied(tmp_path, text)
    assert code == 0, told
    client = (tmp_path / "federated" / "client.py").read_text()
    assert f"    {start}\n" in client
    assert "def train(rank=0, epochs=args.epochs):" in client


COMMANDS = """\
import argparse
import torch
from torch import nn


def train(args):
    torch.manual_seed(args.seed)
    model = nn.Linear(4, args.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(args.epochs):
        optimizer.zero_grad()
        model(torch.ones(8, 4)).pow(2).sum().backward()
        optimizer.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    commands = parser.add_subparsers(dest="command")
    evaluating = commands.add_parser("eval")
    evaluating.add_argument("--weights", required=True)
    training = commands.add_parser("train")
    training.add_argument("--epochs", type=int, default=2)
    training.add_argument("--width", type=int, required=True)
    args = parser.parse_args()
    if args.command == "train":
        train(args)


main()
"""


def test_the_command_that_trains_is_given_with_its_own_options(tmp_path: Path) -> None:
    code, told = applied(tmp_path, COMMANDS)
    assert code == 3
    assert re.findall(r"does not start without (\S+)", told) == ["--width"]
    code, told = applied(tmp_path, COMMANDS, "--arg=--width=3")
    assert code == 0, told
    assert "the job starts the script with train" in told
    assert "--epochs={args.local_epochs}" in (tmp_path / "federated" / "job.py").read_text()
    report = verify(tmp_path / "federated", Settings(sites=()))
    assert report.exit_code == 0, report.failures


def test_what_the_job_would_give_too_late_is_told(tmp_path: Path) -> None:
    epochs = '    training.add_argument("--epochs", type=int, default=2)\n'
    before = '    commands = parser.add_subparsers(dest="command")\n'
    text = COMMANDS.replace(epochs, "").replace(before, epochs.replace("training", "parser") + before)
    code, told = applied(tmp_path, text, "--arg=--width=3")
    assert code == 2
    assert "train.py takes --epochs before its command train only" in told
    assert "declare --epochs for the parser of train" in told


def test_other_arguments_given_to_the_job_keep_the_command_and_reach_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "federated"

    def changed(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["job", str(folder), *options])
        return result.exit_code, result.output

    assert applied(tmp_path, COMMANDS, "--arg=--width=3")[0] == 0
    code, told = changed("--arg=--width=5", "--rounds", "7")
    assert code == 0, told
    record = json.loads((folder / "conversion.json").read_text())
    assert record["job"]["script_arguments"] == ["train", "--width=5"]
    assert 5 in record["model"]["args"].values() and record["job"]["num_rounds"] == 7
    assert CliRunner().invoke(main, ["renew", "--check", str(folder)]).exit_code == 0
    assert verify(folder, Settings(sites=())).exit_code == 0

    before = (folder / "job.py").read_bytes()
    code, told = changed("--arg=--seed=2")
    assert (code, "does not start without --width" in told) == (2, True)
    assert (folder / "job.py").read_bytes() == before


WIDE = """\
class Wide(nn.Linear):
    def __init__(self):
        super().__init__(4, 99)


def train"""


def test_arguments_that_make_another_client_need_another_conversion(tmp_path: Path) -> None:
    text = COMMANDS.replace("nn.Linear(4, args.width)", "Wide() if args.width > 9 else nn.Linear(4, args.width)")
    assert applied(tmp_path, text.replace("def train", WIDE), "--arg=--width=3")[0] == 0
    result = CliRunner().invoke(main, ["job", str(tmp_path / "federated"), "--arg=--width=12"])
    assert result.exit_code == 2
    assert "with these arguments train.py becomes another client.py, model.py: convert it anew" in result.output
    assert result.output.endswith(" --force --arg=--width=12\n")
    (tmp_path / "train.py").unlink()
    result = CliRunner().invoke(main, ["job", str(tmp_path / "federated"), "--arg=--width=3"])
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


OPTIONS = """\
import argparse
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", "--learning-rate", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=3)
group = parser.add_argument_group("more")
group.add_argument("--save", action=argparse.BooleanOptionalAction)
args = parser.parse_args()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    model(torch.ones(8, 4)).sum().backward()
    optimizer.step()
"""
DECLARED = 'parser.add_argument("--epochs", type=int, default=3)'
OPEN = {
    "parse_known_args": ("args = parser.parse_args()", "args, rest = parser.parse_known_args()"),
    "a computed name": (DECLARED, DECLARED + '\nparser.add_argument("--" + open("name").read())'),
    "a loop": (DECLARED, DECLARED + '\nfor name in dir(torch):\n    parser.add_argument(f"--{name}")'),
    "somebody else's": (DECLARED, DECLARED + "\nimport deepspeed\nparser = deepspeed.add_config_arguments(parser)"),
    "handed over": (DECLARED, DECLARED + "\nimport deepspeed\ndeepspeed.add_config_arguments(parser)"),
    "parents": ("ArgumentParser()", "ArgumentParser(parents=[torch.parser()])"),
    "all the rest": (DECLARED, DECLARED + '\nparser.add_argument("rest", nargs=argparse.REMAINDER)'),
    "not followed": (DECLARED, DECLARED + "\nmap(lambda name: parser.add_argument(name), dir(torch))"),
}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--nope=1", "train.py takes no --nope: its options are --lr, --learning-rate, --epochs, --save"),
        ("--learnin-rate", "train.py takes no --learnin-rate: did you mean --learning-rate?"),
    ],
)
def test_an_option_that_the_script_does_not_take_is_refused(word: str, told: str, tmp_path: Path) -> None:
    for given in ("apply", "inspect"):
        (tmp_path / "train.py").write_text(OPTIONS)
        result = CliRunner().invoke(main, [given, str(tmp_path / "train.py"), f"--arg={word}"])
        assert (result.exit_code, told in result.output) == (2, True), result.output
    assert not (tmp_path / "federated").exists()
    assert applied(tmp_path, OPTIONS)[0] == 0
    result = CliRunner().invoke(main, ["job", str(tmp_path / "federated"), f"--arg={word}"])
    assert (result.exit_code, told in result.output) == (2, True), result.output


@pytest.mark.parametrize("words", [["--lr", "0.2"], ["--learn=0.2"], ["--no-save"], ["--no-cuda"], ["--", "--nope"]])
def test_what_argparse_takes_is_taken(words: list[str], tmp_path: Path) -> None:
    more = 'parser.add_argument("name", nargs="?")\nparser.add_argument("--no-cuda", action="store_true")\n'
    text = OPTIONS.replace("args = parser", f"{more}args = parser")
    code, output = applied(tmp_path, text, *(f"--arg={word}" for word in words))
    assert code == 0, output


@pytest.mark.parametrize("change", OPEN.values(), ids=OPEN)
def test_an_option_may_be_taken_where_not_all_are_known(change: tuple[str, str], tmp_path: Path) -> None:
    text = OPTIONS.replace(*change)
    assert text != OPTIONS
    (tmp_path / "train.py").write_text(text)
    assert not gather(Project(tmp_path / "train.py")).arguments.closed
