"""torch's compiler, loaded only for a script that uses it.

Every optimizer imports `torch._dynamo`, which takes almost as long to load as the rest of torch, and calls two
functions of it that do nothing to code which is not compiled (torch/optim/optimizer.py, torch/_compile.py). These two
are all that stands there until more of it is asked for; then it is loaded, and is what it always is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


def put_off_compiler() -> None:
    """Let the compiler be loaded when it is used, unless it is loaded already or there is none."""
    spec = find_spec(NAME) if NAME not in sys.modules else None
    if spec is None:
        return
    import torch

    torch._dynamo = sys.modules[NAME] = _NotLoaded(NAME)
    torch._dynamo.__spec__, torch._dynamo.__file__ = spec, spec.origin
    sys.meta_path.insert(0, _Submodules())


def _load() -> ModuleType:
    if isinstance(sys.modules.get(NAME), _NotLoaded):
        del sys.modules[NAME]
    return importlib.import_module(NAME)


class _NotLoaded(ModuleType):
    """What optimizers need of the compiler; asked for anything else, it loads the compiler."""

    def graph_break(self, *told: Any, **options: Any) -> None:
        """Divides a graph, of which there is none."""

    def disable(self, function: Callable[..., Any] | None = None, *told: Any, **options: Any) -> Callable[..., Any]:
        """The function, kept from being compiled once anything can be."""
        if function is None:
            return _load().disable(None, *told, **options)

        def kept(*arguments: Any, **named: Any) -> Any:
            there = sys.modules[NAME]
            called = function if there is self else there.disable(function, *told, **options)
            return called(*arguments, **named)

        return kept

    def __getattr__(self, name: str) -> Any:
        return getattr(_load(), name)


class _Submodules(MetaPathFinder, Loader):
    """Loads the compiler before a module of it, which is then there."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module as the compiler has loaded it; None leaves it to the other finders."""
        if not name.startswith(f"{NAME}."):
            return None
        _load()
        return spec_from_loader(name, self) if name in sys.modules else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The one that is there, under its own name."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed."""
