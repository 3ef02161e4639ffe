"""The model moves to a file that the server can import, with what it needs and no more."""

from __future__ import annotations

from functools import partial

from codemods import extract_model
from tests.codemods import tools

check_converted = partial(tools.check_converted, extract_model.step)
check_diff = partial(tools.check_diff, extract_model.step)
check_unchanged = partial(tools.check_unchanged, extract_model.step)


def test_a_class_of_the_script() -> None:
    check_diff(
        '''\
          import os

          import torch
          from torch import nn

        + from model import Net
        +
          x, y = torch.ones(4, 2), torch.ones(4, 1)
        -
        -
        - class Net(nn.Module):
        -     """Two numbers in, one out."""
        -
        -     def __init__(self, hidden=4):
        -         super().__init__()
        -         self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))  # small
        -
        -     def forward(self, x):
        -         return self.layers(x)


          model = Net(hidden=8)
        ''',
        below=tools.TRAINING,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            class Net(nn.Module):
                """Two numbers in, one out."""

                def __init__(self, hidden=4):
                    super().__init__()
                    self.layers = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))  # small

                def forward(self, x):
                    return self.layers(x)
            ''',
        },
    )


def test_with_what_it_needs() -> None:
    check_diff(
        """\
          import torch
          import torch.nn as nn
          import torch.nn.functional as F
        +
        + from model import Net

          HIDDEN = 8  # neurons
          RATE = 0.1


        - def block(width):
        -     return nn.Sequential(nn.Linear(2, width), nn.ReLU())
        -
        -
          def report(epoch):
              print("epoch", epoch)
        -
        -
        - class Head(nn.Linear):
        -     pass
        -
        -
        - class Net(nn.Module):
        -     def __init__(self):
        -         super().__init__()
        -         self.body = block(HIDDEN)
        -         self.head = Head(HIDDEN, 1)
        -
        -     def forward(self, x):
        -         return self.head(self.body(x))


          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = Net()
          optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
          for epoch in range(3):
              optimizer.zero_grad()
              F.mse_loss(model(x), y).backward()
              optimizer.step()
              report(epoch)
        """,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            import torch.nn as nn

            HIDDEN = 8  # neurons


            def block(width):
                return nn.Sequential(nn.Linear(2, width), nn.ReLU())


            class Head(nn.Linear):
                pass


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body = block(HIDDEN)
                    self.head = Head(HIDDEN, 1)

                def forward(self, x):
                    return self.head(self.body(x))
            ''',
        },
    )


def test_decorated_class_with_comments_and_tabs() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        -
        - def shown(cls):
        - \treturn cls
        -
        -
        - # the network
        - # of this script
        - @shown
        - class Net(nn.Module):  # small
        - \t# two numbers in
        - \tdef __init__(self):
        - \t\tsuper().__init__()
        - \t\tself.layer = nn.Linear(2, 1)
        -
        - \tdef forward(self, x):
        - \t\treturn self.layer(x)
        - \t# one out
        + from model import Net


          if __name__ == "__main__":
          \tmodel = Net()
          \toptimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          \tfor epoch in range(3):
          \t\toptimizer.zero_grad()
          \t\tmodel(torch.ones(4, 2)).mean().backward()
          \t\toptimizer.step()
        """,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            def shown(cls):
            \treturn cls


            # the network
            # of this script
            @shown
            class Net(nn.Module):  # small
            \t# two numbers in
            \tdef __init__(self):
            \t\tsuper().__init__()
            \t\tself.layer = nn.Linear(2, 1)

            \tdef forward(self, x):
            \t\treturn self.layer(x)
            \t# one out
            ''',
        },
    )


def test_newlines_of_the_script() -> None:
    check_converted(
        """\

        import torch
        from torch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(2, 1)

            def forward(self, x):
                return self.layer(x)


        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """.replace("\n", "\r\n"),
        """\

        import torch
        from torch import nn

        from model import Net


        x, y = torch.ones(4, 2), torch.ones(4, 1)
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        """.replace("\n", "\r\n"),
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 1)

                def forward(self, x):
                    return self.layer(x)
            '''.replace("\n", "\r\n"),
        },
    )


def test_an_expression_becomes_a_function() -> None:
    script = """\
    import torch
    from torch import nn

    x, y = torch.ones(4, 2), torch.ones(4, 1)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))  # as small as can be
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    """
    check_converted(
        script,
        script,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            def build_model():
                """The model as train.py builds it."""
                return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
            ''',
        },
    )


def test_a_layer_replaced_after_construction() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        -
        - class Net(nn.Module):
        -     def __init__(self):
        -         super().__init__()
        -         self.body = nn.Linear(2, 8)
        -         self.head = nn.Linear(8, 5)
        -
        -     def forward(self, x):
        -         return self.head(self.body(x).relu())
        + from model import Net


          x, y = torch.ones(4, 2), torch.ones(4, 1)
          model = Net()
          model.head = nn.Linear(8, 1)  # one number
        """,
        below=tools.TRAINING,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body = nn.Linear(2, 8)
                    self.head = nn.Linear(8, 5)

                def forward(self, x):
                    return self.head(self.body(x).relu())


            def build_model():
                """The model as train.py builds it."""
                model = Net()
                model.head = nn.Linear(8, 1)
                return model
            ''',
        },
    )


def test_names_taken() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        -
        - class input_model(nn.Module):
        -     def __init__(self, params):
        -         super().__init__()
        -         self.layer = nn.Linear(2, params)
        -
        -     def forward(self, x):
        -         return self.layer(x)
        + from model import input_model


          model_module = input_model(params=1)
          optimizer = torch.optim.SGD(model_module.parameters(), lr=0.1)
          for step in range(3):
              optimizer.zero_grad()
              model_module(torch.ones(4, 2)).mean().backward()
              optimizer.step()
        """,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            class input_model(nn.Module):
                def __init__(self, params):
                    super().__init__()
                    self.layer = nn.Linear(2, params)

                def forward(self, x):
                    return self.layer(x)
            ''',
        },
    )
