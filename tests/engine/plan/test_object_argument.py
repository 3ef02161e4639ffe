"""A constructor argument that is an object of the script's making cannot be given on the command line."""

from __future__ import annotations

from pathlib import Path

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
