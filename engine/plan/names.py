"""Names for what the conversion adds, none of which the user's code already uses."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count

from engine.facts.source_text import DEFINITIONS, names_bound
from engine.source import SourceFile

CANDIDATES = {
    "flare": ("flare", "nv_flare", "nvidia_flare"),
    "received": ("input_model", "received_model", "flare_input_model"),
    "metrics": ("metrics", "global_metrics", "received_model_metrics"),
    "evaluated": ("results", "global_results", "received_model_results"),
    "params": ("params", "trained_params", "trained_model_params"),
    "steps": ("steps", "optimizer_steps", "steps_of_this_round"),
    "counter": ("Counter", "StepCounter"),
    "makedirs": ("makedirs", "make_folders"),
    "path_class": ("Path", "FilePath"),
    "meta_key": ("MetaKey", "FlareMetaKey"),
    "model_arrays": ("model_arrays", "flare_model_arrays"),
    "numpy_constants": ("NPConstants", "FlareNPConstants"),
    "site_data": ("site_data", "flare_site_data"),
    "site_settings": ("site_settings", "flare_site_settings"),
    "undisturbed": ("undisturbed", "training_undisturbed"),
    "parser": ("parser", "site_parser"),
    "args": ("args", "site_args"),
    "evaluate": ("evaluate", "evaluate_model", "evaluate_global_model"),
    "proximal_term": ("proximal_term", "fedprox_term"),
    "proximal_class": ("ProximalTerm", "FedProxTerm"),
    "controls": ("controls", "scaffold_controls"),
    "scaffold_class": ("ScaffoldControls", "ScaffoldControlVariates"),
    "ended": ("ended", "round_ended", "this_round_ended"),
    "first_epoch": ("first_epoch", "first_epoch_of_this_round"),
}

IMPORTED = {"Counter": "collections", "makedirs": "os", "Path": "pathlib"}


@dataclass(frozen=True)
class Names:
    """The names the conversion uses, by their part in it; each is free in every file it is written to."""

    chosen: dict[str, str]

    def __getattr__(self, role: str) -> str:
        try:
            return self.chosen[role]
        except KeyError:
            raise AttributeError(role) from None


def free_names(files: Iterable[SourceFile]) -> Names:
    """Choose names that no file uses for anything else."""
    taken = {name for file in files for name in used_names(file.tree) - _imported_alike(file.tree)}
    chosen = {}
    for role, candidates in CANDIDATES.items():
        numbered = (f"{candidates[0]}_{number}" for number in count(2))
        chosen[role] = next(name for name in chain(candidates, numbered) if name not in taken)
        taken.add(chosen[role])
    return Names(chosen)


def _imported_alike(tree: ast.Module) -> set[str]:
    """The names a file binds only by the very import that the conversion would add."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    kept = {(node.module, alias.name) for node in imports for alias in node.names if alias.asname is None}
    found = {name for name, module in IMPORTED.items() if (module, name) in kept}
    return found - names_bound(tree) if found else found


def used_names(tree: ast.AST) -> set[str]:
    """Every name a file binds or reads, attributes aside."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            names.update(node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            names.add(node.name)
    return names
