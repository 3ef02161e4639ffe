"""FLARE's recipes that a converted client can take part in, and what the installed NVFLARE knows of them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.result import UserError

CATALOGUE = Path("tool", "recipe", "recipe_catalog.json")


@dataclass(frozen=True)
class Recipe:
    """A recipe of FLARE.

    Attributes:
        name: its name in FLARE's catalogue, such as ``fedavg-pt``.
        title: what it does, for people.
        class_name: name of its class.
        client_step: the step that gives the client what the algorithm asks of it beyond FedAvg; empty for nothing.
            FLARE runs a plain client as FedAvg without a word where the step is missing.
        selects_best: whether it takes the metric that selects the best model, and can evaluate the final model.
        per_site: whether sites can have arguments of their own.
        shutdown_timeout: whether a client in its own process can be given time to end by itself.
        reports_metrics: whether the server writes down what the sites report of every round.
        module: where its class stands.
        framework: what the client trains with: ``PyTorch`` or ``NumPy``.
        evaluates: whether nothing is trained, and a model that is there already is measured at every site.
        peer_to_peer: whether the sites pass the model among themselves, and keep it.
        fewest_sites: how many there have to be; FLARE ends a job with fewer.
        server_builds_from_instance: whether it takes the model's arguments from an instance of the class.
    """

    name: str
    title: str
    class_name: str
    client_step: str = ""
    selects_best: bool = False
    per_site: bool = False
    server_builds_from_instance: bool = False
    shutdown_timeout: bool = False
    reports_metrics: bool = True
    evaluates: bool = False
    peer_to_peer: bool = False
    fewest_sites: int = 1
    module: str = "nvflare.app_opt.pt.recipes"
    framework: str = "PyTorch"

    @property
    def evaluates_final(self) -> bool:
        """Whether FLARE can let the sites evaluate the final model: it does so for PyTorch alone."""
        return self.selects_best and self.framework == "PyTorch"


FEDAVG_FAMILY = {"selects_best": True, "per_site": True, "shutdown_timeout": True}
RECIPES = {
    recipe.name: recipe
    for recipe in [
        Recipe("fedavg-pt", "Federated averaging", "FedAvgRecipe", **FEDAVG_FAMILY),
        Recipe("fedprox-pt", "FedProx", "FedProxRecipe", client_step="add_fedprox_term", **FEDAVG_FAMILY),
        Recipe("fedopt-pt", "Adaptive federated optimization", "FedOptRecipe", server_builds_from_instance=True),
        Recipe("scaffold-pt", "SCAFFOLD", "ScaffoldRecipe", client_step="add_scaffold_controls"),
        Recipe(
            "fedavg-numpy",
            "Federated averaging",
            "NumpyFedAvgRecipe",
            module="nvflare.app_common.np.recipes",
            framework="NumPy",
            **FEDAVG_FAMILY,
        ),
        Recipe(
            "cyclic-pt", "Cyclic training", "CyclicRecipe", shutdown_timeout=True, reports_metrics=False, fewest_sites=2
        ),
        Recipe(
            "swarm-pt",
            "Swarm learning",
            "SwarmLearningRecipe",
            reports_metrics=False,
            peer_to_peer=True,
            fewest_sites=2,
        ),
        Recipe("fedeval-pt", "Federated evaluation", "FedEvalRecipe", evaluates=True),
    ]
}
UNPROTECTED = {"fedavg-he-pt": "homomorphic encryption", "fedavg-dp": "differential privacy"}


def recipe_named(name: str) -> Recipe:
    """The recipe with a name of FLARE's catalogue.

    Raises:
        UserError: where a converted client cannot take part in it.
    """
    if name in UNPROTECTED:
        raise UserError(
            f"{name} is refused: {UNPROTECTED[name]} needs keys or a privacy budget that only a person can set up; "
            f"see FLARE's documentation, no unprotected job is made in its place"
        )
    if name not in RECIPES:
        raise UserError(f"recipe {name} is not known: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def recipes_of(framework: str) -> list[str]:
    """The names of the recipes for a framework."""
    return [recipe.name for recipe in RECIPES.values() if recipe.framework == framework]


@cache
def installed_parameters() -> dict[str, frozenset[str]] | None:
    """The keyword arguments of every recipe of the installed NVFLARE, from its own catalogue; nothing is imported.

    Returns:
        Names by recipe; ``None`` where NVFLARE is not installed.

    Raises:
        UserError: where the installed NVFLARE has no recipe catalogue, being too old.
    """
    spec = importlib.util.find_spec("nvflare")
    if spec is None or not spec.origin:
        return None
    path = Path(spec.origin).parent / CATALOGUE
    if not path.is_file():
        raise UserError("the installed NVFLARE has no recipe catalogue: pip install 'nvflare>=2.9'")
    recipes = [entry["detail"] for entry in json.loads(path.read_text(encoding="utf-8"))["recipes"]]
    return {recipe["name"]: frozenset(each["name"] for each in recipe["parameters"]) for recipe in recipes}


def check_keywords(recipe: str, keywords: list[str]) -> None:
    """Make sure the installed NVFLARE has a recipe and that it takes some keyword arguments.

    Raises:
        UserError: where it does not.
    """
    catalogue = installed_parameters()
    if catalogue is None:
        return
    if recipe not in catalogue:
        raise UserError(f"the installed NVFLARE has no recipe {recipe}: pip install 'nvflare>=2.9'")
    unknown = [name for name in keywords if name not in catalogue[recipe]]
    if unknown:
        raise UserError(f"recipe {recipe} of the installed NVFLARE takes no {', '.join(unknown)}: leave it out")
