"""The weights that the first round starts from, where the script does not start from those of the constructor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from engine.facts import FirstWeights, ModelFact
from engine.plan.decision import Decision
from engine.plan.server_model import ModelPlan
from engine.source import Project

OTHERWISE = "--initial-ckpt FILE starts from a file with the model's state"


@dataclass(frozen=True)
class FirstWeightsPlan:
    """The weights that the first round starts from.

    Attributes:
        checkpoint: path of the file that they are read from, relative to the project's root; None for those with
            which the server builds the model.
        needed: the call that loads them, where only a person can say what the server has to load; else None.
        decisions: the judgements taken.
    """

    checkpoint: str | None = None
    needed: FirstWeights | None = None
    decisions: tuple[Decision, ...] = ()


def plan_first_weights(
    models: tuple[ModelFact, ...], built: ModelPlan, project: Project, is_given: bool
) -> FirstWeightsPlan:
    """Decide what the job starts from.

    Args:
        models: the model that is trained; empty where arrays are.
        built: how the server builds it.
        project: where the paths in the script start.
        is_given: the user has said it with ``--initial-ckpt``.
    """
    left = [weights for model in models[:1] for weights in model.first_weights if weights not in built.repeats]
    if is_given or not left:
        return FirstWeightsPlan()
    certain = [weights for weights in left if weights.origin != "drawn" and weights.certain]
    if len(certain) == 1 and certain[0].file is not None and left[-1] is certain[0]:
        path = _in_project(certain[0].file, project)
        told = f"the job starts from {certain[0].file}, which {certain[0].place} loads"
        return FirstWeightsPlan(path, None, (Decision("first weights", told, OTHERWISE),))
    if certain:
        return FirstWeightsPlan(needed=certain[-1])
    return FirstWeightsPlan(decisions=tuple(_decisions(left)))


def _decisions(left: list[FirstWeights]) -> Iterator[Decision]:
    """What is told of weights that the server does not repeat."""
    for is_drawn, told in (
        (True, "the job starts from the weights of the constructor, without those that {} sets"),
        (False, "the job starts from new weights, also where {} would load some"),
    ):
        places = dict.fromkeys(str(one.place) for one in left if (one.origin == "drawn") is is_drawn)
        if places:
            yield Decision("first weights", told.format(" and ".join(places)), OTHERWISE)


def _in_project(path: str, project: Project) -> str:
    """A path of the script as seen from the project's root: the script runs where it stands."""
    folder = os.path.relpath(project.entry.path.parent, project.root)
    return path if os.path.isabs(path) else os.path.normpath(os.path.join(folder, path)).replace(os.sep, "/")
