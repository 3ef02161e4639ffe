"""A model that no name of the project builds alone is built by a function of ours."""

from __future__ import annotations

from functools import partial

from codemods import extract_model
from tests.codemods import tools

check_converted = partial(tools.check_converted, extract_model.step)


def test_a_factory_that_the_server_can_import() -> None:
    script = """\
    import torch
    from torch import nn

    from network import make_model

    x, y = torch.ones(4, 2), torch.ones(4, 1)
    model = make_model(hidden=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    """
    check_converted(
        script,
        script,
        files={
            "network.py": """\
            from torch import nn


            def make_model(hidden):
                return nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))
            """,
        },
        also={
            "model.py": '''\
            """The model, where the server can build it without running network.py."""

            from torch import nn


            def build_model(hidden):
                """The model as network.py builds it."""
                return nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))
            ''',
        },
    )


def test_an_entry_of_a_dictionary_is_given_by_its_key() -> None:
    script = """\
    import torch
    from torch import nn


    def main():
        config = dict(hidden=8, name="net", seed=torch.initial_seed())
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Sequential(nn.Linear(2, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()


    main()
    """
    check_converted(
        script,
        script,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            def build_model(hidden):
                """The model as train.py builds it."""
                return nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))
            ''',
        },
    )
