"""A site reports its training nowhere outside of the federation."""

from __future__ import annotations

from functools import partial

import pytest

from codemods import per_site_outputs
from tests.codemods import tools

check_diff = partial(tools.check_diff, per_site_outputs.step)
check_unchanged = partial(tools.check_unchanged, per_site_outputs.step)


def test_a_tracker() -> None:
    check_diff(
        """\
          import torch
          import wandb
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - wandb.init(project="sums")  # where the curves go
        + wandb.init(project="sums", mode="disabled")  # where the curves go
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              wandb.log({'epoch': epoch})
        """,
    )


def test_a_tracker_with_arguments_on_lines_of_their_own() -> None:
    check_diff(
        """\
          import torch
          import wandb as tracker
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          tracker.init(
              project="sums",
        -     mode="online",  # always
        +     mode="disabled",  # always
          )
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_a_tracker_switched_off_already() -> None:
    check_unchanged(
        """\
        import torch
        import wandb
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wandb.init(project="sums", mode="disabled")
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


def test_a_tracker_on_this_machine() -> None:
    check_unchanged(
        """\
        import torch
        from torch.utils.tensorboard import SummaryWriter
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        writer = SummaryWriter("runs")
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            writer.add_scalar("epoch", epoch)
        """,
    )


def test_a_file_with_a_relative_path() -> None:
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
        torch.save(model.state_dict(), "model.pt")
        """,
    )


def test_an_init_of_something_else() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        nn.init.zeros_(model.bias)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """,
    )


WRITES = """\
import os

import torch
from torch import nn

x, y = torch.ones(4, 2), torch.ones(4, 1)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{makes}for epoch in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
    torch.save(model.state_dict(), "weights/epoch%d.pt" % epoch)
"""


def test_a_folder_that_lies_beside_the_script() -> None:
    before = WRITES.format(makes="")
    after = before.replace("import os\n", "import os\nfrom os import makedirs\n").replace(
        "x, y =",
        'makedirs("weights", exist_ok=True)  # written to below, in the folder of the site\nx, y =',
    )
    tools.check_converted(per_site_outputs.step, before, after, files={"weights/notes.txt": "of the last run\n"})


def test_a_folder_that_is_not_there_or_that_the_script_makes() -> None:
    check_unchanged(WRITES.format(makes=""))
    makes = 'os.makedirs("weights", exist_ok=True)\n'
    check_unchanged(WRITES.format(makes=makes), files={"weights/notes.txt": "of the last run\n"})


@pytest.mark.parametrize(
    "written",
    [
        'Path(__file__).parent / "weights" / f"epoch{epoch}.pt"',
        'Path(__file__).resolve().parent / "weights" / "last.pt"',
        'os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights", "last.pt")',
    ],
)
def test_a_folder_that_the_script_finds_by_its_own_place(written: str) -> None:
    before = WRITES.format(makes="").replace('"weights/epoch%d.pt" % epoch', written)
    before = before.replace("import os\n", "import os\nfrom pathlib import Path\n")
    after = before.replace("import os\n", "import os\nfrom os import makedirs\n").replace(
        "x, y =",
        'makedirs(Path(__file__).parent / "weights", exist_ok=True)  '
        "# written to below, beside this file at the site\nx, y =",
    )
    tools.check_converted(per_site_outputs.step, before, after, files={"weights/notes.txt": "of the last run\n"})
    makes = 'os.makedirs(Path(__file__).parent / "weights", exist_ok=True)\n'
    check_unchanged(before.replace("for epoch", f"{makes}for epoch"), files={"weights/notes.txt": "of the last run\n"})
    check_unchanged(before)
