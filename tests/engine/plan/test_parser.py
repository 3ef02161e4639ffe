"""Where the options of the client are declared."""

from __future__ import annotations

from functools import partial

from codemods import expose_arguments
from tests.codemods import tools

check_diff = partial(tools.check_diff, expose_arguments.step)


def test_a_command_line_that_something_else_reads() -> None:
    """Our options are taken out of it first, since the script would not know them."""
    check_diff(
        """\
        + import argparse
          import sys

          import torch
          from torch import nn

        + # set by the federated job
        + parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + args, sys.argv[1:] = parser.parse_known_args()
          rate = float(sys.argv[1]) if len(sys.argv) > 1 else 0.1
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        - for epoch in range(3):
        + for epoch in range(args.epochs):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )
