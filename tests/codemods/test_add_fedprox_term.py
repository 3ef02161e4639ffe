"""A FedProx client holds its weights near the received ones; what it cannot do right is refused."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from nvflare.app_common.abstract.fl_model import FLModel
from torch import nn
from torch.optim import optimizer as torch_optimizer

from codemods import add_fedprox_term
from engine.plan import Plan
from tests.codemods import tools

check_converted = partial(tools.check_converted, add_fedprox_term.step, recipe="fedprox-pt")
check_diff = partial(tools.check_diff, add_fedprox_term.step, recipe="fedprox-pt")
TEMPLATE = Path(add_fedprox_term.__file__).parent / "templates" / "proximal_term.py"
SCRIPT = """\
import torch
from torch import nn

x, y = torch.ones(4, 2), torch.ones(4, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""


def test_the_term_stands_beside_the_model_and_starts_every_round() -> None:
    check_converted(
        SCRIPT,
        """\
        import torch
        from torch import nn

        from proximal_term import ProximalTerm

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        proximal_term = ProximalTerm(model)  # FedProx: keeps the weights near the received ones

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            model.load_state_dict(input_model.params)
            proximal_term.start_round(input_model)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
        also={"proximal_term.py": TEMPLATE.read_text()},
    )


def test_names_of_the_script_are_kept() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
        +
        + from proximal_term import ProximalTerm as FedProxTerm


          class ProximalTerm(nn.Module):
              def __init__(self):
                  super().__init__()
                  self.layer = nn.Linear(2, 1)

              def forward(self, x):
                  return self.layer(x)


          proximal_term = nn.DataParallel(ProximalTerm())
          optimizer = torch.optim.Adam(proximal_term.parameters())
        - for epoch in range(3):
        -     optimizer.zero_grad()
        -     proximal_term(torch.ones(4, 2)).mean().backward()
        -     optimizer.step()
        + fedprox_term = FedProxTerm(proximal_term.module)  # FedProx: keeps the weights near the received ones
        +
        + while flare.is_running():
        +     input_model = flare.receive()
        +     if flare.is_submit_model():
        +         flare.send(flare.FLModel(params=params))
        +         continue
        +     proximal_term.module.load_state_dict(input_model.params)
        +     fedprox_term.start_round(input_model)
        +     for epoch in range(3):
        +         optimizer.zero_grad()
        +         proximal_term(torch.ones(4, 2)).mean().backward()
        +         optimizer.step()
        """,
    )


def test_other_recipes_have_no_term(tmp_path: Path) -> None:
    plan = tools.planned(tmp_path, SCRIPT, "fedopt-pt")
    assert isinstance(plan, Plan)
    assert not list(add_fedprox_term.step.edits(plan))
    assert not add_fedprox_term.step.files(plan)


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("FLR155", "optimizer.step()", "optimizer.step(lambda: nn.functional.mse_loss(model(x), y))"),
        ("FLR156", "SGD(model.parameters(), lr=0.1)", "swa.Around(torch.optim.SGD(model.parameters(), lr=0.1))"),
        ("FLR157", "lr=0.1)", "lr=0.1, maximize=True)"),
        ("FLR158", "optimizer.step()", "torch.amp.GradScaler().step(optimizer)"),
    ],
)
def test_what_it_cannot_do_right_is_refused(tmp_path: Path, code: str, before: str, after: str) -> None:
    assert before in SCRIPT
    script = SCRIPT.replace(before, after)
    script = script.replace("lr=0.1)", "lr=0.1, fused=True)") if code == "FLR158" else script
    refused = tools.planned(tmp_path, script, "fedprox-pt")
    assert isinstance(refused, list)
    assert [(each.code, each.place and each.place.line) for each in refused] == [(code, 10)]
    assert "FedProx" in refused[0].message and refused[0].remedy
    assert isinstance(tools.planned(tmp_path, script, "fedavg-pt"), Plan)


def test_unfused_scaled_gradients_are_right(tmp_path: Path) -> None:
    script = SCRIPT.replace("optimizer.step()", "torch.amp.GradScaler().step(optimizer)")
    assert isinstance(tools.planned(tmp_path, script, "fedprox-pt"), Plan)


def test_what_is_clipped_is_said(tmp_path: Path) -> None:
    script = SCRIPT.replace(
        "    optimizer.step()", "    nn.utils.clip_grad_norm_(model.parameters(), 1)\n    optimizer.step()"
    )
    plan = tools.planned(tmp_path, script, "fedprox-pt")
    assert isinstance(plan, Plan)
    assert "clips its own gradient" in {d.subject: d.decision for d in plan.decisions}["FedProx"]


class Held:
    """A model of two weights and a frozen one, trained by the helper and by hand."""

    def __init__(self, mu: float) -> None:
        self.model = nn.Linear(2, 1)
        self.model.bias.requires_grad_(False).zero_()
        nn.init.ones_(self.model.weight)
        self.term = runpy.run_path(str(TEMPLATE))["ProximalTerm"](self.model)
        self.term.start_round(FLModel(params={}, meta={"fedprox_mu": mu}))


@pytest.fixture(autouse=True)
def own_hooks() -> Iterator[None]:
    """The hooks of a test do not outlive it."""
    before = dict(torch_optimizer._global_optimizer_pre_hooks)
    yield
    torch_optimizer._global_optimizer_pre_hooks.clear()
    torch_optimizer._global_optimizer_pre_hooks.update(before)


def losses(model: nn.Module) -> list[torch.Tensor]:
    inputs = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25], [2.0, 2.0]])
    return [model(row).square().sum() for row in inputs]


def by_hand(mu: float, steps: int, lr: float, losses_of: Any = losses) -> torch.Tensor:
    """Gradient descent on the loss and the proximal term, with autograd through both."""
    held = Held(0.0)
    received = held.model.weight.detach().clone()
    for _ in range(steps):
        loss = sum(losses_of(held.model)) + mu / 2 * (held.model.weight - received).square().sum()
        (gradient,) = torch.autograd.grad(loss, [held.model.weight])
        held.model.weight.data -= lr * gradient
    return held.model.weight.detach()


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_term_counts_once_per_step_however_often_it_goes_backward(parts: int, scaled: bool) -> None:
    held = Held(mu=3.0)
    optimizer = torch.optim.SGD([{"params": [held.model.weight]}, {"params": [held.model.bias], "lr": 9.0}], lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, enabled=scaled)
    for _ in range(5):
        optimizer.zero_grad()
        each = losses(held.model)
        for part in range(parts):
            scaler.scale(sum(each[part::parts])).backward()
        scaler.step(optimizer)
        scaler.update()
    assert torch.allclose(held.model.weight, by_hand(3.0, 5, 0.01), rtol=1e-6)
    assert not torch.allclose(held.model.weight, by_hand(0.0, 5, 0.01), rtol=1e-3)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_without_mu_it_is_fedavg_to_the_last_bit(optimizer: type[torch.optim.Optimizer]) -> None:
    trained = []
    for mu in (0.0, None, 1.0):
        held = Held(mu or 0.0)
        if mu is None:
            torch_optimizer._global_optimizer_pre_hooks.clear()
        stepping = optimizer([held.model.weight], lr=0.01)
        for _ in range(5):
            stepping.zero_grad()
            sum(losses(held.model)).backward()
            stepping.step()
        trained.append(held.model.weight.detach())
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[1], trained[2])


def test_a_job_that_is_not_fedprox_is_an_error() -> None:
    held = Held(mu=1.0)
    with pytest.raises(RuntimeError, match="FedProx jobs only"):
        held.term.start_round(FLModel(params={}))
