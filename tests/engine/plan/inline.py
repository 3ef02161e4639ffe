"""Checks of an evaluation that stands among the statements of the training: the function that it becomes."""

from __future__ import annotations

from textwrap import dedent, indent

from codemods import evaluate_global_model
from tests.codemods.tools import check_converted

HEAD = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
FORKED = "with torch.random.fork_rng():  # evaluating leaves the training's random stream alone"
MEASURED = """

# the evaluation of the loop below, for the received model
{function}

while flare.is_running():
    {guard}
        metrics = evaluate()
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics=metrics))
        continue
"""
UNMEASURED = """
while flare.is_running():
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics={}))  # there are none to send
        continue
"""


def check_evaluation(
    loop: str, function: str, *, head: str = HEAD, converted_head: str = "", guard: str = FORKED
) -> None:
    """The evaluation within an epoch loop becomes a function, which measures the received model.

    Args:
        loop: the epoch loop.
        function: what the evaluation in it becomes; empty where nothing of it can be measured for the received model.
        head: the statements in front of the loop.
        converted_head: what these become, where that is something else.
        guard: what keeps the evaluation from disturbing the training.
    """
    loop = dedent(loop)
    measured = MEASURED.format(function=dedent(function), guard=guard) if function else UNMEASURED
    after = f"{converted_head or head}{measured}{indent(loop, '    ')}"
    check_converted(evaluate_global_model.step, head + loop, after)
