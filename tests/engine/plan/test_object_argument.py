"""A constructor argument that is an object of the script's making cannot be given on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import REFUSED

SCRIPT = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.backbone(x))


backbone = torch.load("backbone.pt", weights_only=False)
model = Net(backbone, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(8, 3)).sum().backward()
    optimizer.step()
"""


def test_the_remedy_is_one_that_can_be_followed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    result = CliRunner().invoke(main, ["apply", str(tmp_path / "train.py")], catch_exceptions=False)
    assert result.exit_code == REFUSED
    assert "backbone of Net to build the model, an object that no option can give" in result.output
    assert "build it in the constructor of Net" in result.output and "--model-arg" not in result.output


BUILT_OF_PARTS = """\
import argparse

import pandas
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, embedding, head):
        super().__init__()
        self.embedding, self.head = embedding, head

    def forward(self, x):
        return self.head(self.embedding(x))


class Sized(nn.Module):
    def __init__(self, args, words):
        super().__init__()
        self.embedding, self.head = nn.Embedding(words, args.width), nn.Linear(args.width, 1)

    def forward(self, x):
        return self.head(self.embedding(x))


def build(words, width):
    return Net(nn.Embedding(words, width), nn.Linear(width, 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=4)
    args = parser.parse_args()
    words = len(set(pandas.read_csv("words.csv")["word"]))
    model = {construction}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.arange(3)).sum().backward()
        optimizer.step()


main()
"""


@pytest.mark.parametrize("construction", ["build(words, args.width)", "Sized(args, words)"])
def test_only_what_can_be_given_is_asked_for(construction: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(BUILT_OF_PARTS.format(construction=construction))
    apply = ["apply", str(tmp_path / "train.py"), "--out", str(tmp_path / "out")]
    asked = CliRunner().invoke(main, apply, catch_exceptions=False)
    assert asked.exit_code == REFUSED
    assert [line.split()[1] for line in asked.output.splitlines() if "-> " in line] == ["--model-arg"]
    assert "--model-arg words=VALUE" in asked.output
    converted = CliRunner().invoke(main, [*apply, "--model-arg", "words=7"], catch_exceptions=False)
    assert converted.exit_code == 0, converted.output
    assert '"words": 7' in (tmp_path / "out/job.py").read_text()


ENUMERATION = """\
import enum

import torch
from torch import nn


class Kind(enum.Enum):
    SMALL = 1
    LARGE = 2


class Net(nn.Module):
    def __init__(self, kind=Kind.SMALL):
        super().__init__()
        assert isinstance(kind, Kind)
        self.head = nn.Linear(3, 1 if kind == Kind.SMALL else 2)

    def forward(self, x):
        return self.head(x)


def train(config):
    model = Net({written})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.ones(8, 3)).sum().backward()
        optimizer.step()


train({{"kind": Kind.{member}}})
"""


def apply_with_enumeration(folder: Path, written: str, member: str) -> tuple[int, str, str]:
    """The exit code and text of ``apply``, and the job it writes."""
    (folder / "train.py").write_text(ENUMERATION.format(written=written, member=member))
    result = CliRunner().invoke(main, ["apply", str(folder / "train.py"), "--out", str(folder / "out")])
    files = [folder / "out" / name for name in ("job.py", "model.py")]
    return result.exit_code, result.output, "".join(file.read_text() for file in files if file.exists())


def test_a_member_of_an_enumeration_is_not_its_value(tmp_path: Path) -> None:
    code, output, _ = apply_with_enumeration(tmp_path, 'kind=config["kind"]', "LARGE")
    assert code == REFUSED
    assert "kind of Net to build the model, an object that no option can give" in output


def test_a_member_that_is_the_default_is_left_out(tmp_path: Path) -> None:
    code, output, written = apply_with_enumeration(tmp_path, 'kind=config["kind"]', "SMALL")
    assert code == 0, output
    assert "model.Net()" in output and "Kind.SMALL" in written


def test_a_member_that_is_written_is_built_by_the_server(tmp_path: Path) -> None:
    code, output, written = apply_with_enumeration(tmp_path, "kind=Kind.LARGE", "SMALL")
    assert code == 0, output
    assert "return Net(kind=Kind.LARGE)" in written
