"""What is lifted out of a script with the model: all it needs, with its comments, and nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest

from codemods import extract_model
from engine.plan.slicing import slice_module
from engine.source import SourceFile
from tests.codemods import tools

check_diff = partial(tools.check_diff, extract_model.step)


def sliced(text: str, *names: str):
    text = dedent(text)
    return slice_module(SourceFile(Path("train.py"), "train.py", text.encode(), text), set(names))


def test_definitions_move_with_their_decorators_comments_and_what_they_need() -> None:
    found = sliced(
        """\
        # about this file
        import math
        import torch
        from torch import nn

        WIDTH = 8  # neurons
        OTHER = 9


        def unused():
            return OTHER


        # half of it
        def half(width):
            return math.floor(width / 2)
            # rounded down


        @torch.jit.ignore
        class Net(nn.Module):
            def __init__(self):
                self.layer = nn.Linear(WIDTH, half(WIDTH))


        print(half(3), Net())
        """,
        "Net",
    )
    assert found.text("The model.") == dedent(
        '''\
        """The model."""

        import math
        import torch
        from torch import nn

        WIDTH = 8  # neurons


        # half of it
        def half(width):
            return math.floor(width / 2)
            # rounded down


        @torch.jit.ignore
        class Net(nn.Module):
            def __init__(self):
                self.layer = nn.Linear(WIDTH, half(WIDTH))
        '''
    )
    assert set(found.exported) == {"Net", "half"}
    assert len(found.moved) == 2


def test_a_name_that_only_a_function_binds_is_its_own() -> None:
    found = sliced("x = 1\n\n\ndef f():\n    x = 2\n    return [y for y in range(x)]\n", "f")
    assert "x = 1" not in found.text("f")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import argparse\nargs = argparse.ArgumentParser().parse_args()\ndef f():\n    return args.x\n", "args"),
        ("count = 0\ndef f():\n    global count\n    count += 1\n", "changes the global count"),
        ("data = open('x').read()\ndef f():\n    return data\n", "data"),
    ],
)
def test_what_exists_only_while_the_script_runs_is_no_part_of_a_model(text: str, reason: str) -> None:
    found = sliced(text, "f")
    assert reason in found.problem
    assert found.problem_place is not None


@pytest.mark.parametrize(
    ("before", "goes_along"),
    [
        ("WIDTH = 1\n", True),
        ("if x:\n    y = 1\n", False),
        ("x = f(\n    1,\n    2)\n", True),
        ("def f():\n  pass\n", False),
        ("def f():\n        pass\n", True),
        ("def f(): pass\n", True),
    ],
)
def test_a_deeper_comment_belongs_to_a_block_before_it_or_else_to_the_definition_below(
    before: str, goes_along: bool
) -> None:
    found = sliced(f"import torch\n\n{before}\n    # deeper\n# above\nclass Net(torch.nn.Module):\n    pass\n", "Net")
    text = found.text("The model.")
    assert "# above\nclass Net" in text
    assert ("# deeper" in text) == goes_along


@pytest.mark.parametrize(
    ("below", "along"),
    [
        ("    # as deep\n", "    # as deep\n"),
        ("\n  # less\n    # as deep\n# above\n", "\n  # less\n    # as deep\n"),
        ("# at the margin\n      # deeper\n", "# at the margin\n      # deeper\n"),
        ("  # less\n# above\n", ""),
    ],
)
def test_comments_below_a_definition_go_along_up_to_the_last_that_is_as_deep_as_its_block(
    below: str, along: str
) -> None:
    found = sliced(f"import torch\n\nclass Net(torch.nn.Module):\n    pass\n{below}def main():\n    pass\n", "Net")
    assert found.text("The model.").endswith(f"    pass\n{along}")


def test_constants_are_copied() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        + from model import Net
        +
          WIDTH = 2
        -
        -
        - class Net(nn.Module):
        -     def __init__(self):
        -         super().__init__()
        -         self.layer = nn.Linear(WIDTH, 1)
        -
        -     def forward(self, x):
        -         return self.layer(x)


          x, y = torch.ones(4, WIDTH), torch.ones(4, 1)
          model = Net()
        """,
        below=tools.TRAINING,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn

            WIDTH = 2


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(WIDTH, 1)

                def forward(self, x):
                    return self.layer(x)
            ''',
        },
    )


def test_what_the_script_uses_too_is_imported_back() -> None:
    check_diff(
        """\
          import torch
          from torch import nn

        -
        - def scaled(x):
        -     return x / 2
        + from model import Net, scaled


          def halves():
              return scaled(torch.ones(4, 2))
        -
        -
        - class Net(nn.Module):
        -     def __init__(self):
        -         super().__init__()
        -         self.layer = nn.Linear(2, 1)
        -
        -     def forward(self, x):
        -         return self.layer(scaled(x))


          x, y = halves(), torch.ones(4, 1)
          model = Net()
        """,
        below=tools.TRAINING,
        also={
            "model.py": '''\
            """The model, where the server can build it without running train.py."""

            from torch import nn


            def scaled(x):
                return x / 2


            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 1)

                def forward(self, x):
                    return self.layer(scaled(x))
            ''',
        },
    )
