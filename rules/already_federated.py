"""FLR104: a program that is federated already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import calls_of

if TYPE_CHECKING:
    from engine.facts import Facts

FRAMEWORKS = ("nvflare.", "flwr.", "fedml.", "openfl.", "syft.", "flower.")


class AlreadyFederated(ProgramRule):
    """
    ## What it does
    Refuses a program that already calls NVIDIA FLARE or another framework for federated learning.

    ## Why is this bad
    A second exchange of weights inside the first would train something else than the author meant.

    ## Example
    ```python
    flare.init()
    while flare.is_running():
        input_model = flare.receive()
    ```

    ## Remedy
    A FLARE client needs no conversion: `python -m codemods job` writes its job. For another framework, convert the
    script it was made from; a Flower app also runs in FLARE as it is, by `nvflare.app_opt.flower`.

    ## Fix safety
    There is no fix.

    ## References
    - [NVIDIA FLARE Client API](https://nvflare.readthedocs.io/en/main/programming_guide/execution_api_type/client_api.html)
    """

    CODE = "FLR104"
    MESSAGE = "This program is federated already."
    REMEDY = "Convert the script it was made from; a FLARE client needs only its job (python -m codemods job)."
    VALID = ["import torch\ntorch.save(state, 'model.pt')", "import nvflare"]
    INVALID = [
        Invalid("import nvflare.client as flare\nflare.init()\nwhile flare.is_running():\n    model = flare.receive()"),
        Invalid("from flwr.client import start_client\nstart_client(server_address='127.0.0.1:8080', client=client)"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The first call of such a framework."""
        event = next(calls_of(facts, *FRAMEWORKS), None)
        if event:
            framework = "NVIDIA FLARE" if event.name.startswith("nvflare") else event.name.partition(".")[0]
            message = f"This program is federated already: it calls {framework} here."
            yield cls.found(event.scope.file, event.node, message)
