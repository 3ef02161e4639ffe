"""FLR106: a model that is not a PyTorch model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.values import Object
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

ROUTES = {
    "keras": ("Keras", "the recipes of `nvflare.app_opt.tf`"),
    "tensorflow": ("TensorFlow", "the recipes of `nvflare.app_opt.tf`"),
    "sklearn": ("scikit-learn", "the recipes of `nvflare.app_opt.sklearn`"),
    "xgboost": ("XGBoost", "the recipes of `nvflare.app_opt.xgboost`"),
    "lightgbm": ("LightGBM", "a client written by hand with `nvflare.client`; FLARE's tree recipes are for XGBoost"),
    "catboost": ("CatBoost", "a client written by hand with `nvflare.client`; FLARE's tree recipes are for XGBoost"),
    "jax": ("JAX", "a client written by hand with `nvflare.client` and NumPy parameters"),
    "flax": ("Flax", "a client written by hand with `nvflare.client` and NumPy parameters"),
    "paddle": ("PaddlePaddle", "a client written by hand with `nvflare.client` and NumPy parameters"),
    "mxnet": ("MXNet", "a client written by hand with `nvflare.client` and NumPy parameters"),
}
TRAINS = (".fit", ".fit_generator", ".train_on_batch", ".partial_fit", ".apply_gradients", ".minimize")
TRAINERS = ("xgboost.train", "xgboost.cv", "lightgbm.train", "lightgbm.cv", "jax.grad", "jax.value_and_grad")
NOT_MODELS = ("sklearn.preprocessing.", "sklearn.feature_extraction.", "sklearn.impute.", "sklearn.decomposition.")


class NotPytorch(ProgramRule):
    """
    ## What it does
    Refuses a program that trains a model of TensorFlow, Keras, scikit-learn, XGBoost or another library, and none of
    PyTorch.

    ## Why is this bad
    This tool knows training loops of PyTorch and of NumPy. NVIDIA FLARE itself federates the others too, by recipes of
    their own.

    ## Example
    ```python
    model = keras.Sequential([keras.layers.Dense(1)])
    model.fit(x, y)
    ```

    ## Remedy
    Use the recipe that the message names.

    ## Fix safety
    There is no fix.

    ## References
    - [NVIDIA FLARE job recipes](https://nvflare.readthedocs.io/en/main/user_guide/data_scientist_guide/job_recipe.html)
    """

    CODE = "FLR106"
    MESSAGE = "The model that is trained here is not a PyTorch model."
    REMEDY = "Use NVIDIA FLARE's recipe for this library, or train a PyTorch model."
    VALID = [
        """
        import torch
        from sklearn.preprocessing import StandardScaler
        x = StandardScaler().fit(data).transform(data)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            loss_of(model(x)).backward()
            optimizer.step()
        """,
        "from sklearn.model_selection import train_test_split\na, b = train_test_split(data)",
    ]
    INVALID = [
        Invalid("from keras.models import Sequential\nmodel = Sequential()\nmodel.fit(x, y, epochs=3)"),
        Invalid("from sklearn import svm\nsvm.SVC().fit(x, y)"),
        Invalid("import xgboost as xgb\nbooster = xgb.train({}, data)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first call that trains such a model, in a program that trains none of PyTorch's."""
        if facts.loop is not None or next(facts.trace.named(".backward"), None):
            return
        for event in facts.trace.events:
            library = trained_by(event)
            if library in ROUTES:
                name, route = ROUTES[library]
                message = f"This trains a model of {name}; NVIDIA FLARE's way for it is {route}."
                yield cls.found(event.scope.file, event.node, message)
                return


def trained_by(event: Event) -> str:
    """The library whose model a call trains; empty for any other call."""
    if event.name in TRAINERS:
        return event.name.partition(".")[0]
    receiver = event.receiver
    if event.name in TRAINS and isinstance(receiver, Object):
        name = receiver.kind
        if receiver.cls is not None:
            name = next((base.name for base in receiver.cls.ancestry() if hasattr(base, "name")), "")
        return "" if name.startswith(NOT_MODELS) else name.partition(".")[0]
    return ""
