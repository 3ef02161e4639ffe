"""Generated training scripts, in every shape that people give them: what holds for any conversion holds for these."""

from __future__ import annotations

import ast
import os
import tempfile
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import atomic
from engine.plan import Choices
from tests.codemods.tools import check_promises, whole_pipeline, written

SHAPES = ("module", "main", "trainer", "nested function", "with and try")
EVALUATIONS = {
    "none": "",
    "prints": 'print("loss", total / 8)',
    "returns a number": "return total / 8",
    "returns two": "return total / 8, correct / 8",
    "returns a dictionary": 'return {"loss": total / 8, "accuracy": correct / 8}',
}
SCHEDULERS = {
    "none": "",
    "step": "StepLR(optimizer, step_size=2)",
    "cosine": "CosineAnnealingLR(optimizer, T_max=EPOCHS)",
    "one cycle": "OneCycleLR(optimizer, 0.1, epochs=EPOCHS, steps_per_epoch=2)",
    "lambda": "LambdaLR(optimizer, lambda epoch: 0.9**epoch)",
    "plateau": "ReduceLROnPlateau(optimizer)",
}
LOOPS = {
    "range": "for epoch in range(EPOCHS):",
    "from one": "for epoch in range(1, EPOCHS + 1):",
    "start": "for epoch in range(start, EPOCHS):",
    "while": "while epoch < EPOCHS:",
}
TAKEN = (
    "flare",
    "metrics",
    "params",
    "steps",
    "site_data",
    "input_model",
    "Counter",
    "parser",
    "undisturbed",
    "evaluate",
)
MOST_CHANGED_LINES = 6
EXAMPLES = int(os.environ.get("EXAMPLES", 25))
STYLES = {"indent": ("    ", "  ", "\t"), "newline": ("\n", "\r\n"), "final": (True, False)}

options = st.fixed_dictionaries({
    "shape": st.sampled_from(SHAPES),
    "evaluation": st.sampled_from(sorted(EVALUATIONS)),
    "scheduler": st.sampled_from(sorted(SCHEDULERS)),
    "loop": st.sampled_from(sorted(LOOPS)),
    "arguments": st.booleans(),
    "own class": st.booleans(),
    "wrapped": st.sampled_from(["", "nn.DataParallel(model)", "torch.compile(model)"]),
    "taken": st.sampled_from(["", *TAKEN]),
    "accumulate": st.booleans(),
    "break": st.booleans(),
    "comments": st.booleans(),
    **{name: st.sampled_from(values) for name, values in STYLES.items()},
})  # fmt: skip


def script(chosen: dict) -> str:
    """A training script."""
    epochs = "args.epochs" if chosen["arguments"] and chosen["shape"] != "trainer" else "3"
    parts = [HEAD, NET if chosen["own class"] else "", evaluation(chosen), program(chosen).replace("EPOCHS", epochs)]
    text = "\n\n".join(part for part in parts if part)
    if chosen["taken"]:
        text = text.replace("\nRATE = 0.1", f"\n{chosen['taken']} = 'mine'\nRATE = 0.1", 1)
    if chosen["comments"]:
        text = "".join(f"{line}  # line {n}\n" if line else "\n" for n, line in enumerate(text.splitlines()))
    text = text if chosen["final"] else text.rstrip()
    return text.replace("    ", chosen["indent"]).replace("\n", chosen["newline"])


HEAD = """\
import argparse
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

RATE = 0.1
data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
"""
NET = """\
class Net(nn.Module):
    def __init__(self, hidden=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.layers(x)
"""


def evaluation(chosen: dict) -> str:
    """The evaluating function, with what it gives back."""
    if chosen["evaluation"] == "none":
        return ""
    return f"""\
def validate(model, loader):
    model.eval()
    total, correct = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            output = model(x)
            total += nn.functional.mse_loss(output, y, reduction="sum").item()
            correct += (output.round() == y).sum().item()
    {EVALUATIONS[chosen["evaluation"]]}
"""


def program(chosen: dict) -> str:
    """The training, in its shape."""
    parse = "parser_ = argparse.ArgumentParser()\nparser_.add_argument('--epochs', type=int, default=3)\n"
    parse = f"{parse}args = parser_.parse_args()\n" if chosen["arguments"] else ""
    setup = f"{parse}loader = DataLoader(data, batch_size=4)\n{built(chosen)}"
    train = loop(chosen)
    match chosen["shape"]:
        case "module":
            return setup + train
        case "main":
            return f'def main():\n{_in(setup + train)}\n\nif __name__ == "__main__":\n    main()\n'
        case "nested function":
            return f"def main():\n{_in(setup)}    def run():\n{_in(_in(train))}    run()\n\n\nmain()\n"
        case "with and try":
            tried = (
                f'with open("log") as log:\n    try:\n{_in(_in(train))}    except KeyboardInterrupt:\n        pass\n'
            )
            return f"def main():\n{_in(setup + tried)}\n\nmain()\n"
    fields = "self.model, self.loader, self.optimizer, self.scheduler = model, loader, optimizer, scheduler\n"
    unpacked = "model, loader, optimizer, scheduler = self.model, self.loader, self.optimizer, self.scheduler\n"
    trainer = f"class Trainer:\n    def __init__(self, model, loader, optimizer, scheduler):\n{_in(_in(fields))}"
    trainer += f"\n    def fit(self):\n{_in(_in(unpacked + train))}"
    return f"{trainer}\n\n{setup}trainer = Trainer(model, loader, optimizer, scheduler)\ntrainer.fit()\n"


def built(chosen: dict) -> str:
    """The model, its optimizer and its schedule."""
    model = "model = Net(hidden=8)\n" if chosen["own class"] else "model = nn.Linear(2, 1)\n"
    model += f"model = {chosen['wrapped']}\n" if chosen["wrapped"] else ""
    scheduler = SCHEDULERS[chosen["scheduler"]] or "None"
    return f"{model}optimizer = torch.optim.SGD(model.parameters(), lr=RATE)\nscheduler = {scheduler}\n"


def loop(chosen: dict) -> str:
    """The epoch loop, with what stands before it."""
    body = "model.train()\nfor index, (x, y) in enumerate(loader):\n    loss = nn.functional.mse_loss(model(x), y)\n"
    body += "    loss.backward()\n"
    step = "optimizer.step()\noptimizer.zero_grad()\n"
    body += _in(f"if index % 2 == 1:\n{_in(step)}" if chosen["accumulate"] else step)
    if chosen["evaluation"] != "none":
        body += "result = validate(model, loader)\n"
    if chosen["scheduler"] != "none":
        body += "scheduler.step(1.0)\n" if chosen["scheduler"] == "plateau" else "scheduler.step()\n"
    if chosen["loop"] == "while":
        body += "epoch += 1\n"
    if chosen["break"] and chosen["loop"] != "while":
        body += "if loss.item() < 0.01:\n    break\n"
    before = {"start": "start = 0\n", "while": "epoch = 0\n"}.get(chosen["loop"], "")
    return f"{before}{LOOPS[chosen['loop']]}\n{_in(body)}"


def _in(text: str) -> str:
    """Text one level deeper."""
    return indent(text, "    ")


@settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(options)
def test_any_training_script_keeps_the_promises(chosen: dict) -> None:
    """Its conversion compiles, keeps every comment and the style, is the same again, and is not converted itself."""
    text = script(chosen)
    ast.parse(text)
    with tempfile.TemporaryDirectory() as folder:
        files = check_promises(written(Path(folder), text, {}))
        client = files["client.py"].decode()
    assert client.count("\n") == client.count(chosen["newline"])
    assert client.endswith("\n") == chosen["final"]
    kept = {line.strip() for name in ("client.py", "model.py") for line in files.get(name, b"").decode().splitlines()}
    own = [line.strip() for line in text.splitlines() if line.strip()]
    assert sum(line not in kept for line in own) <= MOST_CHANGED_LINES


VERIFIED = {
    "a main function": {"shape": "main", "evaluation": "returns two", "scheduler": "step", "loop": "from one"},
    "a trainer": {"shape": "trainer", "evaluation": "returns a dictionary", "scheduler": "plateau", "loop": "range"},
    "a module": {"shape": "module", "evaluation": "returns a number", "scheduler": "lambda", "loop": "start"},
}
PLAIN = {name: values[0] for name, values in STYLES.items()} | {"wrapped": "", "taken": "metrics", "comments": True}


@pytest.mark.parametrize("case", VERIFIED)
def test_a_generated_script_is_the_same_training_when_converted(tmp_path: Path, case: str) -> None:
    """One site trains bit for bit what the script trains, in one round and in several."""
    pytest.importorskip("nvflare")
    from engine.verify import Settings, verify
    from engine.verify.report import Outcome

    chosen = {**PLAIN, "arguments": case != "a trainer", "own class": True, "accumulate": True, "break": False}
    entry = written(tmp_path, script(chosen | VERIFIED[case]), {})
    files = whole_pipeline(entry, tmp_path / "federated", Choices()).files
    atomic.write(tmp_path / "federated", files)
    report = verify(tmp_path / "federated", Settings(sites=(), time_limit=120))
    assert [check for check in report.checks if check.outcome is Outcome.FAILS] == []
    assert {check.proof for check in report.checks if check.outcome is Outcome.HOLDS} >= {"P1", "P2", "P3", "P5", "P6"}
