"""FedProx: the proximal term, which keeps a site's weights near the global ones (Li et al., 2020).

The site minimises ``loss + mu / 2 * ||weights - received weights||^2``. The gradient of the second part,
``mu * (weights - received weights)``, is added right before every optimizer step. So it counts once per step, whatever
was accumulated or scaled before it, and the loss that the script prints stays the loss.
"""

import torch
from nvflare.app_common.app_constant import AlgorithmConstants
from torch.optim.optimizer import register_optimizer_step_pre_hook


class ProximalTerm:
    """The proximal term of a model's trainable parameters."""

    def __init__(self, model):
        self.model = model
        self.mu = 0.0
        self.received = {}
        register_optimizer_step_pre_hook(self._add_gradient)

    def start_round(self, input_model):
        """Take over the job's mu, and the received weights, which the model has by now."""
        mu = (input_model.meta or {}).get(AlgorithmConstants.FEDPROX_MU)
        if mu is None:
            raise RuntimeError("the server sends no mu: this client takes part in FedProx jobs only")
        self.mu = float(mu)
        self.received = {each: each.detach().clone() for each in self.model.parameters() if each.requires_grad}

    @torch.no_grad()
    def _add_gradient(self, optimizer, args, kwargs):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter in self.received:
                    parameter.grad.add_(parameter - self.received[parameter], alpha=self.mu)
