"""The received arrays take the place of the script's own, in their shapes and types."""

from __future__ import annotations

import sys
from functools import partial
from importlib.resources import files

import numpy as np
import pytest

from codemods import load_global_arrays
from tests.codemods import tools

check_converted = partial(tools.check_converted, load_global_arrays.step)
check_diff = partial(tools.check_diff, load_global_arrays.step)


def test_elements_of_what_is_changed_in_place_and_names_of_what_is_not() -> None:
    check_converted(
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w, c, b = np.zeros(3), np.ones(1), 0.0
        for epoch in range(3):
            error = x @ w + c + b - y
            w -= 0.1 * x.T @ error
            c = c - 0.1 * error.mean()
            b -= 0.1 * error.mean()
        """,
        """\
        import numpy as np
        from nvflare.app_common.np.constants import NPConstants

        import model_arrays

        x, y = np.load("x.npy"), np.load("y.npy")
        w, c, b = np.zeros(3), np.ones(1), 0.0

        while flare.is_running():
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
            w[...], c, b = model_arrays.unpack(input_model.params[NPConstants.NUMPY_KEY], w, c, b)
            for epoch in range(3):
                error = x @ w + c + b - y
                w -= 0.1 * x.T @ error
                c = c - 0.1 * error.mean()
                b -= 0.1 * error.mean()
        """,
    )


def test_one_array_in_a_function_where_names_are_taken() -> None:
    check_diff(
        """\
          import numpy as np
        + from nvflare.app_common.np.constants import NPConstants as FlareNPConstants
        +
        + import model_arrays as flare_model_arrays

          model_arrays, NPConstants = 1, 2


          def train(x, y, w, epochs=5):
        -     for i in range(epochs):
        -         w = w - 0.1 * x.T @ (x @ w - y)
        +
        +     while flare.is_running():
        +         input_model = flare.receive()
        +         if flare.is_submit_model():
        +             flare.send(flare.FLModel(params=params))
        +             continue
        +         w = flare_model_arrays.unpack(input_model.params[FlareNPConstants.NUMPY_KEY], w)[0]
        +         for i in range(epochs):
        +             w = w - 0.1 * x.T @ (x @ w - y)
              return w


          train(np.load("x.npy"), np.load("y.npy"), np.zeros((3, 1)))
        """,
    )


def test_a_model_of_pytorch_is_left_to_the_other_step() -> None:
    check_converted(
        """\
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 2)).mean().backward()
            optimizer.step()
        """,
        """\
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                model(torch.ones(4, 2)).mean().backward()
                optimizer.step()
        """,
    )


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch):
    """The module that the step adds."""
    monkeypatch.syspath_prepend(str(files("codemods").joinpath("templates")))
    monkeypatch.delitem(sys.modules, "model_arrays", raising=False)
    import model_arrays

    yield model_arrays
    sys.modules.pop("model_arrays", None)


def test_what_is_packed_comes_back_bit_by_bit_in_shape_and_type(helper) -> None:
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3) / 7, np.array([1e-300, 3.0]), 0.1, np.float64(2.5))
    back = helper.unpack(helper.pack(*arrays), *arrays)
    for array, other in zip(arrays, back, strict=True):
        np.testing.assert_array_equal(array, other, strict=isinstance(array, np.ndarray))
    assert [type(value) for value in back[2:]] == [float, float]


def test_what_is_packed_is_a_copy(helper) -> None:
    w = np.zeros((2, 2))
    packed = helper.pack(w)
    assert packed.shape == (2, 2)
    w += 1
    assert not packed.any()


def test_another_size_and_whole_numbers_are_refused(helper) -> None:
    with pytest.raises(ValueError, match="the server has another model"):
        helper.unpack(np.zeros(4), np.zeros(3))
    with pytest.raises(TypeError, match="build it with floats"):
        helper.unpack(np.zeros(3), np.zeros(3, dtype=int))
