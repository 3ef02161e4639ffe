"""Settings that a script runs as code: what the command line says of them counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.facts import gather
from engine.facts.gather import Choices
from engine.source import Project

SCRIPT = """
import torch

wide = 4
deep = 2
exec(open("configurator.py").read())
model = torch.nn.GRU(input_size=3, hidden_size=wide, num_layers=deep)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    optimizer.zero_grad()
    model(torch.ones(2, 5, 3))[0].mean().backward()
    optimizer.step()
"""
CONFIGURATOR = "import sys\nfor word in sys.argv[1:]:\n    ...\n"


@pytest.mark.parametrize(
    ("words", "wide", "deep"),
    [
        ((), 4, 2),
        (("small.py",), 1, 2),
        (("--deep=3",), 4, 3),
        (("small.py", "--wide=8"), 8, 2),
        (("drawn.py",), ..., 2),
        (("missing.py",), 4, 2),
    ],
)
def test_what_the_command_line_gives_counts(tmp_path: Path, words: tuple[str, ...], wide: int, deep: int) -> None:
    texts = {"train": SCRIPT, "configurator": CONFIGURATOR, "small": "wide = 1\n", "drawn": "wide = draw()\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    model = gather(Project(tmp_path / "train.py"), Choices(arguments=words)).model
    assert model is not None
    assert model.arguments == {"input_size": 3, "hidden_size": wide, "num_layers": deep}


def test_code_that_reads_no_command_line_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "configurator.py").write_text("seed = 3\n")
    model = gather(Project(tmp_path / "train.py"), Choices(arguments=("--wide=8",))).model
    assert model is not None
    assert model.arguments["hidden_size"] == 4
