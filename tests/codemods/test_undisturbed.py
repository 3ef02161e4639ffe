"""The context manager around an evaluation leaves the model and its training as they were."""

from __future__ import annotations

import torch
from torch import nn

from codemods.templates.undisturbed import undisturbed


def test_what_evaluating_moves_in_a_model_is_put_back() -> None:
    """Statistics that a pass in training mode moves, numbers that it counts, and the modes."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.passes = nn.BatchNorm1d(2), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.passes += 1
            return self.norm(x)

    model = Net()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with undisturbed(model):
        model(torch.arange(8.0).reshape(4, 2))
        model.eval()
        torch.set_grad_enabled(False)
    assert (model.passes, model.training, model.norm.training, torch.is_grad_enabled()) == (0, True, True, True)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
