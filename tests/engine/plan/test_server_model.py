"""The file that the model moves to has a name that the project does not use."""

from __future__ import annotations

from functools import partial

from codemods import extract_model
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
