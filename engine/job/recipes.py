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
        module: where it is imported from.
        class_name: name of its class.
    """

    name: str
    title: str
    module: str
    class_name: str


RECIPES = {
    recipe.name: recipe
    for recipe in [Recipe("fedavg-pt", "Federated averaging", "nvflare.app_opt.pt.recipes", "FedAvgRecipe")]
}


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
