"""SCAFFOLD: corrections that keep sites with different data from drifting apart (Karimireddy et al., 2020).

Every optimizer step takes ``gradient - local control + global control`` in place of the gradient. After a round the
local control is the mean of the gradients that the site itself had in it. For SGD this is option II of the paper,
``local - global + (received weights - trained weights) / (steps * learning rate)``, and it stays right where the
learning rate changes within the round.
"""

import torch
from nvflare.app_common.app_constant import AlgorithmConstants
from torch.optim.optimizer import register_optimizer_step_pre_hook


class ScaffoldControls:
    """The control variates of a model's trainable parameters, by their names."""

    def __init__(self, model):
        self.model = model
        self.local = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
        self.correction, self.names, self.sums, self.steps = {}, {}, {}, {}
        register_optimizer_step_pre_hook(self._correct_gradient)

    def start_round(self, input_model):
        """Take over the global controls of the server."""
        controls = (input_model.meta or {}).get(AlgorithmConstants.SCAFFOLD_CTRL_GLOBAL)
        if controls is None:
            raise RuntimeError("the server sends no controls: this client takes part in SCAFFOLD jobs only")
        self.names = {value: name for name, value in self.model.named_parameters() if value.requires_grad}
        self.correction = {
            name: torch.as_tensor(controls[name]).to(value) - self.local[name].to(value)
            for value, name in self.names.items()
        }
        self.sums = {name: torch.zeros_like(value) for value, name in self.names.items()}
        self.steps = dict.fromkeys(self.sums, 0)

    def end_round(self):
        """What the server has to know of the round: how the local controls have changed."""
        if not any(self.steps.values()):
            raise RuntimeError("no optimizer step was seen in this round, so there are no controls to send")
        changes = {}
        for name in self.sums:
            if self.steps[name]:
                changes[name] = self.sums[name] / self.steps[name] - self.local[name].to(self.sums[name])
                self.local[name] = self.local[name].to(changes[name]) + changes[name]
        return {AlgorithmConstants.SCAFFOLD_CTRL_DIFF: {name: value.cpu().numpy() for name, value in changes.items()}}

    @torch.no_grad()
    def _correct_gradient(self, optimizer, args, kwargs):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = self.names.get(parameter)
                if parameter.grad is not None and name is not None:
                    # SGD adds the weight decay to the gradient, so it is part of it
                    self.sums[name] += parameter.grad.add(parameter, alpha=group.get("weight_decay", 0.0))
                    self.steps[name] += 1
                    parameter.grad += self.correction[name]
