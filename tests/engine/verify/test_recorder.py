"""What is seen of training: digests, random streams, steps, the model behind an optimizer, numbers of an evaluation."""

from __future__ import annotations

import random

import numpy
import pytest
import torch

from engine.verify.metrics import TOLERANCE, original_evaluation
from engine.verify.probe import NUMBER, numbers_in
from engine.verify.proofs import steps_claimed
from engine.verify.recorder import digest, digests, find_model, plain_name, random_streams
from engine.verify.report import Outcome
from engine.verify.server import Answer


@pytest.mark.parametrize(
    "other",
    [
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        torch.tensor([[1.0, 2.0, 3.0]]),
        torch.tensor([1.0, 2.0, 3.0000002]),
        torch.tensor([1.0, 2.0]),
    ],
)
def test_digest_tells_type_shape_and_bits_apart(other):
    assert digest(torch.tensor([1.0, 2.0, 3.0])) != digest(other)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(()),
        torch.empty(0),
        torch.tensor([True, False]),
        torch.tensor([1.5], dtype=torch.bfloat16),
        torch.tensor([1 + 2j]),
        torch.tensor([float("nan")]),
        torch.arange(6).reshape(2, 3).t(),
    ],
)
def test_digest_of_every_kind_of_tensor(tensor):
    assert digest(tensor) == digest(tensor.clone())


def test_digests_are_the_same_for_arrays_and_wrappers():
    model = torch.nn.Linear(2, 2)
    arrays = {f"module._orig_mod.{name}": value.numpy() for name, value in model.state_dict().items()}
    assert digests(arrays) == digests(model.state_dict())
    assert plain_name("module.layer.module.weight") == "layer.module.weight"


@pytest.mark.parametrize(
    ("stream", "draw"), [("torch", lambda: torch.rand(1)), ("numpy", numpy.random.rand), ("random", random.random)]
)
def test_each_random_stream_is_seen(stream, draw):
    before = random_streams()
    draw()
    after = random_streams()
    assert {name for name in before if before[name] != after[name]} == {stream}


def test_model_behind_an_optimizer():
    inner = torch.nn.Linear(3, 1)
    other = torch.nn.Linear(3, 1)
    with_loss = torch.nn.ModuleDict({"model": inner, "loss": torch.nn.Linear(9, 9)})
    optimizer = torch.optim.SGD(inner.parameters(), lr=0.1)
    assert find_model(optimizer, {"weight", "bias"}) is inner
    assert find_model(optimizer, set()) is with_loss
    assert find_model(torch.optim.SGD(other.parameters(), lr=0.1), {"weight", "bias"}) is other


def test_numbers_of_a_scope():
    class Meter:
        def __init__(self):
            self.best = 0.5
            self.name = "meter"

    scope = {
        "accuracy": numpy.float32(0.25),
        "loss": torch.tensor([0.125]),
        "history": [1, 2.5],
        "result": {"f1": 3, "labels": "abc"},
        "self": Meter(),
        "model": torch.nn.Linear(1, 1),
        "done": True,
        "__doc__": 7,
    }
    assert numbers_in(scope) == {
        "accuracy": 0.25,
        "loss": 0.125,
        "history[0]": 1.0,
        "history[1]": 2.5,
        "result[f1]": 3.0,
        "self.best": 0.5,
    }


def test_numbers_of_a_line():
    line = "epoch 3: loss -1.5e-03, acc=87.50% (35/40) nan .5 1e3"
    assert NUMBER.findall(line) == ["3", "-1.5e-03", "87.50%", "35", "40", "nan", ".5", "1e3"]


def evaluated(metrics: dict[str, float]) -> Answer:
    return Answer("site-1", "validate", {}, None, metrics, None, [], [], None, [], {}, {}, [], [])


@pytest.mark.parametrize(
    ("value", "printed", "values", "outcome"),
    [
        (0.83333, ["0.8333"], {}, Outcome.HOLDS),
        (0.83333, ["83.3"], {}, Outcome.HOLDS),
        (0.83333, ["83"], {}, Outcome.HOLDS),
        (0.83333, ["1"], {}, Outcome.FAILS),
        (83.333, ["83%"], {}, Outcome.HOLDS),
        (83.333, ["83 %"], {}, Outcome.HOLDS),
        (83.333, ["83"], {}, Outcome.FAILS),
        (83.333, ["84%"], {}, Outcome.FAILS),
        (0.83333, ["0.8334"], {}, Outcome.FAILS),
        (0.83333, ["2", "40"], {"accuracy": 0.83333 * (1 + TOLERANCE / 2)}, Outcome.HOLDS),
        (0.83333, ["2", "40"], {"accuracy": 83.333}, Outcome.HOLDS),
        (12.0, ["12"], {}, Outcome.HOLDS),
        (0.0012, ["1.2e-03"], {}, Outcome.HOLDS),
        (0.83333, [], {}, Outcome.NOT_CHECKED),
    ],
)
def test_metric_is_looked_for_in_what_the_original_shows(value, printed, values, outcome):
    evaluation = {"printed": printed, "values": values, "placed": True}
    assert original_evaluation([(evaluation, evaluated({"accuracy": value}))], "accuracy").outcome is outcome


def test_metric_not_seen_where_no_evaluation_is_named_is_no_failure():
    evaluation = {"printed": ["0.5"], "values": {}, "placed": False}
    check = original_evaluation([(evaluation, evaluated({"accuracy": 0.9}))], "accuracy")
    assert check.outcome is Outcome.NOT_CHECKED


def test_a_round_without_a_step_fails():
    trained = [Answer("site-1", "train", {}, {}, None, n, [], [], None, [], {0: n}, {}, [], []) for n in (4, 0)]
    check = steps_claimed([trained])
    assert (check.outcome, check.detail) == (
        Outcome.FAILS,
        "site-1 takes no optimizer step in a later round: it trains nothing there",
    )
    assert steps_claimed([trained[:1], trained[1:]]).outcome is Outcome.HOLDS
