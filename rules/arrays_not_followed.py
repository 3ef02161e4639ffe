"""FLR122: a training in NumPy that cannot be followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts


class ArraysNotFollowed(ProgramRule):
    """
    ## What it does
    Refuses a program that trains NumPy arrays in a way in which it cannot be told which arrays are the model, what they
    start from, or how often they are updated.

    ## Why is this bad
    The server and the sites exchange the arrays that are trained, all of them, and a site weighs as much as it has done
    updates. An array left out would stay each site's own; steps counted wrong would weigh the sites wrong.

    ## Example
    ```python
    for p, g in zip([w, b], gradients):
        p -= lr * g
    ```

    ## Remedy
    Build every array before the epoch loop, under a name of its own, and update all of them beside each other in the
    loop: `w -= lr * dw` or `w = w - lr * dw`. Attributes and entries of a dictionary are names as well, `self.w` and
    `params["w"]`, where each is written out and nothing else changes them.

    ## Fix safety
    There is no fix.
    """

    CODE = "FLR122"
    MESSAGE = "This trains NumPy arrays in a way that cannot be followed."
    REMEDY = (
        "Build each array under a name of its own before the epoch loop, and update all of them beside each other in "
        "it, such as w -= lr * dw."
    )
    VALID = [
        """
        import numpy as np
        x, y = np.load("x.npy"), np.load("y.npy")
        w, b, v = np.zeros(3), 0.0, np.zeros(3)
        for epoch in range(3):
            error = x @ w + b - y
            v = 0.9 * v + x.T @ error
            w -= 0.1 * v
            b -= 0.1 * error.mean()
        """,
        """
        import numpy as np
        total = np.zeros(3)
        for row in np.load("x.npy"):
            total -= row
        """,
        """
        import numpy as np
        class Model:
            def __init__(self):
                self.w = np.zeros(3)
            def fit(self, x, y):
                for epoch in range(3):
                    self.w -= 0.1 * x.T @ (x @ self.w - y)
        Model().fit(np.load("x.npy"), np.load("y.npy"))
        """,
    ]
    INVALID = [
        Invalid(
            """
            import numpy as np
            x, y = np.load("x.npy"), np.load("y.npy")
            w = np.load("trained.npy")
            for epoch in range(3):
                w -= 0.1 * x.T @ (x @ w - y)
            """
        ),
        Invalid(
            """
            import numpy as np
            x = np.load("x.npy")
            centres = np.zeros((2, 3))
            w = np.zeros(3)
            for epoch in range(3):
                nearest = np.argmin(((x[:, None] - centres) ** 2).sum(-1), axis=1)
                centres = np.array([x[nearest == k].mean(axis=0) for k in range(2)])
                w -= 0.1 * x.T @ (x @ w - nearest)
            """
        ),
        Invalid(
            """
            import numpy as np
            x, y = np.load("x.npy"), np.load("y.npy")
            w, b = np.zeros(3), np.zeros(1)
            for epoch in range(3):
                error = x @ w + b - y
                w -= 0.1 * x.T @ error
                if epoch > 1:
                    b -= 0.1 * error.mean()
            """
        ),
        Invalid(
            """
            import numpy as np
            x, y = np.load("x.npy"), np.load("y.npy")
            w, b = np.zeros(3), np.zeros(1)
            def step(p, g):
                p -= 0.1 * g
            for epoch in range(3):
                error = x @ w + b - y
                w -= 0.1 * x.T @ error
                step(b, error.mean())
            """
        ),
        Invalid(
            """
            import numpy as np
            x, y = np.load("x.npy"), np.load("y.npy")
            w, b = np.zeros(3), np.zeros(1)
            for epoch in range(3):
                error = x @ w + b - y
                w -= 0.1 * x.T @ error
                for p, g in zip([b], [error.mean()]):
                    p -= 0.1 * g
            """
        ),
        Invalid(
            """
            import numpy as np
            x, y = np.load("x.npy"), np.load("y.npy")
            params = {"w": np.zeros(3), "b": np.zeros(1)}
            for epoch in range(3):
                error = x @ params["w"] + params["b"] - y
                grads = {"w": x.T @ error, "b": error.mean()}
                for key in params:
                    params[key] -= 0.1 * grads[key]
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The statement that cannot be followed."""
        problem = facts.array_problem
        if problem is not None:
            message = f"This trains NumPy arrays in a way that cannot be followed: {problem.what}."
            yield cls.found(problem.at.scope.file, problem.at.node, message)
