"""What only shows while a conversion is planned, and refuses it: with a code of its own, like a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.result import Place, Result, Safety
from engine.source import SourceFile


@dataclass(frozen=True)
class Refusal:
    """A reason not to convert that only the plan can see.

    Attributes:
        code: its code.
        name: its name.
        message: what is wrong, with ``{what}`` for the particulars.
        remedy: what the user can do, likewise.
        why: why the conversion would be wrong.
        example: particulars, to say what the refusal is where there is no program: in the list and in the docs.
    """

    code: str
    name: str
    message: str
    remedy: str
    why: str
    example: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """Message, remedy and why, with the particulars of an example."""
        return {name: getattr(self, name).format(what=self.example) for name in ("message", "remedy", "why")}

    def at(self, file: SourceFile | None, place: Place, what: str = "") -> Result:
        """The refusal at a place.

        Args:
            file: the file, to show the line.
            place: where the trouble is.
            what: the particulars.
        """
        source = file.line(place.line) if file is not None else ""
        message, remedy = self.message.format(what=what), self.remedy.format(what=what)
        return Result(self.name, message, self.code, place, remedy=remedy, safety=Safety.DISPLAY_ONLY, source=source)


class Refused(Exception):
    """The program cannot be converted.

    Args:
        results: why.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        super().__init__(*(result.message for result in results))
        self.results = results


MODEL_OUT_OF_REACH = Refusal(
    "FLR150",
    "ModelOutOfReach",
    "the model cannot be named where the epoch loop stands",
    "build the model where it is trained, or pass it to the function that trains",
    "every round loads the received weights into the model right before it is trained, so the model needs a name there",
)
MODEL_NEEDS_SCRIPT = Refusal(
    "FLR151",
    "ModelNeedsScript",
    "{what}",
    "pass what the model needs to its constructor",
    "FLARE's server builds the initial model, and must not run the training script for that",
    example="the model needs args, which exists only while the script runs",
)
RETURN_IN_LOOP = Refusal(
    "FLR152",
    "ReturnInLoop",
    "this return gives back something else than what the function gives back after its epoch loop",
    "leave the loop with break, and return after it",
    "a return ends a round as break does, so that the round sends its result; the function ends after the last round",
)
RAISE_IN_LOOP = Refusal(
    "FLR169",
    "RaiseInLoop",
    "this exception leaves the epoch loop, and {what} catches it after that",
    "leave the loop with break",
    "a round that is left by an exception sends no result, and none comes after it",
    example="train.py:40",
)
LOOP_ENDS_FOR_GOOD = Refusal(
    "FLR153",
    "LoopEndsForGood",
    "this loop is bounded by {what}, which the script sets in a way that cannot be repeated every round",
    "count the epochs with for epoch in range(...)",
    "the loop runs once a round; one that stays at its end would train in the first round only",
    example="max_steps",
)
LOCAL_WEIGHTS_IN_LOOP = Refusal(
    "FLR154",
    "LocalWeightsInLoop",
    "weights kept at the site are put into the model inside the epoch loop",
    "load weights before the loop, or after it",
    "they would take the place of the weights the site has received, or of those it has trained before these are sent",
)
FIRST_WEIGHTS_COPIED = Refusal(
    "FLR170",
    "FirstWeightsCopied",
    "training goes by this copy of the weights that the script builds, and starts from those of the server",
    "copy them in the first epoch, inside the epoch loop: if epoch == 0",
    "every site would hold its weights near others than those that all have received, or learn from them",
)
MODEL_CHANGES_IN_LOOP = Refusal(
    "FLR163",
    "ModelChangesInLoop",
    "layers of the model are pruned, parametrized or built anew inside the epoch loop",
    "do it before the loop, or after the federated training, to the global model",
    "every site would come to parameters and masks of its own, of which the server's mean is no model that was trained",
)
PRIVATE_TRAINING = Refusal(
    "FLR164",
    "PrivateTraining",
    "Opacus makes this training differentially private, and the job could not promise what it accounts for",
    "write the client by hand with NVIDIA FLARE's privacy filters (see Differential Privacy in its documentation), or "
    "train without Opacus",
    "an accountant at a site knows neither the rounds still to come nor the other sites, so a job that trains would "
    "look as private as the script and not be",
)
MODEL_ARGUMENT_NEEDED = Refusal(
    "FLR160",
    "ModelArgumentNeeded",
    "the server needs {what} to build the model",
    "--model-arg {what}=VALUE",
    "the server builds the model from its class and arguments, without the data or the settings of a site; "
    "a value that the source does not tell has to be given, and is never guessed",
    example="hidden_size",
)
MODEL_UNDECIDED = Refusal(
    "FLR161",
    "ModelUndecided",
    "the source does not decide which model is trained: {what}",
    "--model NAME, or the option that decides: --arg=--OPTION=VALUE",
    "an option without a default, or the machine, decides between several models; the server builds one, "
    "and it is never guessed",
    example="Net, ResNet",
)
CLOSURE_STEP = Refusal(
    "FLR155",
    "ClosureStep",
    "the optimizer computes its gradients itself, in a closure, where {what} cannot change them",
    "step without a closure, as SGD and Adam do, or convert without {what}",
    "{what} changes the gradient of every step; an optimizer with a closure computes the gradient anew after that",
    example="FedProx",
)
OPTIMIZER_IN_OPTIMIZER = Refusal(
    "FLR156",
    "OptimizerInOptimizer",
    "this optimizer steps another one, so that {what} would change its gradients twice",
    "step the inner optimizer alone, or convert without {what}",
    "{what} changes the gradient of every optimizer step, and here one step of the training is a step of each",
    example="FedProx",
)
ASCENT = Refusal(
    "FLR157",
    "Ascent",
    "this optimizer maximises, and {what} is made for an objective that is minimised",
    "minimise the negative objective, without maximize",
    "{what} would push the weights away from those of the other sites",
    example="FedProx",
)
SCALED_GRADIENTS = Refusal(
    "FLR158",
    "ScaledGradients",
    "a fused optimizer takes gradients that are still scaled for mixed precision, to which {what} cannot add its own",
    "build the optimizer without fused",
    "what {what} adds would be divided by the scale together with the gradients, and so be lost",
    example="FedProx",
)
SCAFFOLD_NEEDS_SGD = Refusal(
    "FLR159",
    "ScaffoldNeedsSGD",
    "{what} is derived for SGD, and this is another optimizer",
    "train with torch.optim.SGD, or convert with --recipe fedprox-pt",
    "an adaptive optimizer rescales the gradients by their own history, with which the correction no longer cancels "
    "the difference between the sites",
    example="SCAFFOLD",
)
FIRST_WEIGHTS_NEEDED = Refusal(
    "FLR162",
    "FirstWeightsNeeded",
    "training starts from weights that are loaded here, and the server has to start from the same",
    "save them once with torch.save(model.state_dict(), 'initial.pt') and give --initial-ckpt initial.pt",
    "the first round starts from the server's weights, whatever a site has loaded; "
    "the server reads a file that holds nothing but the model's state",
)

ARGUMENT_NEEDED = Refusal(
    "FLR165",
    "ArgumentNeeded",
    "the script does not start without {what}",
    "give what it needs as on its command line: --arg VALUE, or --arg=--name=VALUE for an option",
    "the job starts the script at the sites with what it was given here, and nobody is there to be asked",
    example="save_every",
)
SETTINGS_FILE_NEEDED = Refusal(
    "FLR166",
    "SettingsFileNeeded",
    "the script reads its settings from the file that {what} names, which has no default",
    "name the file: --arg={what}=FILE",
    "what is trained, on what and for how long stands in that file; it is read as data, and never guessed",
    example="--config",
)
ITERATOR_USED_UP = Refusal(
    "FLR167",
    "IteratorUsedUp",
    "{what} can be gone through only once: it is used up when the first round ends",
    "make it where it is gone through, inside the epoch loop, or go through the data itself",
    "the later rounds would find nothing in it, and train nothing or fail",
    example="batches, made at train.py:20,",
)

RELATIVE_IMPORT = Refusal(
    "FLR168",
    "RelativeImport",
    "the script imports {what} relative to its package, which only python -m can do",
    "name the package: from {what} import NAME",
    "FLARE runs the script as a file, and a file that is run belongs to no package",
    example="hospital.data",
)

REFUSALS = (
    MODEL_OUT_OF_REACH,
    MODEL_NEEDS_SCRIPT,
    RELATIVE_IMPORT,
    RETURN_IN_LOOP,
    RAISE_IN_LOOP,
    LOOP_ENDS_FOR_GOOD,
    LOCAL_WEIGHTS_IN_LOOP,
    FIRST_WEIGHTS_COPIED,
    MODEL_CHANGES_IN_LOOP,
    PRIVATE_TRAINING,
    ITERATOR_USED_UP,
    CLOSURE_STEP,
    OPTIMIZER_IN_OPTIMIZER,
    ASCENT,
    SCALED_GRADIENTS,
    SCAFFOLD_NEEDS_SGD,
    MODEL_ARGUMENT_NEEDED,
    ARGUMENT_NEEDED,
    SETTINGS_FILE_NEEDED,
    MODEL_UNDECIDED,
    FIRST_WEIGHTS_NEEDED,
)
