"""How much is tried, and how a child process runs a script. Imports neither torch nor nvflare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TORCHINDUCTOR_DETERMINISTIC": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "disabled",
}
"""What the children see beside the user's environment: one thread, what repeats itself, no windows, no tracker."""


@dataclass(frozen=True)
class Settings:
    """How much is tried, and how.

    Attributes:
        rounds: rounds of the proofs with several rounds.
        local_epochs: epochs of each; the original trains ``rounds * local_epochs``.
        sites: numbers of sites that are tried together: the first for all rounds, the others for one.
        seed: for the random streams of both scripts.
        time_limit: seconds that one process may take.
        arguments: command line arguments for both scripts.
        gpu: let the scripts see the machine's GPUs; equality to the last bit is then up to their kernels.
    """

    rounds: int = 2
    local_epochs: int = 1
    sites: tuple[int, ...] = (2, 3)
    seed: int = 0
    time_limit: float = 600.0
    arguments: tuple[str, ...] = ()
    gpu: bool = False


@dataclass(frozen=True)
class Launch:
    """How a child process runs a script.

    Attributes:
        folder: where it stands; what it writes by relative path lands here.
        script: the script, or the folder of the modules for `build_model`.
        import_roots: first places of its imports.
        log: the file its standard output and error go to.
        arguments: its command line arguments.
        seed: for the random streams.
        hidden: places that its imports must not see.
        name: name of the site.
        exchange_format: ``numpy`` or ``pytorch``.
        arrays: the model is one of NumPy arrays.
        partitions: watch how `site_data` splits the data.
        environment: environment variables to set.
        recipe: the algorithm whose change of the gradients is made to the original; empty for none.
        mu: weight of FedProx's proximal term then.
    """

    folder: Path
    script: Path
    import_roots: tuple[Path, ...]
    log: Path
    arguments: tuple[str, ...] = ()
    seed: int = 0
    hidden: tuple[Path, ...] = ()
    name: str = "site-1"
    exchange_format: str = "numpy"
    arrays: bool = False
    partitions: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    recipe: str = ""
    mu: float = 0.0
