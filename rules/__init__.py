"""The rules: one file each, in the order of their codes.

FLR1xx blocks conversion, FLR2xx is converted with a fix, FLR3xx warns a person. ``inspect``, ``apply``, ``lint`` and
the editor take `RULES`; plain ``fixit`` finds them in `rules.for_fixit` by ``enable = ["rules"]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.findings import naming, told
from rules.already_federated import AlreadyFederated
from rules.arrays_not_followed import ArraysNotFollowed
from rules.averaged_weights import AveragedWeights
from rules.base import Documented, ProgramRule
from rules.checkpoint_replaces_weights import CheckpointReplacesWeights
from rules.download_at_import import DownloadAtImport
from rules.evaluation_leaves_mode import EvaluationLeavesMode
from rules.exit_in_training import ExitInTraining
from rules.hard_coded_data_path import HardCodedDataPath
from rules.identical_seeds import IdenticalSeeds
from rules.layers_beside_model import LayersBesideModel
from rules.lazy_modules import LazyModules
from rules.meta_learning import MetaLearning
from rules.metric_not_finite import MetricNotFinite
from rules.modules_in_plain_container import ModulesInPlainContainer
from rules.no_module import NoModule
from rules.no_optimizer import NoOptimizer
from rules.no_training_loop import NoTrainingLoop
from rules.not_python3 import NotPython3
from rules.not_pytorch import NotPytorch
from rules.obsolete_api import ObsoleteApi
from rules.other_framework_trains import OtherFrameworkTrains
from rules.plain_tensor_state import PlainTensorState
from rules.reinforcement_learning import ReinforcementLearning
from rules.removed_api import RemovedApi
from rules.schedule_for_one_run import ScheduleForOneRun
from rules.secret_in_source import SecretInSource
from rules.several_models import SeveralModels
from rules.several_runs import SeveralRuns
from rules.several_training_loops import SeveralTrainingLoops
from rules.signal_handler import SignalHandler
from rules.sized_by_data import SizedByData
from rules.state_beside_model import StateBesideModel
from rules.tensor_metric import TensorMetric
from rules.trainable_loss import TrainableLoss
from rules.unordered_vocabulary import UnorderedVocabulary
from rules.unsafe_torch_load import UnsafeTorchLoad
from rules.unsupported_launch import UnsupportedLaunch
from rules.whole_model_pickle import WholeModelPickle

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.result import Result

RULES = (
    NotPython3,
    ObsoleteApi,
    NoTrainingLoop,
    AlreadyFederated,
    OtherFrameworkTrains,
    NotPytorch,
    ReinforcementLearning,
    SeveralModels,
    SeveralRuns,
    MetaLearning,
    PlainTensorState,
    ModulesInPlainContainer,
    AveragedWeights,
    TrainableLoss,
    NoOptimizer,
    LazyModules,
    UnorderedVocabulary,
    ExitInTraining,
    UnsupportedLaunch,
    SeveralTrainingLoops,
    NoModule,
    ArraysNotFollowed,
    StateBesideModel,
    LayersBesideModel,
    WholeModelPickle,
    UnsafeTorchLoad,
    HardCodedDataPath,
    TensorMetric,
    ScheduleForOneRun,
    CheckpointReplacesWeights,
    EvaluationLeavesMode,
    IdenticalSeeds,
    DownloadAtImport,
    SizedByData,
    MetricNotFinite,
    SignalHandler,
    RemovedApi,
    SecretInSource,
)


def findings(facts: Facts, rules: Sequence[type[Documented]] = RULES) -> list[Result]:
    """What the program rules find in a program, in the order of their codes."""
    found: dict[Result, None] = {}
    for rule in rules:
        if issubclass(rule, ProgramRule):
            with naming(f"the rule {rule.__name__}", facts.project.entry.name):
                found.update(dict.fromkeys(rule.check(facts)))
    return list(found)


def blockers(facts: Facts, rules: Sequence[type[Documented]] = RULES) -> list[Result]:
    """What forbids converting a program; one that trains nothing, or no model that is found, is always refused.

    What only asks the user to choose (`SeveralTrainingLoops`) is among them: the plan asks where that is all.
    """
    found = [result for result in findings(facts, rules) if result.blocks]
    if not found and facts.loop is None:
        return [NoTrainingLoop.refusal(facts)]
    if not found and not facts.models and facts.arrays is None:
        return [NoModule.refusal(facts)]
    return found


def warnings(facts: Facts, rules: Sequence[type[Documented]] = RULES) -> list[Result]:
    """What is converted with a fix, and what a person should look at: what ``lint`` finds in the files of a program."""
    return told(facts, rules, [result for result in findings(facts, rules) if not result.blocks])
