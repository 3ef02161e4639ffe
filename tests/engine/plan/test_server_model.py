"""The file that the model moves to has a name that the project does not use."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from codemods import extract_model
from engine.facts import gather
from engine.plan import make_plan
from engine.source import Project
from tests.codemods import tools

check_diff = partial(tools.check_diff, extract_model.step)


def test_a_file_named_model_is_there_already() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        + from global_model import Net
          from model import WIDTH
        -
        -
        - class Net(nn.Module):
        -     def __init__(self):
        -         super().__init__()
        -         self.layer = nn.Linear(WIDTH, 1)
        -
        -     def forward(self, x):
        -         return self.layer(x)


          x, y = torch.ones(4, WIDTH), torch.ones(4, 1)
          model = Net()
        """,
        below=tools.TRAINING,
        files={
            "model.py": """\
            WIDTH = 2
            """,
        },
        also={
            "global_model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn
            from model import WIDTH


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(WIDTH, 1)

                def forward(self, x):
                    return self.layer(x)
            ''',
        },
    )


@pytest.mark.parametrize(
    ("cast", "kept"),
    [
        ("model = nn.Linear(2, 1)", "numpy"),
        ("model = nn.Linear(2, 1).half()", "numpy"),
        ("model = nn.Linear(2, 1).to(torch.bfloat16)", "pytorch"),
        ("model = nn.Sequential(nn.Linear(2, 1, dtype=torch.bfloat16))", "pytorch"),
    ],
)
def test_weights_of_a_type_that_numpy_lacks_are_exchanged_as_tensors(tmp_path: Path, cast: str, kept: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        f"import torch\nfrom torch import nn\n{cast}\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for epoch in range(2):\n    model(torch.ones(4, 2)).mean().backward()\n    optimizer.step()\n"
    )
    assert make_plan(gather(Project(script))).exchange_format == kept
