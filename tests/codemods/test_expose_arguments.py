"""What a job sets becomes an option of the script: local epochs, data location, parts of the data."""

from __future__ import annotations

from functools import partial

import pytest

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


def test_a_range_that_ends_before_its_number() -> None:
    """The option says how many epochs are trained, which is one less than the number that stands there."""
    source = """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(1, {count}):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """
    options = """\
        # set by the federated job
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=9, help="local epochs of one round")
        args = parser.parse_args()
"""
    expected = source.format(count="args.epochs + 1").replace("        x, y", f"{options}        x, y")
    check_converted(
        source.format(count=10), expected.replace("import torch", "import argparse\n\n        import torch", 1)
    )


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


def test_a_range_that_counts_in_steps() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(0, 100, 10):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """
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


def test_an_option_of_that_name_that_means_something_else() -> None:
    check_unchanged(
        """\
        import argparse

        import torch
        from torch import nn


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--epochs", type=int, default=3)
            parser.add_argument("--partitions", type=int, default=4, help="folds")
            args = parser.parse_args()
            from torch.utils.data import DataLoader, TensorDataset
            data = torch.ones(8, 2)
            loader = DataLoader(data, batch_size=args.partitions)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(args.epochs):
                optimizer.zero_grad()
                sum(model(x).mean() for x in loader).backward()
                optimizer.step()


        if __name__ == "__main__":
            main()
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


def test_a_while_loop_without_count() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = 1.0
        while loss > 0.5:
            optimizer.zero_grad()
            error = nn.functional.mse_loss(model(x), y)
            error.backward()
            loss = error.item()
            optimizer.step()
        """,
    )


LOADING = """\
import numpy as np
import torch


def load(path={path}, name="points"):
    table = np.loadtxt("{{}}{{}}.csv".format(path, name), delimiter=",")
    return torch.tensor(table[:, :2]).float(), torch.tensor(table[:, 2:]).float()
"""
TRAINING = """\
import argparse

import torch
from torch import nn
{imports}
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
x, y = {data}
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(args.epochs):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""
SITE_SETTINGS = '''\
"""What the job sets for this site."""

import argparse
import sys

# needed before the script reads its command line, so taken from there first
parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("--data-dir", default="../data/", help="where the data lies")
args, sys.argv[1:] = parser.parse_known_args()
data_dir = args.data_dir
'''


def test_a_path_that_is_a_default_in_another_module() -> None:
    """A default is evaluated when the module is imported: before the script reads its command line."""
    script = TRAINING.format(imports="\nfrom utils import load\n", data="load()")
    expected = LOADING.format(path="site_settings.data_dir").replace(
        "torch\n\n", "torch\n\nimport site_settings\n\n", 1
    )
    check_converted(
        script,
        script,
        files={"utils.py": LOADING.format(path='"../data/"')},
        also={"utils.py": expected, "site_settings.py": SITE_SETTINGS},
    )


def test_a_path_that_is_needed_before_the_script_reads_its_arguments() -> None:
    head = 'from pathlib import Path\n\nDATA = Path("../data/")\n'
    loading = "torch.tensor(np.loadtxt(DATA / 'x.csv')), torch.tensor(np.loadtxt(DATA / 'y.csv'))"
    script = TRAINING.format(imports=head, data=loading).replace("import torch", "import numpy as np\nimport torch", 1)
    expected = script.replace(
        '\nDATA = Path("../data/")', "\nimport site_settings\n\nDATA = Path(site_settings.data_dir)"
    )
    check_converted(script, expected, also={"site_settings.py": SITE_SETTINGS})


@pytest.mark.parametrize(
    ("here", "default"),
    [("Path(__file__).parent", "data"), ("Path(__file__).resolve().parents[1]", "../data")],
)
def test_a_path_that_starts_where_the_script_lies(here: str, default: str) -> None:
    head = f'from pathlib import Path\n\nHERE = {here}\nDATA = HERE / "data"\n'
    loading = "torch.tensor(np.loadtxt(DATA / 'x.csv')), torch.tensor(np.loadtxt(DATA / 'y.csv'))"
    script = TRAINING.format(imports=head, data=loading).replace("import torch", "import numpy as np\nimport torch", 1)
    expected = script.replace('DATA = HERE / "data"', "DATA = Path(site_settings.data_dir)").replace(
        "\nHERE =", "\nimport site_settings\n\nHERE ="
    )
    check_converted(script, expected, also={"site_settings.py": SITE_SETTINGS.replace("../data/", default)})


def test_constants_of_a_module_of_settings() -> None:
    script = TRAINING.format(imports="\nimport config\nfrom utils import load\n", data="load(config.DATA)")
    script = script.replace("range(args.epochs)", "range(config.EPOCHS)").replace('"--epochs"', '"--seed"')
    expected = "import site_settings\n\nDATA = site_settings.data_dir\nEPOCHS = site_settings.epochs\n"
    check_converted(
        script,
        script,
        files={"config.py": 'DATA = "../data/"\nEPOCHS = 4\n', "utils.py": LOADING.format(path="None")},
        also={"config.py": expected},
    )


def test_a_path_that_begins_an_f_string() -> None:
    loading = "torch.tensor(np.loadtxt(f'../data/{args.epochs}.csv')), torch.ones(4, 1)"
    script = TRAINING.format(imports="\nimport numpy as np\n", data=loading)
    declared = 'parser.add_argument("--data-dir", default="../data/", help="where the data lies")\n'
    expected = script.replace("f'../data/{", "f'{args.data_dir}{")
    check_converted(script, expected.replace("args = parser", f"# set by the federated job\n{declared}args = parser"))
