"""FLARE is imported and initialised once, before anything that needs the site."""

from __future__ import annotations

from functools import partial

from codemods import insert_flare_init
from tests.codemods import tools

check_diff = partial(tools.check_diff, insert_flare_init.step)
check_unchanged = partial(tools.check_unchanged, insert_flare_init.step)


def test_before_all_code_of_a_script_without_arguments() -> None:
    check_diff(
        """\
        + import nvflare.client as flare
          import torch
          from torch import nn
        +
        + flare.init()

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
        """,
        below=tools.TRAINING,
    )


def test_after_the_arguments_are_parsed() -> None:
    check_diff(
        """\
          import argparse

        + import nvflare.client as flare
          import torch
          from torch import nn


          def main():
              parser = argparse.ArgumentParser()
              parser.add_argument("--epochs", type=int, default=3)
              args = parser.parse_args()
        +     flare.init()
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              for epoch in range(args.epochs):
                  optimizer.zero_grad()
                  model(torch.ones(4, 2)).mean().backward()
                  optimizer.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_after_a_future_import_and_a_docstring() -> None:
    check_diff(
        '''\
          """Trains."""

          from __future__ import annotations

        + import nvflare.client as flare
          import torch
          from torch import nn
        +
        + flare.init()

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
        ''',
        below=tools.TRAINING,
    )


def test_before_the_arguments_where_data_is_read_first() -> None:
    check_diff(
        """\
          import argparse

        + import nvflare.client as flare
          import torch
          from torch import nn
        +
        + flare.init()


          def main():
              from torch.utils.data import DataLoader
              loader = DataLoader(torch.ones(8, 2), batch_size=4)
              parser = argparse.ArgumentParser()
              parser.add_argument("--epochs", type=int, default=3)
              args = parser.parse_args()
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              for epoch in range(args.epochs):
                  for x in loader:
                      optimizer.zero_grad()
                      model(x).mean().backward()
                      optimizer.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_in_every_file_that_talks_to_flare() -> None:
    check_diff(
        """\
        + import nvflare.client as flare
          from torch import nn

          from trainer import Trainer

        + flare.init()
        +
          network = nn.Linear(2, 1)
          Trainer(network).fit(3)
        """,
        files={
            "trainer.py": """\
            import torch
            from torch import nn


            class Trainer:
                def __init__(self, network):
                    self.network = network
                    self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

                def fit(self, epochs):
                    for epoch in range(epochs):
                        self.opt.zero_grad()
                        self.network(torch.ones(4, 2)).mean().backward()
                        self.opt.step()
            """,
        },
        also={
            "trainer.py": """\
            import nvflare.client as flare
            import torch
            from torch import nn


            class Trainer:
                def __init__(self, network):
                    self.network = network
                    self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

                def fit(self, epochs):
                    for epoch in range(epochs):
                        self.opt.zero_grad()
                        self.network(torch.ones(4, 2)).mean().backward()
                        self.opt.step()
            """,
        },
    )


def test_imports_in_one_line_and_none_sorted() -> None:
    check_diff(
        """\
          # no docstring
        + import nvflare.client as flare
          import torch, os
          import numpy as np
          from torch import nn
          import sys
        +
        + flare.init()

          np.random.seed(0)
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
        """,
        below=tools.TRAINING,
    )


def test_name_taken() -> None:
    check_diff(
        """\
        + import nvflare.client as nv_flare
          import torch
          from torch import nn
        +
        + nv_flare.init()

          flare = 1.0  # of the sun
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
        """,
        below=tools.TRAINING,
    )


def test_only_local_imports() -> None:
    check_diff(
        """\
        + import nvflare.client as flare
        +
          from trainer import fit

        + flare.init()
        +
          fit(3)
        """,
        files={
            "trainer.py": """\
            import torch
            from torch import nn

            x, y = torch.ones(4, 2), torch.ones(4, 1)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            def fit(epochs):
              for epoch in range(epochs):
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
            """,
        },
        also={
            "trainer.py": """\
            import nvflare.client as flare
            import torch
            from torch import nn

            x, y = torch.ones(4, 2), torch.ones(4, 1)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            def fit(epochs):
              for epoch in range(epochs):
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
            """,
        },
    )
