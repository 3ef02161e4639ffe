"""The epoch loop becomes the body of a round, whatever stands around it."""

from __future__ import annotations

from functools import partial

import pytest

from codemods import wrap_in_is_running
from tests.codemods import tools

check_converted = partial(tools.check_converted, wrap_in_is_running.step)
check_diff = partial(tools.check_diff, wrap_in_is_running.step)
check_unchanged = partial(tools.check_unchanged, wrap_in_is_running.step)


def test_module_level() -> None:
    check_converted(
        """\
        import torch

        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.ones(4, 2), torch.ones(4, 1)
        for epoch in range(3):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        torch.save(model.state_dict(), "model.pt")
        """,
        """\
        import torch

        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.ones(4, 2), torch.ones(4, 1)

        while flare.is_running():
            for epoch in range(3):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
        torch.save(model.state_dict(), "model.pt")
        """,
    )


def test_a_step_in_no_loop() -> None:
    check_diff(
        """\
          import torch

          def main():
              model = torch.nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
              x, y = torch.ones(4, 2), torch.ones(4, 1)

        -     # the step
        -     optimizer.zero_grad()
        -     loss = torch.nn.functional.mse_loss(model(x), y)  # of all data
        +     while flare.is_running():
        +         # the step
        +         optimizer.zero_grad()
        +         loss = torch.nn.functional.mse_loss(model(x), y)  # of all data

        -     loss.backward(); optimizer.step()
        +         loss.backward()
        +         optimizer.step()
              # and that was it
              print(loss)

          main()
        """,
    )


def test_comments_move_with_what_they_stand_at() -> None:
    check_diff(
        """\
          # the head of the file
          import torch

          model = torch.nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          x, y = torch.ones(4, 2), torch.ones(4, 1)

        - # three epochs,
        - # of one batch each
        - for epoch in range(3):  # or more
        -     # before the step
        -     optimizer.zero_grad()
        -     torch.nn.functional.mse_loss(model(x), y).backward()
        + while flare.is_running():
        +     # three epochs,
        +     # of one batch each
        +     for epoch in range(3):  # or more
        +         # before the step
        +         optimizer.zero_grad()
        +         torch.nn.functional.mse_loss(model(x), y).backward()

        -     optimizer.step()  # the step
        -     # after the step
        +         optimizer.step()  # the step
        +         # after the step
          # after the loop
          print("done")
          # at the end
        """,
    )


def test_a_method_with_try_and_with_around_the_loop() -> None:
    check_diff(
        """\
          import torch
          from torch import nn


          class Trainer:
              def __init__(self, model):
                  self.model = model
                  self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

              def fit(self, x, y):
                  with open("log.txt", "w") as log:
                      try:
        -                 for epoch in range(3):
        -                     self.optimizer.zero_grad()
        -                     nn.functional.mse_loss(self.model(x), y).backward()
        -                     self.optimizer.step()
        -                     log.write("step")
        +
        +                 while flare.is_running():
        +                     for epoch in range(3):
        +                         self.optimizer.zero_grad()
        +                         nn.functional.mse_loss(self.model(x), y).backward()
        +                         self.optimizer.step()
        +                         log.write("step")
                      except KeyboardInterrupt:
                          print("stopped")


          if __name__ == "__main__":
              Trainer(nn.Linear(2, 1)).fit(torch.ones(4, 2), torch.ones(4, 1))
        """,
    )


def test_a_nested_function() -> None:
    check_diff(
        """\
          import torch
          from torch import nn


          def main():
              model = nn.Linear(2, 1)
              optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

              def run(epochs):
        -         for epoch in range(epochs):
        -             optimizer.zero_grad()
        -             model(torch.ones(4, 2)).mean().backward()
        -             optimizer.step()
        +
        +         while flare.is_running():
        +             for epoch in range(epochs):
        +                 optimizer.zero_grad()
        +                 model(torch.ones(4, 2)).mean().backward()
        +                 optimizer.step()

              run(3)


          main()
        """,
    )


def test_the_call_that_trains_where_only_there_the_evaluation_is_at_hand() -> None:
    check_diff(
        """\
          import torch
          from torch import nn
          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = nn.Linear(2, 1)
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          def evaluate():
              loss = nn.functional.mse_loss(model(x), y).item()
              return loss
          def fit(epochs):
              for epoch in range(epochs):
                  optimizer.zero_grad()
                  nn.functional.mse_loss(model(x), y).backward()
                  optimizer.step()
        - if __name__ == "__main__": fit(5); print("loss", evaluate())  # all in one line
        + if __name__ == "__main__":
        +
        +     while flare.is_running():
        +         fit(5)
        +     print("loss", evaluate())  # all in one line
        """,
    )


def test_an_else_of_the_loop_and_a_one_line_body() -> None:
    check_converted(
        """\
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        def step(): optimizer.zero_grad(); model(torch.ones(4, 2)).mean().backward(); optimizer.step()
        for epoch in range(3): step()
        else:
            print("all epochs")  # no break
        """,
        """\
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        def step(): optimizer.zero_grad(); model(torch.ones(4, 2)).mean().backward(); optimizer.step()

        while flare.is_running():
            for epoch in range(3): step()
            else:
                print("all epochs")  # no break
        """,
    )


def test_strings_over_several_lines_and_lines_continued_by_a_backslash_stay() -> None:
    check_converted(
        '''\
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in \\
                range(3):
            optimizer.zero_grad()
            loss = model(
              torch.ones(4, 2)
            ).mean()
            loss.backward()
            optimizer.step()
            print("""
        one epoch
          less
            """)
        ''',
        '''\
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            for epoch in \\
                range(3):
                optimizer.zero_grad()
                loss = model(
                  torch.ones(4, 2)
                ).mean()
                loss.backward()
                optimizer.step()
                print("""
        one epoch
          less
            """)
        ''',
    )


SMALL = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
WRAPPED = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

while flare.is_running():
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).mean().backward()
        optimizer.step()
"""


@pytest.mark.parametrize("indent", ["\t", "  ", "   ", "        "])
def test_the_indentation_of_the_file(indent: str) -> None:
    check_converted(SMALL.replace("    ", indent), WRAPPED.replace("    ", indent))


def test_the_newlines_of_the_file() -> None:
    check_converted(SMALL.replace("\n", "\r\n"), WRAPPED.replace("\n", "\r\n"))


def test_the_end_of_the_file() -> None:
    check_converted(SMALL.rstrip(), WRAPPED.rstrip())


def test_taken_name() -> None:
    check_converted(f"flare = 'a burst of light'\n{SMALL}", f"flare = 'a burst of light'\n{WRAPPED}".replace(
        "while flare.", "while nv_flare."
    ))  # fmt: skip


def test_a_return_ends_the_round_only() -> None:
    check_converted(
        """\
        import torch
        from torch import nn


        def fit(model, batches):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            best = 1.0
            for epoch in range(3):
                for x in batches:
                    optimizer.zero_grad()
                    loss = model(x).mean()
                    loss.backward()
                    optimizer.step()
                    if loss < 0:
                        print("enough")
                        return best  # well below
                if epoch > 3:
                    return best
            return best


        fit(nn.Linear(2, 1), [torch.ones(4, 2), torch.zeros(4, 2)])
        """,
        """\
        import torch
        from torch import nn


        def fit(model, batches):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            best = 1.0

            while flare.is_running():
                for epoch in range(3):
                    for x in batches:
                        optimizer.zero_grad()
                        loss = model(x).mean()
                        loss.backward()
                        optimizer.step()
                        if loss < 0:
                            print("enough")
                            ended = True
                            break  # well below
                    if ended:
                        break
                    if epoch > 3:
                        break
            return best


        fit(nn.Linear(2, 1), [torch.ones(4, 2), torch.zeros(4, 2)])
        """,
    )
