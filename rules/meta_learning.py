"""FLR110: meta-learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.values import plain
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of

if TYPE_CHECKING:
    from engine.facts import Facts

LIBRARIES = ("higher.", "learn2learn.algorithms.", "learn2learn.clone_module", "torchmeta.", "torchopt.")
FUNCTIONAL = ("torch.func.functional_call", "torch.nn.utils.stateless.functional_call", "functorch.make_functional")


class MetaLearning(ProgramRule):
    """
    ## What it does
    Refuses a program that trains through an inner training (MAML and its kin): with `higher`, `learn2learn`,
    `torchmeta`, `torchopt`, or with `functional_call` on weights got from a differentiable `autograd.grad`.

    ## Why is this bad
    The optimizer steps initial weights, and the inner loop works on copies that no `state_dict` holds. What a site
    should evaluate and send after a round is a question of the algorithm.

    ## Example
    ```python
    with higher.innerloop_ctx(model, inner_optimizer) as (fast_model, inner):
        inner.step(loss_of(fast_model(x), y))
    ```

    ## Remedy
    Write the client by hand with `nvflare.client`, following an algorithm for federated meta-learning.

    ## Fix safety
    There is no fix.

    ## References
    - Finn et al., Model-Agnostic Meta-Learning, 2017
    - Fallah et al., Personalized Federated Learning with Theoretical Guarantees, 2020
    """

    CODE = "FLR110"
    MESSAGE = "This program trains through an inner training (meta-learning), which has no round to convert to."
    REMEDY = "Write the client by hand with nvflare.client, following an algorithm for federated meta-learning."
    VALID = [
        "import torch\ngradient, = torch.autograd.grad(score.sum(), x, create_graph=True)",
        "from torch.func import functional_call\ny = functional_call(model, weights, x)",
    ]
    INVALID = [
        Invalid("import learn2learn as l2l\nmaml = l2l.algorithms.MAML(model, lr=0.1)"),
        Invalid(
            """
            import torch
            from torch.func import functional_call
            gradients = torch.autograd.grad(loss, weights, create_graph=True)
            fast = {name: weight - 0.1 * gradient for name, weight, gradient in zip(names, weights, gradients)}
            functional_call(model, fast, x)
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The library's first call, or the functional call that follows a differentiable gradient."""
        event = next(calls_of(facts, *LIBRARIES), None)
        gradients = facts.trace.named("torch.autograd.grad")
        if not event and any(plain(gradient.kwargs.get("create_graph")) is True for gradient in gradients):
            event = next(calls_of(facts, *FUNCTIONAL), None)
        if event:
            yield cls.found(event.scope.file, event.node)
