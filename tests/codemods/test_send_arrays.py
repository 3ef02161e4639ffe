"""What is sent are copies of the trained arrays, with the metrics of the received ones and the updates done."""

from __future__ import annotations

from functools import partial

from codemods import send_arrays
from tests.codemods import tools

check_converted = partial(tools.check_converted, send_arrays.step)

LOAD = """\
            input_model = flare.receive()
            if flare.is_submit_model():
                flare.send(flare.FLModel(params=params))
                continue
"""


def test_the_trained_arrays() -> None:
    check_converted(
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w = np.zeros(3)
        for epoch in range(3):
            w -= 0.1 * x.T @ (x @ w - y)
        """,
        f"""\
        import numpy as np
        from nvflare.app_common.abstract.fl_model import MetaKey
        from nvflare.app_common.np.constants import NPConstants

        import model_arrays

        x, y = np.load("x.npy"), np.load("y.npy")
        w = np.zeros(3)

        while flare.is_running():
{LOAD}\
            w[...] = model_arrays.unpack(input_model.params[NPConstants.NUMPY_KEY], w)[0]
            for epoch in range(3):
                w -= 0.1 * x.T @ (x @ w - y)

            params = {{NPConstants.NUMPY_KEY: model_arrays.pack(w)}}
            flare.send(flare.FLModel(params=params, meta={{MetaKey.NUM_STEPS_CURRENT_ROUND: steps}}))
        """,
    )


def test_with_metrics() -> None:
    check_converted(
        """\
        import numpy as np

        x, y = np.load("x.npy"), np.load("y.npy")
        w, b = np.zeros(3), 0.0


        def mean_error(w, b):
            return np.mean((x @ w + b - y) ** 2)


        for epoch in range(3):
            error = x @ w + b - y
            w -= 0.1 * x.T @ error
            b -= 0.1 * error.mean()
            print(mean_error(w, b))
        """,
        f"""\
        import numpy as np
        from nvflare.app_common.abstract.fl_model import MetaKey
        from nvflare.app_common.np.constants import NPConstants

        import model_arrays

        x, y = np.load("x.npy"), np.load("y.npy")
        w, b = np.zeros(3), 0.0


        def mean_error(w, b):
            return np.mean((x @ w + b - y) ** 2)


        while flare.is_running():
{LOAD}\
            w[...], b = model_arrays.unpack(input_model.params[NPConstants.NUMPY_KEY], w, b)
            for epoch in range(3):
                error = x @ w + b - y
                w -= 0.1 * x.T @ error
                b -= 0.1 * error.mean()
                print(mean_error(w, b))

            params = {{NPConstants.NUMPY_KEY: model_arrays.pack(w, b)}}
            flare.send(flare.FLModel(params=params, metrics=metrics, meta={{MetaKey.NUM_STEPS_CURRENT_ROUND: steps}}))
        """,
    )
