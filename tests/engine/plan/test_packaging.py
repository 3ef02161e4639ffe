"""The settings files that travel with the client, and how it finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemods import PIPELINE
from engine.facts import gather
from engine.pipeline import convert
from engine.plan import Plan, make_plan
from engine.source import Project
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


SETTINGS = """\
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Settings:
    epochs: int = 3
    width: int = 4


class Net(nn.Module):
    def __init__(self, settings: Settings):
        super().__init__()
        self.body = nn.Linear(2, settings.width)

    def forward(self, x):
        return self.body(x)


settings = Settings()
model = Net(settings)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(settings.epochs):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


def test_a_class_of_settings_that_the_server_needs_stays_in_the_script_where_the_job_sets_one(tmp_path: Path) -> None:
    files = convert(plan_of(written(tmp_path, SETTINGS, {})), PIPELINE).files
    client, model = files["client.py"].decode(), files["model.py"].decode()
    assert "    epochs: int = args.epochs\n    width: int = 4\n" in client
    assert "    epochs: int = 3\n    width: int = 4\n" in model
    assert "from model import Net\n" in client and "class Net" not in client
    still = SETTINGS.replace("range(settings.epochs)", "range(3)").replace("epochs: int", "rounds: int")
    client = convert(plan_of(written(tmp_path, still, {})), PIPELINE).files["client.py"].decode()
    assert "from model import Net, Settings\n" in client and "class Settings" not in client


@pytest.mark.parametrize(
    ("imports", "named"),
    [
        ("from .net import Net", "hospital.net"),
        ("from . import net", "hospital.net"),
        ("from ..hospital.net import Net", "{parent}.hospital.net"),
        ("try:\n    from .net import Net\nexcept ImportError:\n    from net import Net", ""),
        ("from hospital.net import Net", ""),
    ],
)
def test_a_script_that_only_runs_as_a_module_of_its_package_is_refused(tmp_path: Path, imports, named) -> None:
    script = SCRIPT.replace('json.load(open("{path}"))', "1")
    net = "from torch import nn\n\nclass Net(nn.Linear): pass\n"
    for name, text in {"__init__.py": "", "net.py": net, "train.py": f"{imports}\n{script}"}.items():
        (tmp_path / "hospital").mkdir(exist_ok=True)
        (tmp_path / "hospital" / name).write_text(text)
    plan = make_plan(gather(Project(tmp_path / "hospital" / "train.py")))
    if not named:
        assert isinstance(plan, Plan)
        return
    (refusal,) = plan
    assert (refusal.code, str(refusal.place)) == ("FLR168", "train.py:1")
    named = named.format(parent=tmp_path.name)
    assert f"imports {named} relative to its package" in refusal.message
    assert refusal.remedy == f"name the package: from {named} import NAME"
