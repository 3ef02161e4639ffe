"""Each site of a simulation trains on its own part of the data."""

from __future__ import annotations

from functools import partial

import pytest

from codemods import partition_data
from tests.codemods import tools

check_converted = partial(tools.check_converted, partition_data.step)
check_diff = partial(tools.check_diff, partition_data.step)
check_unchanged = partial(tools.check_unchanged, partition_data.step)


def test_a_loader_at_module_level() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data
        +
        + site_data.partitions = args.partitions
        +
          data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        - loader = DataLoader(data, batch_size=4, shuffle=True)
        + loader = DataLoader(site_data.part(data), batch_size=4, shuffle=True)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
        """,
    )


def test_a_loader_in_a_function_of_a_script_with_arguments() -> None:
    check_diff(
        """\
          import argparse

          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data
        +

          def load(size):
              # all of it
              return DataLoader(
        -         TensorDataset(torch.ones(8, 2), torch.ones(8, 1)),  # stand-in
        +         site_data.part(TensorDataset(torch.ones(8, 2), torch.ones(8, 1))),  # stand-in
                  batch_size=size,
                  shuffle=True,
              )


          def main():
              parser = argparse.ArgumentParser()
              parser.add_argument("--epochs", type=int, default=3)
              args = parser.parse_args()
        +     site_data.partitions = args.partitions
              loader = load(4)
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              for epoch in range(args.epochs):
                  for x, y in loader:
                      optimizer.zero_grad()
                      model(x).mean().backward()
                      optimizer.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_the_data_set_by_keyword() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data
        +
        + site_data.partitions = args.partitions
        +
          data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        - loader = DataLoader(batch_size=4, dataset=data, shuffle=True)
        + loader = DataLoader(batch_size=4, dataset=site_data.part(data), shuffle=True)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
        """,
    )


def test_the_length_that_is_computed_with_is_that_of_the_part() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data
        +
        + site_data.partitions = args.partitions
        +
          data = TensorDataset(
              torch.ones(8, 2),
              torch.ones(8, 1),
          )  # stand-in
        + data = site_data.part(data)
          loader = DataLoader(data, batch_size=4, shuffle=True)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  loss = nn.functional.mse_loss(model(x), y) + model.weight.abs().sum() / len(data)
                  loss.backward()
                  optimizer.step()
        """,
    )


def test_only_the_loader_that_trains() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data
        +
        + site_data.partitions = args.partitions
        +
          data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        - loader = DataLoader(data, batch_size=4, shuffle=True)
        + loader = DataLoader(site_data.part(data), batch_size=4, shuffle=True)
          test_loader = DataLoader(data, batch_size=8)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
              with torch.no_grad():
                  loss = sum(nn.functional.mse_loss(model(x), y).item() for x, y in test_loader)
              print(loss)
        """,
    )


def test_names_taken() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.utils.data import DataLoader, TensorDataset

        + import site_data as flare_site_data
        +
        + flare_site_data.partitions = args.partitions
        +
          data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        - loader = DataLoader(data, batch_size=4, shuffle=True)
        + loader = DataLoader(flare_site_data.part(data), batch_size=4, shuffle=True)
          site_data = 'where it comes from'
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
        """,
    )


def test_a_sampler_of_its_own() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        loader = DataLoader(data, batch_size=4, sampler=torch.utils.data.RandomSampler(data))
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        """,
    )


def test_no_loader() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


def test_arrays_are_cut_down_before_anything_reads_them() -> None:
    check_diff(
        """\
          import numpy as np
        +
        + import site_data
        +
        + site_data.partitions = args.partitions

          table = np.load("x.npy")
          x = table[:, :-1]
          y = table[:, -1]
        + x, y = site_data.part(x, y)
          mean = x.mean(axis=0)
          count = len(x)
          x = x - mean
          w = np.zeros(3)
          for epoch in range(3):
              w -= 0.1 * x.T @ (x @ w - y) / count
        """,
    )


def test_arrays_that_are_handed_to_the_training_function() -> None:
    check_diff(
        """\
          import numpy as np
        +
        + import site_data
        +
        + site_data.partitions = args.partitions


          def train(x, y):
              \"\"\"Gradient descent.\"\"\"
        +     x, y = site_data.part(x, y)
              w = np.zeros(x.shape[1])
              for epoch in range(3):
                  w -= 0.1 * x.T @ (x @ w - y) / len(y)
              return w


          train(np.load("x.npy"), np.load("y.npy"))
        """,
        model_args={"x_columns": 3},
    )


def test_arrays_whose_size_is_read_too_early() -> None:
    check_unchanged(
        """\
        import numpy as np

        x = np.load("x.npy")
        count = len(x)
        y = np.load("y.npy")
        w = np.zeros(3)
        for epoch in range(3):
            w -= 0.1 * x.T @ (x @ w - y) / count
        """,
    )


def test_the_sampler_of_a_distributed_training_gets_the_same_part() -> None:
    check_diff(
        """\
          import torch
          import torch.distributed as dist
          from torch import nn
          from torch.nn.parallel import DistributedDataParallel
          from torch.utils.data import DataLoader, TensorDataset
          from torch.utils.data.distributed import DistributedSampler

        + import site_data
        +
        + site_data.partitions = args.partitions
        +
          dist.init_process_group("gloo")
          data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        - sampler = DistributedSampler(data, shuffle=False)
        - loader = DataLoader(data, batch_size=4, sampler=sampler)
        + sampler = DistributedSampler(site_data.part(data), shuffle=False)
        + loader = DataLoader(site_data.part(data), batch_size=4, sampler=sampler)
          model = DistributedDataParallel(nn.Linear(2, 1))
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
              for x, y in loader:
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
        """,
    )


LOADED = """\
import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(data):
    return DataLoader(data, batch_size=4, shuffle=True)


def work(spawned, args):
    loader = load(TensorDataset(torch.ones(8, 2)))
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(args.epochs):
        for (x,) in loader:
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--spawn", action="store_true")
    args = parser.parse_args()
    if args.spawn:
        work(True, args)
    else:
        work(False, args)


if __name__ == "__main__":
    main()
"""


def test_a_loader_that_is_built_on_either_side_of_a_branch() -> None:
    after = LOADED.replace("DataLoader(data,", "DataLoader(site_data.part(data),")
    after = after.replace("TensorDataset\n\n", "TensorDataset\n\nimport site_data\n\n", 1)
    after = after.replace("_args()\n", "_args()\n    site_data.partitions = args.partitions\n")
    check_converted(LOADED, after)


def test_a_loader_whose_function_builds_those_of_other_data() -> None:
    held_out = "    held_out = load(TensorDataset(torch.ones(4, 2)))\n"
    check_unchanged(LOADED.replace("    model = nn", held_out + "    model = nn"))


def test_the_sampler_of_a_library_that_takes_the_data_set_by_keyword() -> None:
    before = """\
        import torch
        import torch.distributed as dist
        from monai.data import DataLoader, Dataset, DistributedSampler
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

        dist.init_process_group("gloo")
        data = Dataset([1.0] * 8)
        sampler = DistributedSampler(dataset=data, even_divisible=True)
        loader = DataLoader(data, batch_size=4, sampler=sampler)
        model = DistributedDataParallel(nn.Linear(1, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
        """
    after = before.replace("dataset=data", "dataset=site_data.part(data)")
    after = after.replace("DataLoader(data", "DataLoader(site_data.part(data)")
    begun = "DistributedDataParallel\n\n"
    added = "        import site_data\n\n        site_data.partitions = args.partitions\n\n"
    check_converted(before, after.replace(begun, begun + added, 1))


IN_EPOCHS = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
loader = DataLoader(data, batch_size=4, shuffle=True)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    if epoch == 2:
        loader = DataLoader(data, batch_size=2, shuffle=True)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
"""


def test_a_loader_that_is_built_anew_at_some_epoch() -> None:
    after = IN_EPOCHS.replace("DataLoader(data,", "DataLoader(site_data.part(data),")
    after = after.replace("Dataset\n\n", "Dataset\n\nimport site_data\n\nsite_data.partitions = args.partitions\n\n", 1)
    check_converted(IN_EPOCHS, after)


@pytest.mark.parametrize("chosen", ["Subset(data, list(range(2 * epoch)))", "TensorDataset(*data[: 2 * epoch])"])
def test_samples_that_are_chosen_in_every_epoch(chosen: str) -> None:
    check_unchanged(IN_EPOCHS.replace("DataLoader(data, batch_size=2", f"DataLoader({chosen}, batch_size=2"))


def test_samples_that_one_epoch_chooses_for_the_next() -> None:
    moved = IN_EPOCHS.replace("    if epoch == 2:\n        loader = DataLoader(data, batch_size=2, shuffle=True)\n", "")
    check_unchanged(moved + "    hard = [0, epoch]\n    loader = DataLoader(Subset(data, hard), batch_size=2)\n")


def test_a_loader_that_is_built_before_the_arguments_are_read() -> None:
    parser = "import argparse\n\nparser = argparse.ArgumentParser()\nargs = parser.parse_args()\n"
    once = IN_EPOCHS.replace("    if epoch == 2:\n        loader = DataLoader(data, batch_size=2, shuffle=True)\n", "")
    check_unchanged(once.replace("model = nn", parser + "model = nn"))


def test_a_loader_that_is_built_while_its_module_is_imported() -> None:
    once = IN_EPOCHS.replace("    if epoch == 2:\n        loader = DataLoader(data, batch_size=2, shuffle=True)\n", "")
    head, training = once.split("model = nn")
    check_unchanged(
        f"import torch\nfrom torch import nn\nfrom loading import loader\n\nmodel = nn{training}",
        files={"loading.py": head},
    )


@pytest.mark.parametrize("given", ["None, sampler", "sampler=sampler", "**options", "batch_sampler=sampler"])
def test_a_sampler_that_is_given_in_other_ways(given: str) -> None:
    chosen = "sampler = WeightedRandomSampler(torch.ones(8), 8)\noptions = {'sampler': sampler}\n"
    once = IN_EPOCHS.replace("    if epoch == 2:\n        loader = DataLoader(data, batch_size=2, shuffle=True)\n", "")
    once = once.replace("import DataLoader", "import DataLoader, WeightedRandomSampler")
    once = once.replace(
        "loader = DataLoader(data, batch_size=4, shuffle=True)", f"{chosen}loader = DataLoader(data, 4, {given})"
    )
    check_unchanged(once)


def test_a_stream_of_samples() -> None:
    check_unchanged("""\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, IterableDataset


        class Stream(IterableDataset):
            def __iter__(self):
                return iter(torch.ones(8, 2))


        loader = DataLoader(Stream(), batch_size=4)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
        """)


SEVERAL = """\
import itertools

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

data = TensorDataset(torch.ones(16, 2), torch.ones(16, 1))
first = DataLoader(TRAINED, batch_size=4, shuffle=True)
more = DataLoader(OTHER, batch_size=4, shuffle=True)
held = DataLoader(Subset(data, [0, 1]), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step(x, y):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()


def run(loader):
    for x, y in loader:
        step(x, y)


for epoch in range(3):
"""
TOGETHER = {
    "zip": "    for (x, y), (u, v) in zip(first, more):\n        step(x, y)\n",
    "cycle": "    for (x, y), (u, v) in zip(first, itertools.cycle(more)):\n        step(u, v)\n",
    "chain": "    for x, y in itertools.chain(first, more):\n        step(x, y)\n",
    "one after the other": "    run(first)\n    run(more)\n",
    "next": "    others = iter(more)\n    for x, y in first:\n        u, v = next(others)\n        step(x, v)\n",
}


@pytest.mark.parametrize("loop", TOGETHER.values(), ids=TOGETHER.keys())
def test_all_loaders_that_train(loop: str) -> None:
    before = SEVERAL.replace("TRAINED", "data").replace("OTHER", "data") + loop
    after = SEVERAL.replace("TRAINED", "site_data.part(data)").replace("OTHER", "site_data.part(data)") + loop
    after = after.replace("Dataset\n\n", "Dataset\n\nimport site_data\n\nsite_data.partitions = args.partitions\n\n", 1)
    check_converted(before, after)


def test_a_look_at_other_data_while_training() -> None:
    look = "        with torch.no_grad():\n            model(next(iter(more))[0])\n"
    loop = f"    for x, y in first:\n{look}        step(x, y)\n"
    before = SEVERAL.replace("TRAINED", "data").replace("OTHER", "data") + loop
    after = SEVERAL.replace("TRAINED", "site_data.part(data)").replace("OTHER", "data") + loop
    after = after.replace("Dataset\n\n", "Dataset\n\nimport site_data\n\nsite_data.partitions = args.partitions\n\n", 1)
    check_converted(before, after)


def test_data_that_is_made_of_what_the_loader_has() -> None:
    before = SEVERAL.replace("TRAINED", "data").replace("OTHER", "Subset(first.dataset, [0, 9])")
    check_unchanged(before + "    run(first)\n")
