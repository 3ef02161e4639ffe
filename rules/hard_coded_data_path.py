"""FLR203: data at a fixed place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.fixes import merged
from engine.result import Result, Safety, TextEdit
from engine.source import NEWLINE
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import ArgumentsFact, Expression, Facts, PathFact

OPTIONS = {"directory": "--data-dir", "file": "--data-file", "any": "--data-path"}


class HardCodedDataPath(ProgramRule):
    """
    ## What it does
    Finds training data that is read from a path written in the source.

    ## Why is this bad
    Data stays where it is, and it is somewhere else at every site. In a FLARE job the script runs in another folder
    besides, so that a relative path finds nothing.

    ## Example
    ```python
    train_set = datasets.MNIST("../data", train=True)
    ```

    ## Remedy
    Make the path an argument of the script (`--data-dir`). `apply` does it, with the present path as the default.

    ## Fix safety
    The fix is safe: the present path stays the default. It is made where the script has a parser of `argparse` whose
    result is in scope; elsewhere the step `expose_arguments` of `apply` does it.

    ## References
    - [argparse](https://docs.python.org/3/library/argparse.html)
    """

    CODE = "FLR203"
    MESSAGE = "The training data is read from a path written in the source; it lies elsewhere at every site."
    REMEDY = "Make the path an argument of the script; apply does it."
    SAFETY = Safety.SAFE
    VALID = [
        """
        import argparse, torch
        from torch import nn
        from torchvision import datasets
        parser = argparse.ArgumentParser()
        parser.add_argument("--data", default="../data")
        args = parser.parse_args()
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = torch.utils.data.DataLoader(datasets.MNIST(args.data))
        for epoch in range(3):
            for x, y in loader:
                model(x).sum().backward()
                optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import argparse, torch
            from torch import nn
            from torchvision import datasets
            parser = argparse.ArgumentParser()
            parser.add_argument("--lr", type=float, default=0.1)
            args = parser.parse_args()
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
            train_set = datasets.MNIST("../data", train=True)
            test_set = datasets.MNIST("../data", train=False)
            loader = torch.utils.data.DataLoader(train_set)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
            expected_replacement="""
            import argparse, torch
            from torch import nn
            from torchvision import datasets
            parser = argparse.ArgumentParser()
            parser.add_argument("--lr", type=float, default=0.1)
            parser.add_argument("--data-dir", default="../data")
            args = parser.parse_args()
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
            train_set = datasets.MNIST(args.data_dir, train=True)
            test_set = datasets.MNIST(args.data_dir, train=False)
            loader = torch.utils.data.DataLoader(train_set)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
        ),
        Invalid(
            """
            import argparse, torch
            from torch import nn
            from torchvision import datasets
            parser = argparse.ArgumentParser()
            if True:
            \tparser.add_argument("--lr", type=float, default=0.1)
            \targs = parser.parse_args()
            \ttrain_set = datasets.MNIST("../data", train=True)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
            loader = torch.utils.data.DataLoader(train_set)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
            expected_replacement="""
            import argparse, torch
            from torch import nn
            from torchvision import datasets
            parser = argparse.ArgumentParser()
            if True:
            \tparser.add_argument("--lr", type=float, default=0.1)
            \tparser.add_argument("--data-dir", default="../data")
            \targs = parser.parse_args()
            \ttrain_set = datasets.MNIST(args.data_dir, train=True)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
            loader = torch.utils.data.DataLoader(train_set)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """,
        ),
        Invalid(
            """
            import argparse, torch
            from torch import nn
            from torchvision import datasets
            parser = argparse.ArgumentParser()
            if True:
            \tparser.add_argument("--lr", type=float, default=0.1)
            \tparser.description = "A model"; args = parser.parse_args()
            \ttrain_set = datasets.MNIST("../data", train=True)
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
            loader = torch.utils.data.DataLoader(train_set)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            from torchvision import datasets
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            loader = torch.utils.data.DataLoader(datasets.MNIST("../data"))
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every known path that no option of the script sets, with an option for it where there is a parser."""
        known = facts.data.paths if facts.data else ()
        loose = [path for path in known if path.option is None and path.value and not path.configured]
        defaults = default_values(facts.arguments.parse)
        for path in loose:
            found = cls.found(path.expression.scope.file, path.expression.node)
            edit = with_option(facts.arguments, path, loose, defaults)
            yield replace(found, edit=edit, safety=cls.SAFETY if edit else Safety.DISPLAY_ONLY)


def with_option(
    arguments: ArgumentsFact, path: PathFact, loose: list[PathFact], defaults: frozenset[ast.expr | None]
) -> TextEdit | None:
    """The edit that declares an option before the arguments are parsed, and reads the path from it wherever it stands.

    ``None`` where the arguments are not in reach of it, the option's name is taken, or the arguments are parsed on a
    line that holds more.
    """
    option = OPTIONS[path.kind]
    same = [other.expression for other in loose if other.value == path.value]
    parse = arguments.parse
    if parse is None or not all(in_reach(parse, each, defaults) for each in same):
        return None
    indentation = indentation_of(parse)
    if indentation is None:
        return None
    if option in (flag for known in arguments.options for flag in known.flags):
        return None
    quote = path.expression.text[-1]
    declaration = f"{arguments.parser}.add_argument({quote}{option}{quote}, default={path.expression.text})"
    variable = f"{parse.node.targets[0].id}.{option.strip('-').replace('-', '_')}"
    text = parse.scope.file.text
    newline = NEWLINE.search(text)[0]
    inserted = TextEdit(parse.place, parse.place, f"{declaration}{newline}{indentation}")
    return merged(text, [inserted, *(TextEdit(each.place, each.end, variable) for each in same)])


def indentation_of(parse: Expression) -> str | None:
    """The white space before a statement; ``None`` where the statement does not begin its line."""
    lines, number = parse.scope.file.lines, parse.place.line
    line, continued = lines[number - 1], number > 1 and lines[number - 2].endswith("\\")
    start = line[: parse.place.column]
    return None if start.strip() or continued else start


def default_values(parse: Expression | None) -> frozenset[ast.expr | None]:
    """The default values of the parameters in the file where the arguments are parsed."""
    nodes = parse.scope.file.nodes if parse else ()
    functions = (node for node in nodes if isinstance(node, ast.arguments))
    return frozenset(value for node in functions for value in (*node.defaults, *node.kw_defaults))


def in_reach(parse: Expression, literal: Expression, defaults: frozenset[ast.expr | None]) -> bool:
    """True for a literal that runs after ``args = parser.parse_args()`` and where that name means the same."""
    if not (isinstance(parse.node, ast.Assign) and isinstance(parse.node.targets[0], ast.Name)):
        return False
    if not isinstance(literal.node, ast.Constant) or literal.scope.file is not parse.scope.file:
        return False
    visible = literal.scope is parse.scope or (
        parse.scope.parent is None and parse.node.targets[0].id not in literal.scope.variables
    )
    return visible and literal.node not in defaults and literal.place > parse.place
