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


@pytest.mark.parametrize(
    "opened",
    [
        'json.load(open(Path(__file__).parent / "configs" / "small.json"))',
        'json.load(open(os.path.join(os.path.dirname(__file__), "configs/small.json")))',
        'json.loads((Path(__file__).resolve().parent / "configs/small.json").read_text())',
    ],
)
def test_a_settings_file_that_is_found_from_where_the_script_lies_travels_and_nothing_is_rewritten(
    opened: str, tmp_path: Path
) -> None:
    script = SCRIPT.replace('json.load(open("{path}"))', opened).replace(
        "import json\n", "import json, os\nfrom pathlib import Path\n"
    )
    plan = plan_of(written(tmp_path, script, {"configs/small.json": "{}"}))
    files = convert(plan, PIPELINE).files
    assert files["configs/small.json"] == b"{}"
    assert f"settings = {opened}\n" in files["client.py"].decode()


def test_it_lies_as_far_from_the_client_as_it_lay_from_the_script(tmp_path: Path) -> None:
    script = SCRIPT.replace('open("{path}")', 'open(Path(__file__).parent / "small.json")')
    modules = {"lib/__init__.py": "", "lib/rows.py": "", "tools/small.json": "{}"}
    written(tmp_path, "", modules)
    entry = tmp_path / "tools" / "train.py"
    entry.write_text(f"from pathlib import Path\nimport lib.rows\n{script}")
    assert convert(plan_of(entry), PIPELINE).files["small.json"] == b"{}"


@pytest.mark.parametrize(
    ("name", "content", "travels"),
    [
        ("patients.json", '{"rows": [{"age": 50}, {"age": 60}]}', False),
        ("patients.json", "[[50, 1], [60, 0]]", False),
        ("settings.json", '{"layers": [{"size": 50}, {"size": 60}]}', True),
        ("classes.json", '{"0": "daisy", "1": "rose"}', True),
        ("steps.json", '{"milestones": [30, 60]}', True),
    ],
)
def test_data_does_not_travel(name: str, content: str, travels: bool, tmp_path: Path) -> None:
    plan = plan_of(written(tmp_path, SCRIPT.format(path=name), {name: content}))
    assert (name in convert(plan, PIPELINE).files) == travels
    assert [path.default for path in plan.paths] == ([] if travels else [name])
