"""What a training program is: the facts, as frozen records. Decisions stand in the plan."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from engine.facts.configuration import Option
from engine.facts.trace import Call, Event, Loop, Trace
from engine.facts.values import Object, Scope
from engine.result import Place
from engine.source import Project


@dataclass(frozen=True)
class Expression:
    """A piece of source: where it stands, its text and its node.

    Attributes:
        place, end: its range.
        text: as written.
        node: its syntax tree node.
        scope: the scope it stands in.
    """

    place: Place
    end: Place
    text: str
    node: ast.AST = field(compare=False, repr=False)
    scope: Scope = field(compare=False, repr=False)


@dataclass(frozen=True)
class Symbol:
    """An argument that is no plain value: a class, a function, or an object the script builds.

    Attributes:
        text: as written where it is passed; empty where it is passed by ``**``.
        kind: qualified name of the class or function, or of the object's class.
        attributes: the plain values an object of settings holds (``args``, a dataclass); None for anything else.
    """

    text: str
    kind: str
    attributes: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Wrapper:
    """A wrapper around the model that puts a prefix before the keys of its state.

    Attributes:
        kind: ``DataParallel``, ``DistributedDataParallel``, ``compile`` or the qualified name of another.
        attribute: where the wrapped module is found: ``module`` or ``_orig_mod``.
        conditional: True where the model is wrapped only on some machines.
        place: of the wrapping call.
    """

    kind: str
    attribute: str
    conditional: bool
    place: Place


@dataclass(frozen=True)
class FirstWeights:
    """A call that gives the model other weights than its constructor does, before it is trained.

    Attributes:
        event: the call.
        place: of the call beside the construction of the model through which it is reached.
        origin: of the values: ``drawn`` (constants too), ``file``, or ``download``.
        file: the path of a file that holds the whole state as it is loaded; None for anything else.
        certain: True where it happens whenever the program runs with its defaults.
        read: the call that reads that file.
    """

    event: Event = field(compare=False, repr=False)
    place: Place
    origin: str
    file: str | None
    certain: bool
    read: Event | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ModelFact:
    """The model that is trained.

    Attributes:
        variable: its name where it is trained, such as ``model`` or ``self.model``.
        name: name of the class or factory.
        qualified_name: ``net.Net`` (module relative to the project root), ``torchvision.models.resnet18``.
        definition: where a class or factory of the project is defined; None for a library's.
        construction: the expression that builds it, unwrapped.
        alternatives: other constructions a branch may choose (the values of the trace).
        arguments: constructor arguments by name: plain values, a Symbol for code, ``...`` for what is not known.
        sources: where each argument comes from, as in ``arguments_source``.
        positional: True where a library's constructor gets arguments by position whose names are not known.
        arguments_source: none, literal, constant, arguments, config, dataset or unresolved.
        undecided: names of what it may be, where nothing in the source decides; empty where it is decided.
        alterations: statements that change its structure after construction (``model.fc = nn.Linear(...)``).
        wrappers: outermost last.
        first_weights: what sets its weights before it is trained, its constructor aside.
        value: the object of the trace.
    """

    variable: str
    name: str
    qualified_name: str
    definition: Place | None
    construction: Expression
    arguments: dict[str, Any]
    arguments_source: str
    value: Object = field(compare=False, repr=False)
    positional: bool = False
    sources: dict[str, str] = field(default_factory=dict, compare=False)
    alternatives: tuple[Object, ...] = field(default=(), compare=False, repr=False)
    undecided: tuple[str, ...] = ()
    alterations: tuple[Expression, ...] = ()
    wrappers: tuple[Wrapper, ...] = ()
    first_weights: tuple[FirstWeights, ...] = ()


@dataclass(frozen=True)
class ArrayFact:
    """An array, or a number, of a model in NumPy.

    Attributes:
        name: its name where it is trained; ``self.w`` and ``params['w']`` are such names, too.
        construction: the expression that builds it before the epoch loop, perhaps in a function that calls this one.
        index: its position, where that expression gives several.
        is_number: True for a plain number, such as a bias that starts as ``0.0``.
        in_place: True where training changes its elements and never gives its name to another array.
        written: its name as the script writes it, which for an entry of a dictionary may be in other quotes.
        path: the loops and calls that lead to the construction, where they are not those of the training.
    """

    name: str
    construction: Expression
    index: int | str | None = None
    is_number: bool = False
    in_place: bool = True
    written: str = ""
    path: tuple[Any, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class ArraysFact:
    """The model of a training in NumPy.

    Attributes:
        arrays: what is exchanged, in the order it is updated in.
        updates: the statements that update them, all of one block: together one step.
        local: arrays that live on beside the model and are not used on data, such as momentum.
        samples: the arrays of what is trained on.
        depends_on: every name that a pass of the epoch loop reads on its way to an update.
    """

    arrays: tuple[ArrayFact, ...]
    updates: tuple[Expression, ...]
    local: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    depends_on: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ArrayProblem:
    """Why a training in NumPy cannot be followed: in words, and where that shows."""

    what: str
    at: Expression


@dataclass(frozen=True)
class OptimizerFact:
    """An optimizer that steps in the training loop.

    Attributes:
        variable: its name where it steps.
        name: qualified name of the class, such as ``torch.optim.Adam``; ``?`` where it is not known.
        construction: the expression that builds it; None where it is not known.
        step: the call that steps (``scaler.step(optimizer)`` included).
        built_in_loop: True where it is built inside the epoch loop, or another one in its place.
        value: the object of the trace.
    """

    variable: str
    name: str
    construction: Expression | None
    step: Place
    built_in_loop: bool
    value: Any = field(compare=False, repr=False)
    step_event: Event = field(compare=False, repr=False)


@dataclass(frozen=True)
class SchedulerFact:
    """A learning-rate schedule: ``cadence`` is epoch, step, plateau or manual."""

    variable: str
    name: str
    cadence: str
    construction: Expression | None
    value: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LoopFact:
    """The epoch loop, or the statements of a training that stands in none.

    Attributes:
        place: of the ``for`` or ``while``; of the first statement, where there is no loop.
        kind: ``range`` (``tqdm(range())`` and ``trange`` too), ``countdown`` for a range that counts down by one,
            ``count``, ``while``, ``other``, or ``once`` for statements that stand in no loop.
        variable: the loop variable; empty where there is none.
        count: the expression that says how many epochs (the stop of the range, or what it counts down from); None where
            there is none.
        start: the expression of the first epoch; None for zero.
        epochs: the number of epochs, where it is known.
        loop: the loop of the trace.
        path: the loops, calls and branches around it.
        reached_from: the calls through which the program comes to it by default, each from the outermost inwards;
            several where it is run several times.
    """

    place: Place
    kind: str
    variable: str
    count: Expression | None
    start: Expression | None
    epochs: int | None
    loop: Loop = field(compare=False, repr=False)
    path: tuple = field(default=(), compare=False, repr=False)
    reached_from: tuple[tuple[Place, ...], ...] = ()

    @property
    def scope(self) -> Scope:
        """The scope the loop stands in."""
        return self.loop.scope

    @property
    def calls(self) -> list[Call]:
        """The local calls it is reached through, outermost first."""
        return [entry for entry in self.path if isinstance(entry, Call)]

    @property
    def statements(self) -> list[ast.stmt]:
        """The loop; the statements, where there is none."""
        return self.loop.node.body if self.kind == "once" else [self.loop.node]


@dataclass(frozen=True)
class MetricFact:
    """A number the evaluation computes.

    Attributes:
        name: as the source names it: accuracy, loss, dice, ...
        direction: ``max`` or ``min``.
        text: the expression, in the evaluation's scope, whose value it is (``100. * correct / total``).
        index: position in the tuple returned, key of the dictionary or attribute of the object returned, or None.
        key: the key in what stands at that position, where that is a dictionary.
    """

    name: str
    direction: str
    text: str
    index: int | str | None = None
    key: str | None = None


@dataclass(frozen=True)
class EvaluationFact:
    """How the program measures the model.

    Attributes:
        function: qualified name of the function that holds the evaluating batch loop; None where it stands inline.
        definition: the function's definition (file and line); None inline.
        call: the call of it that stands nearest the epoch loop; None inline.
        call_event: the same, in the trace.
        where: ``loop``, ``batch_loop``, ``after`` or ``before``: where it stands with respect to the epoch loop.
        returns: ``none``, ``value``, ``tuple``, ``dict`` or ``object``.
        metrics: what it computes, the most telling first.
        statements: inline: the statements of the block, first and last.
        loop: the evaluating batch loop in the trace.
        forward: inline, without such a loop: the statement that calls the model.
        leaves_grad_off: True where autograd is not switched back by the evaluation.
        on_training_data: True where it runs over the loader that the training runs over.
    """

    function: str | None
    definition: Place | None
    call: Expression | None
    where: str
    returns: str
    metrics: tuple[MetricFact, ...]
    loop: Loop | None = field(default=None, compare=False, repr=False)
    call_event: Event | None = field(default=None, compare=False, repr=False)
    statements: tuple[Expression, ...] = ()
    forward: ast.stmt | None = field(default=None, compare=False, repr=False)
    leaves_grad_off: bool = False
    on_training_data: bool = False


@dataclass(frozen=True)
class LocalStateFact:
    """State beside the model that training changes, and by which the training or the evaluation goes.

    Attributes:
        name: as the program calls it, such as ``centers`` or ``normaliser.mean``.
        change: the first statement of an epoch that changes it.
        measures: True where the evaluation of the model goes by it.
        holder: whose variable or attribute it is: a scope, an object or a class.
    """

    name: str
    change: Expression
    measures: bool
    holder: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class PathFact:
    """A path the program reads data from.

    Attributes:
        text: as written, such as ``'../data'``; value: the path, where it is known.
        expression: the literal, or the expression that gives it.
        option: the script's own option that sets it, if there is one.
        reader: qualified name of what reads it.
        kind: ``directory``, ``file`` or ``any``.
        event: the first call that reads from it.
        configured: True where it stands in a file of settings.
        path_class: of a path that starts at ``__file__``, whose value is relative to the root of the project: what
            makes a path of text there, empty where that is not seen; None for any other path.
        environment: the variable of the environment that it starts with, where it has no default.
    """

    value: str | None
    expression: Expression
    reader: str
    kind: str
    event: Event = field(compare=False, repr=False)
    option: Option | None = None
    configured: bool = False
    path_class: str | None = None
    environment: str = ""


@dataclass(frozen=True)
class LoaderFact:
    """A ``DataLoader``.

    Attributes:
        loader: its construction.
        dataset: the expression of the data set handed to it; None where that is not written there.
    """

    loader: Expression
    dataset: Expression | None


@dataclass(frozen=True)
class DataFact:
    """The training data.

    Attributes:
        source: qualified name of the data set or of what reads it.
        path: the path as written, or None.
        paths: every path read.
        loader: the construction of the training ``DataLoader``; None where there is none.
        dataset: the expression of the data set handed to it.
        loop: the training batch loop in the trace; None for full-batch training.
        others: the loaders that are trained on beside it, or take its place in the course of the epochs.
        chosen_anew: True where the samples of a loader are chosen in every epoch.
        numbered: False for a stream, whose samples have no numbers.
    """

    source: str | None
    path: str | None
    paths: tuple[PathFact, ...]
    loader: Expression | None
    dataset: Expression | None
    loop: Loop | None = field(default=None, compare=False, repr=False)
    others: tuple[LoaderFact, ...] = ()
    chosen_anew: bool = False
    numbered: bool = True


@dataclass(frozen=True)
class ArgumentsFact:
    """The script's own command line.

    Attributes:
        kind: ``argparse``, ``fire`` or ``none``.
        parser: the name of the parser where ``parse_args`` is called; empty where there is none.
        variable: the name its result is bound to.
        parse: the statement that calls ``parse_args``.
        options: what it declares.
        command: the word by which the script is told which of its functions is meant; empty where it needs none.
        before_command: destinations of the options that the script takes before that word only.
        closed: True where it takes no others: argparse refuses them, and every call that declares one is understood.
        line: the command line that the script writes itself and hands to ``parse_args``; None where it reads its own.
    """

    kind: str
    parser: str = ""
    variable: str = ""
    parse: Expression | None = None
    options: tuple[Option, ...] = ()
    command: str = ""
    before_command: tuple[str, ...] = ()
    closed: bool = False
    line: Expression | None = None


@dataclass(frozen=True)
class Features:
    """What the training does besides."""

    amp: bool = False
    gradient_accumulation: bool = False
    gradient_clipping: bool = False
    checkpoint_save: bool = False
    checkpoint_resume: bool = False
    early_stopping: bool = False
    distributed: str | None = None


@dataclass(frozen=True)
class Facts:
    """Everything known of a program. Absent things are None.

    Attributes:
        models: every model whose parameters an optimizer of the epoch loop steps, the chosen one first.
        optimizers: every optimizer that steps in the epoch loop.
        loops: every loop that could be the epoch loop, the chosen one first.
        train_function: qualified name of the function that holds the training batch loop; None where it stands inline.
        local_state: what training learns beside the model and goes by.
        local_state_limit: why that was not looked for to the end; empty where it was.
        loose_layers: layers with weights of their own that a pass calls and no trained model holds.
        arrays: the model of a training in NumPy.
        array_problem: why a training in NumPy cannot be followed.
    """

    project: Project = field(compare=False, repr=False)
    trace: Trace = field(compare=False, repr=False)
    models: tuple[ModelFact, ...] = ()
    optimizers: tuple[OptimizerFact, ...] = ()
    schedulers: tuple[SchedulerFact, ...] = ()
    loops: tuple[LoopFact, ...] = ()
    train_function: str | None = None
    evaluation: EvaluationFact | None = None
    evaluations: tuple[EvaluationFact, ...] = ()
    data: DataFact | None = None
    arguments: ArgumentsFact = ArgumentsFact("none")
    features: Features = Features()
    local_state: tuple[LocalStateFact, ...] = ()
    local_state_limit: str = ""
    loose_layers: tuple[Expression, ...] = ()
    arrays: ArraysFact | None = None
    array_problem: ArrayProblem | None = None

    @property
    def model(self) -> ModelFact | None:
        """The model that is trained."""
        return self.models[0] if self.models else None

    @property
    def optimizer(self) -> OptimizerFact | None:
        """The optimizer that trains it."""
        return self.optimizers[0] if self.optimizers else None

    @property
    def scheduler(self) -> SchedulerFact | None:
        """The learning-rate schedule."""
        return self.schedulers[0] if self.schedulers else None

    @property
    def loop(self) -> LoopFact | None:
        """The epoch loop."""
        return self.loops[0] if self.loops else None
