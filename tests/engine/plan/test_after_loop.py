"""What counts the epochs after the epoch loop counts those of all rounds."""

from __future__ import annotations

from functools import partial

from codemods import rescale_schedulers
from tests.codemods import tools

check_diff = partial(tools.check_diff, rescale_schedulers.step)
check_unchanged = partial(tools.check_unchanged, rescale_schedulers.step)


def test_the_axis_of_a_curve() -> None:
    """The list has an entry for each epoch of each round: two of unequal length would end the script in an error."""
    check_diff(
        """\
          import numpy as np
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          epochs, losses = 3, []
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(epochs):
              optimizer.zero_grad()
              loss = nn.functional.mse_loss(model(x), y)
              loss.backward()
              optimizer.step()
              losses.append(loss.item())
        - np.save("curve.npy", np.stack([np.arange(epochs), losses]))
        + np.save("curve.npy", np.stack([np.arange(epochs * args.num_rounds), losses]))
        - for epoch, loss in zip(range(1, epochs + 1), losses, strict=True):
        + for epoch, loss in zip(range(1, (epochs * args.num_rounds) + 1), losses, strict=True):
              print(epoch, loss)
          print(f"trained {epochs} epochs")
        """,
    )


def test_the_axis_in_a_function() -> None:
    """The function is given all epochs; before the loop, and inside it, they are those of a round."""
    check_diff(
        """\
          import torch
          from torch import nn


          def table(losses, n):
              return list(zip(range(n), losses, strict=True))


          def fit(model, epochs):
              losses = []
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              print(table([0.0] * epochs, epochs))
              for epoch in range(epochs):
                  optimizer.zero_grad()
                  loss = nn.functional.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1))
                  loss.backward()
                  optimizer.step()
                  losses.append(loss.item())
              return losses


          model, epochs = nn.Linear(2, 1), 3
          losses = fit(model, epochs)
        - print(table(losses, epochs))
        + print(table(losses, epochs * args.num_rounds))
        """,
    )


def test_another_number() -> None:
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
        for sample in range(3):
            print(model(x[sample]))
        """
    )
