"""Values that a script makes of others: dictionaries filled by comprehensions, paths beside the script."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import Facts, gather
from engine.source import Project

SCRIPT = """
import argparse, os, torch
from pathlib import Path

{before}

class Data(torch.utils.data.Dataset):
    def __init__(self, path):
        with {opened} as lines:
            self.rows = [torch.tensor(float(line)) for line in lines]
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, index):
        return self.rows[index], self.rows[index]

parser = argparse.ArgumentParser()
parser.add_argument("--data", {option})
parser.add_argument("--out", type=Path, default="results")
args = parser.parse_args()
loader = torch.utils.data.DataLoader(Data({path}), batch_size=2)
model = torch.nn.Linear({size}, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        (model(x) - y).mean().backward()
        optimizer.step()
with (args.out / "metrics.json").open("w") as report:
    report.write("{{}}")
"""


def facts_of(folder: Path, **parts: str) -> Facts:
    parts = {
        "before": "",
        "opened": "open(path)",
        "option": 'default="data"',
        "path": "args.data",
        "size": "1",
        **parts,
    }
    (folder / "scripts").mkdir()
    script = folder / "scripts" / "train.py"
    script.write_text(SCRIPT.format(**parts))
    return gather(Project(script, folder))


@pytest.mark.parametrize(
    ("before", "size"),
    [
        ("V = {'a': 0}\nV.update({c: i + 1 for i, c in enumerate('bcd')})", 4),
        ("V = [n * n for n in range(5) if n != 2]", 4),
        ("V = {k: v for k, v in zip('ab', [1, 2])}", 2),
        ("V = {'a': 0}\nV.update(b=1, c=2)", 3),
        ("V = ['a']\nV += [name for name in ('b', 'c')]", 3),
        ("V = [8, 16, 32, 64][1:]", 3),
        ("V = (8, 16, 32, 64)[:-2]", 2),
        ("V = [8, 16, 32, 64][::2]", 2),
    ],
)
def test_the_size_of_what_the_script_writes_down_is_known(tmp_path: Path, before: str, size: int) -> None:
    assert facts_of(tmp_path, before=before, size="len(V)").model.arguments["0"] == size


@pytest.mark.parametrize(
    "before",
    [
        "V = {'a': 0}\nV.update({c: 1 for c in open('words')})",
        "V = {'a': 0}\nV.update(zip(open('words'), range(9)))",
        "V = [1, 2, 3]\nV.pop()",
        "V = [1, 2, 3]\nV.remove(2)",
        "V = [n for n in range(9) if os.path.exists(str(n))]",
        "V = [8, 16, 32, 64][: len(os.listdir('.'))]",
    ],
)
def test_a_size_that_cannot_be_told_is_not_guessed(tmp_path: Path, before: str) -> None:
    assert facts_of(tmp_path, before=before, size="len(V)").model.arguments["in_features"] is ...


@pytest.mark.parametrize(
    ("option", "path", "expected"),
    [
        ('type=Path, default=Path(__file__).parent / "data"', 'args.data / "train.csv"', "scripts/data"),
        ('type=Path, default=Path(__file__).resolve().parent.parent / "data"', 'args.data / "train.csv"', "data"),
        ('default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")', "args.data", "scripts/data"),
        ('default=os.path.join(os.path.dirname(__file__), "..", "..", "data")', "args.data", "../data"),
        ('type=Path, default="data"', 'args.data / "train.csv"', "data"),
    ],
)
def test_the_data_beside_a_script_is_at_its_option(tmp_path: Path, option: str, path: str, expected: str) -> None:
    facts = facts_of(tmp_path, option=option, path=path, opened="Path(path).open()")
    found = [(fact.option.destination, fact.value) for fact in facts.data.paths if fact.option is not None]
    assert ("data", expected) in found
    assert {destination for destination, _ in found} == {"data"}


def test_what_is_written_is_no_data(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, opened="path.open('rt')", option="type=Path, default='data'", path="args.data")
    assert [fact.option.destination if fact.option else fact.value for fact in facts.data.paths] == ["data"]
