"""FLR116: layers whose size is known only after the first batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.models import belongs
from engine.facts.trace import is_default
from engine.facts.values import objects
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import parts_of

if TYPE_CHECKING:
    from engine.facts import Facts

LAZY = "torch.nn.Lazy"
PREPARES = re.compile(r"^torch\.(ao\.)?quantization\.(\w+\.)?prepare(_qat)?(_fx)?$")


class LazyModules(ProgramRule):
    """
    ## What it does
    Refuses a model with lazy layers (`nn.LazyLinear`, `nn.LazyConv2d`, ...), and one prepared for quantisation
    (`prepare_qat`), whose observers are sized by what passes through them.

    ## Why is this bad
    Their weights get a shape when the first batch passes. The server sees no batch, so the first weights it sends out
    have no shape, and sites with different data could settle on different ones.

    ## Example
    ```python
    self.head = nn.LazyLinear(10)
    ```

    ## Remedy
    Write the input size: `nn.Linear(512, 10)`. Print the model after one batch to read it off. Quantise the global
    model, after the federated training.

    ## Fix safety
    There is no fix: the size is not in the source.

    ## References
    - [torch.nn.modules.lazy.LazyModuleMixin](https://pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html)
    """

    CODE = "FLR116"
    MESSAGE = "This layer gets its size from the first batch, which the server never sees."
    REMEDY = "Write the layer with its input size (nn.Linear, nn.Conv2d, ...); quantise after the federated training."
    OBSERVES = "This gives the model observers that get their sizes from the first batch, which the server never sees."
    VALID = ["from torch import nn\nlayer = nn.LazyLinear(10)"]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            from torch.ao.quantization import get_default_qat_qconfig, prepare_qat
            model = nn.Sequential(nn.Linear(2, 10))
            model.qconfig = get_default_qat_qconfig("fbgemm")
            prepare_qat(model, inplace=True)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every lazy layer of the trained model, once for each place it is written."""
        places = set()
        for part in (part for model in facts.models for part in parts_of(model.value)):
            lazy = part.kind.startswith(LAZY) or (part.cls is not None and part.cls.derives_from(LAZY))
            if lazy and part.scope and part.place not in places:
                places.add(part.place)
                yield cls.found(part.scope.file, part.node)
        for event in facts.trace.events:
            given = objects(event.args[0]) if event.args else []
            trained = any(belongs(one, model.value) for one in given for model in facts.models if model.value)
            if PREPARES.match(event.name) and is_default(event.path) and trained:
                yield cls.found(event.scope.file, event.node, cls.OBSERVES)
