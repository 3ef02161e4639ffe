"""What a job sets becomes an option of the script: local epochs, data location, parts of the data."""

from __future__ import annotations

from functools import partial

from codemods import expose_arguments
from tests.codemods import tools

check_converted = partial(tools.check_converted, expose_arguments.step)
check_diff = partial(tools.check_diff, expose_arguments.step)
check_unchanged = partial(tools.check_unchanged, expose_arguments.step)


def test_a_parser_of_our_own() -> None:
    check_diff(
        """\
        + import argparse
        +
          import torch
          from torch import nn

        + # set by the federated job
        + parser = argparse.ArgumentParser()
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + args = parser.parse_args()
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - for epoch in range(3):
        + for epoch in range(args.epochs):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_a_declared_option_is_enough() -> None:
    check_unchanged(
        """\
        import argparse

        import torch
        from torch import nn


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--epochs", type=int, default=3)
            args = parser.parse_args()
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


def test_a_literal_beside_the_scripts_own_parser() -> None:
    check_diff(
        """\
          import argparse

          import torch
          from torch import nn


          def main():
              parser = argparse.ArgumentParser()
              parser.add_argument("--lr", type=float, default=0.1)
        +     # set by the federated job
        +     parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
              args = parser.parse_args()
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
        -     for epoch in range(3):
        +     for epoch in range(args.epochs):
                  optimizer.zero_grad()
                  model(torch.ones(4, 2)).mean().backward()
                  optimizer.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_a_constant_of_the_module() -> None:
    check_diff(
        """\
        + import argparse
        +
          import torch
          from torch import nn

        - EPOCHS = 3  # passes
        + # set by the federated job
        + parser = argparse.ArgumentParser()
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + args = parser.parse_args()
        + EPOCHS = args.epochs  # passes
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(EPOCHS):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_a_range_from_one() -> None:
    check_diff(
        """\
        + import argparse
        +
          import torch
          from torch import nn

        + # set by the federated job
        + parser = argparse.ArgumentParser()
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + args = parser.parse_args()
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - for epoch in range(1, 3 + 1):
        + for epoch in range(1, args.epochs + 1):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_the_data_path() -> None:
    check_diff(
        """\
        + import argparse
        +
          import numpy as np
          import torch
          from torch import nn

        - table = torch.from_numpy(np.loadtxt("data/table.csv"))
        + # set by the federated job
        + parser = argparse.ArgumentParser()
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + parser.add_argument("--data-path", default="data/table.csv", help="where the data lies")
        + args = parser.parse_args()
        + table = torch.from_numpy(np.loadtxt(args.data_path))
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - for epoch in range(3):
        + for epoch in range(args.epochs):
              optimizer.zero_grad()
              model(table).mean().backward()
              optimizer.step()
        """,
    )


def test_names_taken() -> None:
    check_diff(
        """\
        + import argparse
        +
          import torch
          from torch import nn

        + # set by the federated job
        + site_parser = argparse.ArgumentParser()
        + site_parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + site_args = site_parser.parse_args()
          args = ['a']
          parser = None
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - for epoch in range(3):
        + for epoch in range(site_args.epochs):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_a_value_in_another_file() -> None:
    check_diff(
        """\
        + import argparse
        +
          from torch import nn

        + import site_settings
          from trainer import Trainer

        + # set by the federated job
        + parser = argparse.ArgumentParser()
        + parser.add_argument("--epochs", type=int, default=3, help="local epochs of one round")
        + args = parser.parse_args()
        + site_settings.epochs = args.epochs
          network = nn.Linear(2, 1)
          Trainer(network).fit()
        """,
        files={
            "trainer.py": """\
            import torch
            from torch import nn


            class Trainer:
                def __init__(self, network):
                    self.network = network
                    self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

                def fit(self):
                    for epoch in range(3):
                        self.opt.zero_grad()
                        self.network(torch.ones(4, 2)).mean().backward()
                        self.opt.step()
            """,
        },
        also={
            "trainer.py": """\
            import torch
            from torch import nn

            import site_settings


            class Trainer:
                def __init__(self, network):
                    self.network = network
                    self.opt = torch.optim.SGD(network.parameters(), lr=0.1)

                def fit(self):
                    for epoch in range(site_settings.epochs):
                        self.opt.zero_grad()
                        self.network(torch.ones(4, 2)).mean().backward()
                        self.opt.step()
            """,
            "site_settings.py": '''\
            """What the job sets for this site; client.py fills it in from its command line."""

            epochs = 3
            ''',
        },
    )


def test_a_command_line_written_in_the_script_is_followed_by_the_jobs() -> None:
    check_diff(
        """\
          import argparse
        + import sys

          import torch
          from torch import nn

          parser = argparse.ArgumentParser()
          parser.add_argument("--epochs", type=int, default=3)
        - args = parser.parse_args(["--epochs", "2"])
        + args = parser.parse_args([*["--epochs", "2"], *sys.argv[1:]])
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(args.epochs):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1)).backward()
              optimizer.step()
        """,
    )
