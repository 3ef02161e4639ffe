"""The function that an evaluation among the statements of the training becomes, and what cannot become one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from engine.facts import gather
from engine.plan import Plan, make_plan
from engine.source import Project
from tests.engine.plan import inline
from tests.engine.plan.inline import check_evaluation

HEAD = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
x, y = torch.ones(4, 2), torch.ones(4, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
class Meter: pass
meter, losses = Meter(), []
"""
TRAINING = """\
    for images, labels in loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = nn.functional.mse_loss(outputs, labels)
        loss.backward()
        optimizer.step()
"""


def planned(evaluation: str, folder: Path) -> Plan:
    """The plan of a script that evaluates in its epoch loop; inside its loop over batches what starts with ``if``."""
    evaluation = dedent(evaluation)
    margin = " " * (8 if evaluation.startswith("if") else 4)
    (folder / "train.py").write_text(f"{HEAD}for epoch in range(3):\n{TRAINING}{indent(evaluation, margin)}")
    plan = make_plan(gather(Project(folder / "train.py")))
    assert isinstance(plan, Plan)
    return plan


FUNCTIONS = {
    "full batch, without a loop": (
        """\
        model.eval()
        with torch.no_grad():
            predicted = model(x)
            accuracy = (predicted.round() == y).float().mean()
            print(f"epoch {epoch}: accuracy {accuracy:.2f}")
        """,
        """\
        model.eval()
        with torch.no_grad():
            predicted = model(x)
            accuracy = (predicted.round() == y).float().mean()
        return {"accuracy": float(accuracy)}
        """,
    ),
    "a meter that is cleared after it was printed": (
        """\
        with torch.no_grad():
            for a, b in loader:
                meter.update(nn.functional.mse_loss(model(a), b).item())
        print("val loss %.3f" % meter.avg)
        meter.reset()
        """,
        """\
        with torch.no_grad():
            for a, b in loader:
                meter.update(nn.functional.mse_loss(model(a), b).item())
        results = {"loss": float(meter.avg)}
        meter.reset()
        return results
        """,
    ),
    "a meter that is cleared before": (
        """\
        meter.reset()
        with torch.no_grad():
            for a, b in loader:
                meter.update(nn.functional.mse_loss(model(a), b).item())
        print("val loss %.3f" % meter.avg)
        """,
        """\
        meter.reset()
        with torch.no_grad():
            for a, b in loader:
                meter.update(nn.functional.mse_loss(model(a), b).item())
        return {"loss": float(meter.avg)}
        """,
    ),
    "inside the loop over batches, under names of the training": (
        """\
            if epoch % 2:
                val_losses = []
                with torch.no_grad():
                    for a, b in loader:
                        outputs = model(a)
                        val_losses.append(nn.functional.mse_loss(outputs, b).item())
                val_loss = sum(val_losses) / len(val_losses)
                print("val loss", val_loss)
        """,
        """\
        val_losses = []
        with torch.no_grad():
            for a, b in loader:
                outputs = model(a)
                val_losses.append(nn.functional.mse_loss(outputs, b).item())
        val_loss = sum(val_losses) / len(val_losses)
        return {"loss": float(val_loss)}
        """,
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_an_inline_evaluation_becomes_a_function(case: str, tmp_path: Path) -> None:
    before, after = FUNCTIONS[case]
    plan = planned(before, tmp_path)
    assert plan.evaluation is not None
    (inserted,) = plan.evaluation.edits
    assert dedent(inserted.text.partition("():\n")[2]).strip() == dedent(after).strip()


NO_METRIC = {
    "a list that grows from epoch to epoch": """\
        with torch.no_grad():
            for a, b in loader:
                losses.append(nn.functional.mse_loss(model(a), b).item())
        print("mean val loss", sum(losses) / len(losses))
    """,
    "a meter that is never cleared": """\
        with torch.no_grad():
            for a, b in loader:
                meter.update(nn.functional.mse_loss(model(a), b).item())
        print("val loss %.3f" % meter.avg)
    """,
    "the loss of the training": """\
        with torch.no_grad():
            predicted = model(x)
        print("loss", loss.item())
    """,
}


@pytest.mark.parametrize("case", NO_METRIC)
def test_what_is_not_of_the_received_model_alone_is_not_sent(case: str, tmp_path: Path) -> None:
    plan = planned(NO_METRIC[case], tmp_path)
    assert plan.evaluation is None
    assert any(decision.subject == "metrics" for decision in plan.decisions)


def test_what_a_progress_bar_shows_of_the_epoch_is_left_out() -> None:
    check_evaluation(
        """\
        for epoch in range(3):
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
            model.eval()
            total = 0.0
            bar = tqdm(loader, desc=f"epoch {epoch}")
            for x, y in bar:
                total += (model(x) - y).abs().mean().item()
                bar.desc = f"epoch {epoch}"
                bar.set_postfix(epoch=epoch)
            val_loss = total / len(loader)
            print(f"loss {val_loss:.3f}")
        """,
        """\
        def evaluate():
            model.eval()
            total = 0.0
            bar = tqdm(loader)
            for x, y in bar:
                total += (model(x) - y).abs().mean().item()
            val_loss = total / len(loader)
            return {"loss": float(val_loss)}
        """,
        head=inline.HEAD.replace("TensorDataset\n\n", "TensorDataset\nfrom tqdm import tqdm\n\n", 1),
    )
