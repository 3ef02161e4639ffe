"""What a training program is, told without running it.

``gather(project)`` follows the program (``interpreter``), and draws the facts from the trace: what is trained, by which
optimizer and loop, how it is measured, on what data, with which settings.
"""

from __future__ import annotations

from engine.facts.gather import Choices, gather
from engine.facts.program import (
    ArgumentsFact,
    ArrayFact,
    ArrayProblem,
    ArraysFact,
    DataFact,
    EvaluationFact,
    Expression,
    Facts,
    Features,
    FirstWeights,
    LoopFact,
    MetricFact,
    ModelFact,
    OptimizerFact,
    PathFact,
    SchedulerFact,
    Symbol,
    Wrapper,
)

__all__ = [
    "ArgumentsFact",
    "ArrayFact",
    "ArrayProblem",
    "ArraysFact",
    "Choices",
    "DataFact",
    "EvaluationFact",
    "Expression",
    "Facts",
    "Features",
    "FirstWeights",
    "LoopFact",
    "MetricFact",
    "ModelFact",
    "OptimizerFact",
    "PathFact",
    "SchedulerFact",
    "Symbol",
    "Wrapper",
    "gather",
]
