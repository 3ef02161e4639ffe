"""A schedule that is sized for one run spans all rounds; others stay as they are."""

from __future__ import annotations

from functools import partial

from codemods import rescale_schedulers
from tests.codemods import tools

check_converted = partial(tools.check_converted, rescale_schedulers.step)
check_diff = partial(tools.check_diff, rescale_schedulers.step)
check_unchanged = partial(tools.check_unchanged, rescale_schedulers.step)


def test_cosine_annealing() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)  # down to zero
        + scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs * args.num_rounds)  # down to zero
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_one_cycle_by_epochs() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=3, steps_per_epoch=1)
        + scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=args.epochs * args.num_rounds, steps_per_epoch=1)
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_one_cycle_by_steps_in_an_expression() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        - scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3 + 0)
        + scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=(args.epochs * args.num_rounds) + 0)
          for epoch in range(3):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_a_function_of_the_number_of_epochs() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          from torch.optim import lr_scheduler

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          EPOCHS = 3
        - scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / EPOCHS)
        + scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / (EPOCHS * args.num_rounds))
          for epoch in range(EPOCHS):
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
              scheduler.step()
        """,
    )


def test_the_number_of_the_epoch_sets_the_rate() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          for epoch in range(3):
        +     epoch += input_model.current_round * args.epochs  # the epoch's number goes on over the rounds
              for group in optimizer.param_groups:
                  group['lr'] = 0.1 * 0.5**epoch  # halved every epoch
              optimizer.zero_grad()
              nn.functional.mse_loss(model(x), y).backward()
              optimizer.step()
        """,
    )


def test_with_arguments() -> None:
    check_diff(
        """\
          import argparse

          import torch
          from torch import nn
          from torch.optim import lr_scheduler


          def main():
              parser = argparse.ArgumentParser()
              parser.add_argument("--epochs", type=int, default=3)
              args = parser.parse_args()
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        -     scheduler = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
        +     scheduler = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * args.num_rounds)
              for epoch in range(args.epochs):
                  optimizer.zero_grad()
                  model(torch.ones(4, 2)).mean().backward()
                  optimizer.step()
                  scheduler.step()


          if __name__ == "__main__":
              main()
        """,
    )


def test_steps_of_a_fixed_length() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.StepLR(optimizer, step_size=2)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()
        """,
    )


def test_a_plateau() -> None:
    check_unchanged(
        """\
        import torch
        from torch import nn
        from torch.optim import lr_scheduler

        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            scheduler.step(1.0)
        """,
    )


def test_the_number_of_the_epoch_is_only_reported() -> None:
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
            print(f"epoch {epoch + 1}/3")
        """,
    )


def test_no_scheduler() -> None:
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
