"""The stand-in for FLARE's server: it hands out tasks, averages what comes back, and keeps the global model.

The arithmetic and the checks are FLARE's: `PTModelPersistenceFormatManager` turns the model into what is exchanged and
refuses what does not fit it, `WeightedAggregationHelper` averages, `_get_num_steps_weight` reads the weight of a site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from nvflare.apis.fl_constant import FLMetaKey
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.abstract.model import ModelLearnableKey, make_model_learnable
from nvflare.app_common.aggregators.weighted_aggregation_helper import WeightedAggregationHelper
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.workflows.base_fedavg import _get_num_steps_weight
from nvflare.app_opt.pt.model_persistence_format_manager import PTModelPersistenceFormatManager

from engine.verify.algorithm import Protocol
from engine.verify.processes import Child, ChildError

State = Mapping[str, torch.Tensor]


class SiteError(Exception):
    """A site that did not answer a task.

    Attributes:
        site: its name.
        reason: what went wrong, with the traceback where there is one.
        hangs: it gave no sign within its time limit.
    """

    def __init__(self, site: str, reason: str, hangs: bool = False) -> None:
        super().__init__(f"{site}: {reason}")
        self.site = site
        self.reason = reason
        self.hangs = hangs


@dataclass(frozen=True)
class Answer:
    """What a site did with one task; see `engine.verify.site.Site.answer`.

    Attributes:
        site: name of the site.
        task: the task's name.
        received: the weights it was given, as exchanged; None for submit_model.
        params: what it sent, as exchanged.
        metrics: what it sent.
        claimed_steps: the weight that it claims.
        complaints: what FLARE would drop or refuse of the payload.
        changed_after_send: tensors of its previous payload that changed since.
        received_streams: digest of the random streams at `receive`.
        steps: trace of its optimizer steps.
        counts: how often each optimizer stepped.
        first: digest of the model before the first step.
        parameters: names of its parameters.
        partitions: what `site_data` was asked to split.
        controls: how its SCAFFOLD controls have changed; empty for other algorithms.
        in_training_mode: something of the model computed in training mode while it was evaluated alone.
    """

    site: str
    task: str
    received: dict[str, Any] | None
    params: dict[str, Any] | None
    metrics: dict[str, Any] | None
    claimed_steps: Any
    complaints: list[str]
    changed_after_send: list[str]
    received_streams: dict[str, str] | None
    steps: list[dict[str, Any]]
    counts: dict[int, int]
    first: dict[str, str]
    parameters: list[str]
    partitions: list[dict[str, Any]]
    controls: dict[str, Any] = field(default_factory=dict)
    in_training_mode: bool = False


@dataclass(frozen=True)
class Round:
    """One round: what went out, what came back and the mean of it.

    Attributes:
        received: the global model of its start, as exchanged.
        answers: one per site.
        mean: the global model of its end, as exchanged.
    """

    received: dict[str, Any]
    answers: tuple[Answer, ...]
    mean: dict[str, Any]


class Server:
    """Rounds with the sites of one job.

    Args:
        sites: name -> child process that runs `engine.verify.harness.run_site`.
        initial: state of the model that the job starts from.
        exchange_format: ``numpy`` or ``pytorch``.
        told: what the sites are told beside the weights.

    Attributes:
        answers: all answers so far.

    Raises:
        SiteError: from every task that a site does not answer.
    """

    def __init__(self, sites: Mapping[str, Child], initial: State, exchange_format: str, told: Protocol) -> None:
        self.answers: list[Answer] = []
        self._sites, self._told = sites, told
        self._model = PTModelPersistenceFormatManager(dict(initial), allow_numpy_conversion=exchange_format == "numpy")

    def train(self, rounds: int) -> list[Round]:
        """Let all sites train for some rounds, from the initial model on, averaging after each.

        Raises:
            ValueError: from FLARE, when what the sites sent does not fit the model.
        """
        done: list[Round] = []
        received = dict(self._model.to_model_learnable(None)[ModelLearnableKey.WEIGHTS])
        for number in range(rounds):
            answers = self.ask(self.training(received, number, rounds))
            self._told.hear([(answer.site, weight_of(answer), answer.controls) for answer in answers], number)
            mean = average(answers, number)
            self._model.update(make_model_learnable(mean, {}))
            done.append(Round(received, answers, mean))
            received = mean
        return done

    def training(self, weights: Mapping[str, Any], number: int, rounds: int) -> dict[str, Any]:
        """The task to train from some weights in a round."""
        place = {"round": number, "rounds": rounds}
        return {"name": AppConstants.TASK_TRAIN, "params": dict(weights), "meta": self._told.meta(), **place}

    def evaluate(self, weights: Mapping[str, Any], **told: Any) -> Answer:
        """Let the first site evaluate these weights."""
        return self.ask({"name": AppConstants.TASK_VALIDATION, "params": dict(weights), **told})[0]

    def submit(self) -> Answer:
        """Let the first site submit its model."""
        return self.ask({"name": AppConstants.TASK_SUBMIT_MODEL, "params": None})[0]

    def ask(self, task: Mapping[str, Any]) -> tuple[Answer, ...]:
        """Give all sites a task and wait for all answers."""
        for name, child in self._sites.items():
            _tell(name, child, task)
        answers = tuple(_answer(name, child, task) for name, child in self._sites.items())
        self.answers += answers
        return answers

    def end(self) -> dict[str, dict[str, Any]]:
        """End the job at all sites; what each says about its end."""
        for name, child in self._sites.items():
            _tell(name, child, None)
        return {name: _hear(name, child) for name, child in self._sites.items()}


def average(answers: Sequence[Answer], number: int) -> dict[str, Any]:
    """FLARE's weighted mean of what the sites sent in a round."""
    helper = WeightedAggregationHelper()
    for answer in answers:
        if not answer.params:
            raise SiteError(answer.site, "sent no weights; FLARE skips such an answer")
        # multiplying by a step count and dividing by it again rounds: the weight of a lone site is 1, which is exact
        weight = weight_of(answer) if len(answers) > 1 else 1.0
        helper.add(answer.params, weight, answer.site, number)
    return dict(helper.get_result())


def weight_of(answer: Answer) -> float:
    """The weight that FLARE gives an answer."""
    return _get_num_steps_weight(FLModel(metrics={}, meta={FLMetaKey.NUM_STEPS_CURRENT_ROUND: answer.claimed_steps}))


def _tell(name: str, child: Child, message: Any) -> None:
    try:
        child.send(message)
    except ChildError as error:
        raise SiteError(name, str(error)) from error


def _hear(name: str, child: Child) -> dict[str, Any]:
    try:
        return child.receive()
    except ChildError as error:
        raise SiteError(name, str(error), error.hangs) from error


def _answer(name: str, child: Child, task: Mapping[str, Any]) -> Answer:
    reply = _hear(name, child)
    if error := reply.pop("error"):
        raise SiteError(name, error if error.startswith("Traceback") else f"{error}\n{child.output()}".rstrip())
    return Answer(site=name, task=task["name"], received=task["params"], **reply)
