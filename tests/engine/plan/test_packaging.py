"""The settings files that travel with the client, and how it finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemods import PIPELINE
from engine.pipeline import convert
from tests.codemods.tools import plan_of, written

SCRIPT = """\
import json
import torch
from torch import nn

settings = json.load(open("{path}"))
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [("configs/small.json", '"configs/small.json"'), ("../{folder}/configs/small.json", '"configs/small.json"')],
)
def test_a_settings_file_travels_with_the_client(path: str, text: str, tmp_path: Path) -> None:
    path = path.format(folder=tmp_path.name)
    plan = plan_of(written(tmp_path, SCRIPT.format(path=path), {"configs/small.json": "{}"}))
    files = convert(plan, PIPELINE).files
    assert files["configs/small.json"] == b"{}"
    assert f"open(os.path.join(os.path.dirname(os.path.abspath(__file__)), {text}))" in files["client.py"].decode()
