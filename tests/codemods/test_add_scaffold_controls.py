"""A SCAFFOLD client corrects its gradients and sends its controls; what the paper does not cover is refused."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from nvflare.app_common.abstract.fl_model import FLModel
from torch import nn
from torch.optim import optimizer as torch_optimizer

from codemods import add_scaffold_controls
from engine.plan import Plan
from tests.codemods import tools

check_converted = partial(tools.check_converted, add_scaffold_controls.step, recipe="scaffold-pt")
TEMPLATE = Path(add_scaffold_controls.__file__).parent / "templates" / "scaffold_controls.py"
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


def test_controls_start_and_end_every_round() -> None:
    check_converted(
        SCRIPT,
        """\
        import torch
        from nvflare.app_common.abstract.fl_model import MetaKey
        from torch import nn

        from scaffold_controls import ScaffoldControls

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        controls = ScaffoldControls(model)  # SCAFFOLD: corrects the gradients

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            model.load_state_dict(input_model.params)
            controls.start_round(input_model)
            for epoch in range(3):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()

            params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
            flare.send(
                flare.FLModel(
                    params=params,
                    meta={MetaKey.NUM_STEPS_CURRENT_ROUND: steps["done"], **controls.end_round()},
                )
            )
        """,
        also={"scaffold_controls.py": TEMPLATE.read_text()},
    )


def test_other_recipes_have_no_controls(tmp_path: Path) -> None:
    plan = tools.planned(tmp_path, SCRIPT, "fedprox-pt")
    assert isinstance(plan, Plan)
    assert not list(add_scaffold_controls.step.edits(plan))
    assert not add_scaffold_controls.step.files(plan)


@pytest.mark.parametrize(
    ("codes", "before", "after"),
    [
        (["FLR159"], "optim.SGD", "optim.Adam"),
        (["FLR159"], "optim.SGD", "optim.RMSprop"),
        (["FLR155"], "optimizer.step()", "optimizer.step(lambda: nn.functional.mse_loss(model(x), y))"),
        (["FLR155", "FLR159"], "torch.optim.SGD", "torch.optim.LBFGS"),
    ],
)
def test_what_the_paper_does_not_cover_is_refused(tmp_path: Path, codes: list[str], before: str, after: str) -> None:
    script = SCRIPT.replace(before, after)
    if "LBFGS" in after:
        script = script.replace("optimizer.step()", "optimizer.step(lambda: 1)")
    refused = tools.planned(tmp_path, script, "scaffold-pt")
    assert isinstance(refused, list)
    assert [(each.code, each.place and each.place.line) for each in refused] == [(code, 10) for code in codes]
    assert isinstance(tools.planned(tmp_path, script, "fedavg-pt"), Plan)


@pytest.mark.parametrize(("momentum", "said"), [("0.9", True), ("0", False), ("x.mean()", True)])
def test_momentum_is_said(tmp_path: Path, momentum: str, said: bool) -> None:
    plan = tools.planned(tmp_path, SCRIPT.replace("lr=0.1)", f"lr=0.1, momentum={momentum})"), "scaffold-pt")
    assert isinstance(plan, Plan)
    assert any("momentum" in decision.decision for decision in plan.decisions) is said


@pytest.fixture(autouse=True)
def own_hooks() -> Iterator[None]:
    """The hooks of a test do not outlive it."""
    before = dict(torch_optimizer._global_optimizer_pre_hooks)
    yield
    torch_optimizer._global_optimizer_pre_hooks.clear()
    torch_optimizer._global_optimizer_pre_hooks.update(before)


class Site:
    """A linear model with data of its own, trained with the helper."""

    def __init__(self, seed: int, lr: float = 0.05, weight_decay: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.inputs, self.labels = torch.rand(6, 3, generator=generator), torch.rand(6, 1, generator=generator)
        self.model = nn.Linear(3, 1)
        self.controls = runpy.run_path(str(TEMPLATE))["ScaffoldControls"](self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, weight_decay=weight_decay)

    def train(self, weights: dict, controls: dict, steps: int) -> tuple[dict, dict]:
        """The weights after a round, and how the controls have changed."""
        self.model.load_state_dict(weights)
        self.controls.start_round(FLModel(params={}, meta={"scaffold_c_global": controls}))
        for _ in range(steps):
            self.optimizer.zero_grad()
            nn.functional.mse_loss(self.model(self.inputs), self.labels).backward()
            self.optimizer.step()
        state = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        return state, self.controls.end_round()["scaffold_c_diff"]


def gradient(site: Site, weights: dict, weight_decay: float) -> dict:
    values = {name: value.clone().requires_grad_() for name, value in weights.items()}
    output = site.inputs @ values["weight"].T + values["bias"]
    nn.functional.mse_loss(output, site.labels).backward()
    return {name: value.grad + weight_decay * value.detach() for name, value in values.items()}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_algorithm_1_of_the_paper(weight_decay: float) -> None:
    """Three rounds at two sites, against option II of the paper as it stands there."""
    lr, steps = 0.05, 7
    sites = [Site(seed, lr, weight_decay) for seed in (1, 2)]
    weights = {name: value.detach().clone() for name, value in sites[0].model.state_dict().items()}
    expected = weights
    controls = {name: np.zeros_like(value.numpy()) for name, value in weights.items()}
    c = {name: torch.zeros_like(value) for name, value in weights.items()}
    c_i = [dict(c), dict(c)]
    for _ in range(3):
        sent = [site.train(weights, controls, steps) for site in sites]
        weights = {name: (sent[0][0][name] + sent[1][0][name]) / 2 for name in weights}
        controls = {name: controls[name] + (sent[0][1][name] + sent[1][1][name]) / 2 for name in controls}
        trained, changes = [], []
        for number, site in enumerate(sites):
            y = expected
            for _ in range(steps):
                g = gradient(site, y, weight_decay)
                y = {name: y[name] - lr * (g[name] - c_i[number][name] + c[name]) for name in y}
            plus = {name: c_i[number][name] - c[name] + (expected[name] - y[name]) / (steps * lr) for name in y}
            changes.append({name: plus[name] - c_i[number][name] for name in y})
            trained.append(y)
            c_i[number] = plus
        expected = {name: (trained[0][name] + trained[1][name]) / 2 for name in c}
        c = {name: c[name] + (changes[0][name] + changes[1][name]) / 2 for name in c}
        for name in weights:
            assert torch.allclose(weights[name], expected[name], atol=1e-6)
            assert torch.allclose(torch.as_tensor(controls[name]), c[name], atol=1e-5)
    assert any(bool((c_i[0][name] - c[name]).abs().max() > 1e-2) for name in c)


def test_one_site_is_its_own_training_to_the_last_bit() -> None:
    """Its controls are the server's, so nothing is corrected."""
    site, alone = Site(1), Site(1)
    weights = {name: value.detach().clone() for name, value in site.model.state_dict().items()}
    alone.model.load_state_dict(weights)
    controls = {name: np.zeros_like(value.numpy()) for name, value in weights.items()}
    for _ in range(3):
        weights, change = site.train(weights, controls, 5)
        controls = {name: controls[name] + change[name] for name in controls}
    for _ in range(15):
        alone.optimizer.zero_grad()
        nn.functional.mse_loss(alone.model(alone.inputs), alone.labels).backward()
        alone.optimizer.step()
    assert all(torch.equal(weights[name], value) for name, value in alone.model.state_dict().items())


def test_a_round_without_a_step_and_a_job_that_is_not_scaffold_are_errors() -> None:
    site = Site(1)
    weights = {name: value.detach().clone() for name, value in site.model.state_dict().items()}
    with pytest.raises(RuntimeError, match="no optimizer step"):
        site.train(weights, {name: np.zeros_like(value.numpy()) for name, value in weights.items()}, 0)
    with pytest.raises(RuntimeError, match="SCAFFOLD jobs only"):
        site.controls.start_round(FLModel(params={}))
