"""A model that the server can import by its name stays where it stands."""

from __future__ import annotations

from functools import partial

from codemods import extract_model
from tests.codemods import tools

check_unchanged = partial(tools.check_unchanged, extract_model.step)


def test_a_class_that_the_server_can_import() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        from network import Net

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = Net(hidden=8)
        """,
        below=tools.TRAINING,
        files={
            "network.py": """\
            from torch import nn


            class Net(nn.Module):
                def __init__(self, hidden):
                    super().__init__()
                    self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))

                def forward(self, x):
                    return self.layers(x)
            """,
        },
    )


def test_a_class_of_a_package_with_arguments_by_position() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        from nets.small import Net

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = Net(8)
        """,
        below=tools.TRAINING,
        files={
            "nets/__init__.py": "",
            "nets/small.py": """\
            from torch import nn


            class Net(nn.Module):
                def __init__(self, hidden):
                    super().__init__()
                    self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))

                def forward(self, x):
                    return self.layers(x)
            """,
        },
    )
