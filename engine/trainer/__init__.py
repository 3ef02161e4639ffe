"""Training specifications: from a YAML or JSON document to a plain PyTorch script, and from its run to a document.

``scaffold`` writes the script that does what a specification says; ``train`` runs that script in a process of its own
and returns the output document. Importing this package imports neither torch, pydantic nor jinja2.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.simulate.result import Simulation


def scaffold(specification: Path, out: Path | None = None, force: bool = False) -> Path:
    """Write the training script of a specification.

    Args:
        specification: the YAML or JSON document.
        out: the script to write; ``train.py`` beside the specification when not given.
        force: replace a file that stands there and was not written from a specification.

    Returns:
        The path of the script.

    Raises:
        UserError: the specification or the place of the script is not right.
    """
    from engine.trainer import script

    return script.write(specification, out, force)


def train(
    specification: Path, device: str | None = None, seed: int | None = None, time_limit: float = 86400.0
) -> dict[str, Any]:
    """Run the training of a specification in a process of its own, with its progress on the standard error.

    Never raises for a fault of the specification, the data, the model or the run: the document tells.

    Args:
        specification: the YAML or JSON document.
        device: instead of the specification's ``device``.
        seed: instead of the specification's ``seed``.
        time_limit: seconds after which the run is ended; what it has reached can be resumed.

    Returns:
        The output document, as ``docs/schemas/training-output.schema.json`` describes it.
    """
    from engine.trainer import run

    return run.train(specification, device, seed, time_limit)


def exit_code(document: dict[str, Any]) -> int:
    """The exit code of ``train``: 0 when the training came to its end, 2 for the status ``error``."""
    return 2 if document["status"] == "error" else 0


def render(document: dict[str, Any]) -> str:
    """The output document as text for people."""
    from engine.trainer.document import render as render_document

    return render_document(document)


def specification_name(script: str) -> str | None:
    """The file name of the specification a script was scaffolded from, or ``None`` for any other script.

    Args:
        script: the text of a script, converted or not.
    """
    from engine.trainer.document import specification_name as name_in

    return name_in(script)


def simulation_document(simulation: Simulation) -> dict[str, Any]:
    """The output document of a federated run of a scaffolded script, with the learning curve by round.

    Args:
        simulation: what came of the run in FLARE's simulator.
    """
    from engine.trainer.document import of_simulation

    return of_simulation(simulation)
