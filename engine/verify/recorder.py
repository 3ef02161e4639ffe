"""What training really does, seen from the hooks that torch calls at every optimizer step. Runs in the child processes.

A trace is a list of plain dictionaries, one per optimizer step, that the two scripts must have in common:
``optimizer`` (which one, by order of first use), ``before`` (digest of the random streams when it steps), ``training``
(is the model in training mode), ``rates`` (learning rates) and ``after`` (digest of every tensor of the model).
"""

from __future__ import annotations

import gc
import hashlib
import pickle
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from engine.verify.algorithm import ChangedGradients

WRAPPER_PREFIXES = ("module.", "_orig_mod.")


def digest(tensor: torch.Tensor) -> str:
    """Short digest of type, shape and every bit of a tensor."""
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return _hash(f"{tensor.dtype}{tuple(tensor.shape)}".encode(), raw)


def _hash(*contents: Any) -> str:
    """Of bytes and arrays; SHA-1 is what processors calculate fastest, and nobody attacks it here."""
    made = hashlib.sha1(usedforsecurity=False)
    for content in contents:
        made.update(content)
    return made.hexdigest()[:16]


def digests(state: Mapping[str, Any]) -> dict[str, str]:
    """Digest of every tensor (or array) of a state, under names without wrapper prefixes."""
    return {plain_name(name): digest(torch.as_tensor(value)) for name, value in state.items()}


def random_streams() -> dict[str, str]:
    """Digest of the state of each global random stream."""
    return {
        "torch": digest(torch.get_rng_state()),
        "numpy": _hash(pickle.dumps(numpy.random.get_state())),
        "random": _hash(pickle.dumps(random.getstate())),
    }


def seed_everything(seed: int) -> None:
    """Seed the global random streams and make torch as repeatable as it can be without failing."""
    torch.manual_seed(seed)
    numpy.random.seed(seed)
    random.seed(seed)
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("warn")  # `use_deterministic_algorithms` loads the compiler, too


def plain_name(name: str) -> str:
    """A state's key without the prefixes of DataParallel, DDP and torch.compile."""
    while name.startswith(WRAPPER_PREFIXES):
        name = name.split(".", 1)[1]
    return name


def copied_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The model's state under plain names, as copies on the CPU."""
    return {
        plain_name(name): value.detach().cpu().clone()
        for name, value in model.state_dict().items()
        if isinstance(value, torch.Tensor)
    }


class TrainingMode:
    """Notes whether anything of a model computes in training mode, as dropout does that an evaluation has left on."""

    def __init__(self) -> None:
        self._seen = False
        self._hook: RemovableHandle | None = None

    def begin(self) -> None:
        """Look from now on."""
        self._seen = False
        self._hook = self._hook or register_module_forward_pre_hook(self._look)

    def end(self) -> bool:
        """Look no more; True where something was seen."""
        if self._hook is not None:
            self._hook.remove()
        self._hook = None
        return self._seen

    def _look(self, module: torch.nn.Module, inputs: Any) -> None:
        # a loss has a mode, too, and never leaves that of training
        if module.training and (isinstance(module, _DropoutNd) or next(module.parameters(), None) is not None):
            self._seen = True


class Recorder:
    """Counts and describes every optimizer step of this process.

    Attributes:
        model: the model that is trained; found among the living modules when it is not set before the first step.
        steps: the trace since the last `restart`.
        counts: how often each optimizer stepped since the last `restart`.
        first: digest of the model's state before the first step since then.
        fail_at: raise an error in place of this step (1-based), 0 for never.
        changed_gradients: what an algorithm does to the gradients of the original; None leaves them alone.
    """

    def __init__(self) -> None:
        self.model: torch.nn.Module | None = None
        self.changed_gradients: ChangedGradients | None = None
        self._optimizers: list[torch.optim.Optimizer] = []
        self.restart()
        register_optimizer_step_pre_hook(self._before_step)
        register_optimizer_step_post_hook(self._after_step)

    def restart(self, expected: Iterable[str] = (), fail_at: int = 0) -> None:
        """Begin a new trace.

        Args:
            expected: plain names of the state of the model to look for.
            fail_at: raise an error in place of this step.
        """
        self.steps: list[dict[str, Any]] = []
        self.counts: Counter[int] = Counter()
        self.first: dict[str, str] = {}
        self.fail_at = fail_at
        if self.changed_gradients is not None:
            self.changed_gradients.restart()
        self._expected = set(expected)

    def begin(self, model: torch.nn.Module) -> None:
        """Begin a new trace of a model."""
        self.model = model
        self.restart()

    def state(self) -> dict[str, torch.Tensor] | None:
        """The model as it is now, copied; None where it is not known."""
        return copied_state(self.model) if self.model is not None else None

    def parameters(self) -> list[str]:
        """Plain names of the model's parameters; the rest of its state are buffers."""
        return [plain_name(name) for name, _ in self.model.named_parameters()] if self.model is not None else []

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not any(optimizer is known for known in self._optimizers):
            self._optimizers.append(optimizer)
        if self.fail_at == len(self.steps) + 1:
            raise RuntimeError("failure planted by verify in place of an optimizer step")
        if self.model is None:
            self.model = find_model(optimizer, self._expected)
        if self.model is not None and not self.first:
            self.first = digests(tensors_of(self.model))
        self._before = random_streams()
        if self.changed_gradients is not None and self.model is not None:
            self.changed_gradients.before_step(optimizer, self.model)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        index = next(index for index, known in enumerate(self._optimizers) if known is optimizer)
        self.counts[index] += 1
        self.steps.append(
            {
                "optimizer": index,
                "before": self._before,
                "training": self.model is None or self.model.training,
                "rates": [float(group["lr"]) for group in optimizer.param_groups if "lr" in group],
                "after": digests(tensors_of(self.model)) if self.model is not None else {},
            }
        )


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a model's state."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}


def find_model(optimizer: torch.optim.Optimizer, expected: set[str]) -> torch.nn.Module | None:
    """The living module that an optimizer trains.

    Args:
        optimizer: any optimizer.
        expected: plain names of the state of the module to prefer.

    Returns:
        The module that owns the optimizer's first parameter: the one with the expected state, else the largest one.
    """
    trained = next((parameter for group in optimizer.param_groups for parameter in group["params"]), None)
    # by type, since asking a dead weak proxy for its class fails
    modules = [living for living in gc.get_objects() if issubclass(type(living), torch.nn.Module)]
    owners = [module for module in modules if any(parameter is trained for parameter in module.parameters())]

    def fit(module: torch.nn.Module) -> tuple[bool, int]:
        names = module.state_dict().keys()
        return {plain_name(name) for name in names} == expected, len(names)

    return max(owners, key=fit, default=None)
