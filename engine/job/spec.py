"""What a federated job is: one validated value with FLARE's own names, made from a converted folder.

What comes from outside, a file or a command line, is validated by pydantic against the types and limits that stand at
the fields. What a plan says of a script has these types; so converting it does not wait for pydantic to be imported.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from engine.configuration import CONVERSION
from engine.job.recipes import RECIPES, Recipe, recipe_named, recipes_of
from engine.result import UserError

CLIENT = "client.py"
OWN_NAMES = {"clients", "rounds", "partition", "local_epochs", "workspace", "export", "export_dir", "help"}
GENERATED = {CLIENT, "job.py", CONVERSION}
ALPHA = 0.5  # a clear difference between the sites that training still bears (Hsu, Qi and Brown, 2019)
ONLY_IN_RECIPES = (
    "stop_cond", "cross_site_eval", "aggregator", "aggregator_data_kind", "params_transfer_type", "optimizer_args",
    "lr_scheduler_args", "sites",
)  # fmt: skip
DOTTED = r"^[^\W\d]\w*(\.[^\W\d]\w*)+$"
FLAG = re.compile(r"--?[A-Za-z][\w.-]*")
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # a folder and a process are called by it
LARGEST_ALPHA = 1e9  # far above it numpy cannot draw; every mix is that of the data long before
TORCHRUN = "torch.distributed.run"


@dataclass(frozen=True)
class Option:
    """An option of ``client.py`` that the job fills in.

    Attributes:
        option: its name with the dashes, such as ``--epochs``.
        default: the value the training script has for it; ``None`` where it has none.
        beyond: by how much the value exceeds the number of epochs: a script with ``range(1, args.epochs)`` trains 9
            epochs where it is told 10.
    """

    __pydantic_config__ = {"extra": "ignore"}

    option: str
    default: str | int | float | None = None
    beyond: int = 0

    def __post_init__(self) -> None:
        if not FLAG.fullmatch(self.option):
            raise UserError(
                f"the job cannot set the option {self.option} of the script: let its name begin with a letter and hold "
                "letters, digits, dots and dashes"
            )


@dataclass(frozen=True)
class Arguments:
    """The options of ``client.py`` by their meaning; ``None`` where the script has no such option.

    Attributes:
        epochs: local epochs of one round.
        rounds: number of rounds, for schedules that span them all.
        partitions: in how many parts the training data is split in a simulation.
        data: where the data is; relative values are relative to the source project.
        settings: files of settings, which only sites with one of their own are told.
        files: files of the source project that the script is given on its command line.
    """

    __pydantic_config__ = {"extra": "ignore"}

    epochs: Option | None = None
    rounds: Option | None = None
    partitions: Option | None = None
    data: tuple[Option, ...] = ()
    settings: tuple[Option, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """How the server builds the model.

    Attributes:
        class_path: importable name of the class or of a function that returns the model, such as ``model.Net``.
        args: its keyword arguments, as JSON values.
    """

    __pydantic_config__ = {"extra": "forbid"}

    class_path: str = field(metadata={"pattern": DOTTED})
    args: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            json.dumps(self.args, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UserError(f"model.args of the job: model arguments must be finite JSON values: {error}") from None


@dataclass(frozen=True)
class Component:
    """A class that FLARE builds on the server, such as the optimizer of FedOpt.

    Attributes:
        path: importable name, such as ``torch.optim.Adam``.
        args: keyword arguments.
    """

    __pydantic_config__ = {"extra": "forbid"}

    path: str = field(metadata={"pattern": DOTTED})
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """A federated job of a converted folder. Names are those of FLARE's recipes and ``SimEnv``.

    Attributes:
        name: name of the job.
        entry: training script it was made from, for the text of ``job.py``.
        source: folder of the source project, relative to the converted folder.
        folder: where in it the script is run, which is where its relative paths start.
        recipe: name in FLARE's recipe catalogue.
        style: ``recipe``, or ``fedjob`` for FedAvg put together of FLARE's components, each to be replaced by hand.
        model: how the server builds the model.
        num_clients: number of sites; every site takes part in every round.
        num_rounds: number of rounds.
        local_epochs: epochs of one round at one site; ``None`` where the script has no such option.
        arguments: options of ``client.py`` that the job fills in.
        script_arguments: what the script is always given on its command line, before what the job sets.
        modules: files the client or the server imports besides ``client.py``, relative to the folder.
        key_metric: metric that selects the best model; empty to select none.
        key_metric_mode: ``max`` where more is better.
        final_evaluation: whether every site evaluates the final model, which no round does.
        cross_site_eval: whether every site also evaluates the model of every other site.
        stop_cond: ends the job early, such as ``accuracy >= 0.9``.
        patience: rounds without a better metric after which the job ends; FLARE heeds it with ``stop_cond`` only.
        initial_ckpt: file with the weights to start from; packed into the job where it lies in the converted folder.
        aggregator: aggregation of the user's, ``module:Class`` with a ``ModelAggregator`` of FLARE.
        fedprox_mu: weight of FedProx's proximal term.
        optimizer_args: optimizer of the server for FedOpt.
        lr_scheduler_args: its learning rate scheduler.
        partition: how the training data is split between the sites of a simulation: ``stratified``, every label in the
            same proportion where labels are known, the default; ``even``, whatever the labels; ``dirichlet``, every
            site with a mix of labels of its own.
        alpha: for ``dirichlet``, and no other: the smaller, the more the sites differ.
        site_weights: sizes of the parts, in proportion; equal where there are none.
        sites: named sites, each with values for options of job.py by their names, such as ``data_dir``.
        aggregator_data_kind: what the aggregator expects, a name of FLARE's ``DataKind``.
        params_transfer_type: ``FULL`` for whole models, ``DIFF`` for what a round has changed.
        launch_external_process: whether the site starts the client in its own process.
        command: how it is started then.
        server_expected_format: ``numpy``, or ``pytorch`` for types NumPy does not know (bfloat16).
    """

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}

    name: str = field(metadata={"pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"})
    entry: str
    source: str = ".."
    folder: str = "."
    recipe: str = "fedavg-pt"
    style: Literal["recipe", "fedjob"] = "recipe"
    model: Model
    num_clients: int = field(default=2, metadata={"ge": 1})
    num_rounds: int = field(default=3, metadata={"ge": 1})
    local_epochs: int | None = field(default=None, metadata={"ge": 1})
    arguments: Arguments = Arguments()
    script_arguments: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    key_metric: str = ""
    key_metric_mode: Literal["max", "min"] = "max"
    final_evaluation: bool = False
    cross_site_eval: bool = False
    stop_cond: str | None = field(default=None, metadata={"pattern": rf"^\S+ (<=|>=|<|>|=) {NUMBER}$"})
    patience: int | None = field(default=None, metadata={"ge": 1})
    initial_ckpt: str | None = None
    aggregator: str | None = field(default=None, metadata={"pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"})
    fedprox_mu: float | None = field(default=None, metadata={"gt": 0})
    optimizer_args: Component | None = None
    lr_scheduler_args: Component | None = None
    partition: Literal["even", "stratified", "dirichlet"] | None = None
    alpha: float | None = field(default=None, metadata={"gt": 0, "le": LARGEST_ALPHA})
    site_weights: tuple[float, ...] = ()
    sites: dict[str, dict[str, str | int]] = field(default_factory=dict)
    aggregator_data_kind: Literal["WEIGHTS", "WEIGHT_DIFF"] | None = None
    params_transfer_type: Literal["FULL", "DIFF"] | None = None
    launch_external_process: bool = False
    command: str = "python3 -u"
    server_expected_format: Literal["numpy", "pytorch"] = "numpy"

    def __post_init__(self) -> None:
        """Refuse settings that do not go together."""
        recipe_named(self.recipe)
        self._check_metric()
        self._check_style()
        self._check_numpy()
        self._check_start()
        self._check_evaluation()
        self._check_split()
        self._check_sites()
        self._check_number_of_sites()
        self._check_script_arguments()

    @property
    def is_split(self) -> bool:
        """Whether the sites of a simulation share the training data; named sites have data of their own."""
        return self.arguments.partitions is not None and not self.sites

    @property
    def split(self) -> str:
        """How it is split, as ``job.py`` says it to the client: such as ``dirichlet:alpha=0.5:weights=3,1``."""
        alpha = [f"alpha={self.alpha or ALPHA:g}"] if self.partition == "dirichlet" else []
        weights = ["weights=" + ",".join(f"{weight:g}" for weight in self.site_weights)] if self.site_weights else []
        return ":".join([self.partition or "stratified", *alpha, *weights])

    def _check_metric(self) -> None:
        if self.patience and not self.stop_cond:
            raise UserError("FLARE heeds patience with stop_cond only, such as 'accuracy >= 0.9'")
        if (self.stop_cond or self.cross_site_eval) and not self.key_metric:
            raise UserError("stop_cond and cross_site_eval need a metric, and the training script computes none")

    def _check_style(self) -> None:
        beyond = [name for name in ONLY_IN_RECIPES if getattr(self, name)]
        if self.style == "fedjob" and (self.recipe != "fedavg-pt" or beyond):
            names = ", ".join(beyond) or self.recipe
            raise UserError(f"a job in the style fedjob is plain fedavg-pt: leave out {names}")

    def _check_numpy(self) -> None:
        if RECIPES[self.recipe].framework == "NumPy":
            if self.server_expected_format != "numpy":
                raise UserError(f"{self.recipe} exchanges NumPy arrays: leave out server_expected_format")
            if self.cross_site_eval:
                raise UserError(f"FLARE has no cross-site evaluation of {self.recipe} that uses the client's metric")

    def _check_start(self) -> None:
        if RECIPES[self.recipe].server_builds_from_instance and self.initial_ckpt:
            raise UserError(
                f"{self.recipe} cannot start from initial_ckpt: FLARE gives it to the sites, and the optimizer of the "
                "server steps from the weights that the model is built with"
            )

    def _check_evaluation(self) -> None:
        if RECIPES[self.recipe].evaluates and not (self.initial_ckpt and self.key_metric):
            needed = "the model to measure, --initial-ckpt" if self.key_metric else "a metric, and the script has none"
            raise UserError(f"{self.recipe} needs {needed}")

    def _check_split(self) -> None:
        for number, weight in enumerate(self.site_weights):
            if weight <= 0:
                raise UserError(f"site_weights.{number} of the job: Input should be greater than 0")
        if (self.partition or self.alpha or self.site_weights) and not self.is_split:
            unsplit = (
                "the client cannot split its training data (the decisions in conversion.json say why), so sites need"
            )
            raise UserError(
                f"{'named sites have' if self.sites else unsplit} data of their own: leave out partition, alpha and "
                "site_weights; `job --without partition` takes back what was chosen before"
            )
        if self.site_weights and len(self.site_weights) != self.num_clients:
            raise UserError(f"{len(self.site_weights)} site_weights for {self.num_clients} sites")

    def _check_number_of_sites(self) -> None:
        number, fewest = len(self.sites) or self.num_clients, RECIPES[self.recipe].fewest_sites
        if number < fewest:
            raise UserError(
                f"{self.recipe} passes the model from site to site: it takes at least {fewest}, not {number}"
            )

    def _check_sites(self) -> None:
        if self.sites and not RECIPES[self.recipe].per_site:
            raise UserError(f"{self.recipe} has no arguments per site")
        known = {option_name(option) for option in (*self.arguments.data, *self.arguments.settings)}
        known |= {"local_epochs"} if self.local_epochs else set()
        for site, values in self.sites.items():
            if site == "server" or not SITE_NAME.fullmatch(site):
                raise UserError(
                    f"{site!r} cannot be a site's name: use letters, digits, '.', '-' and '_', not 'server'"
                )
            for name in sorted(values.keys() - known):
                raise UserError(f"site {site} sets {name}; it can set {', '.join(sorted(known)) or 'nothing'}")
            epochs = values.get("local_epochs", 1)
            if not isinstance(epochs, int) or epochs < 1:
                raise UserError(f"site {site} sets local_epochs to {epochs!r}, which is no whole number from 1 on")

    def _check_script_arguments(self) -> None:
        """Refuse what the job tells the script as well, after what it is given: the last one counts."""
        own = self.arguments
        remedies = {
            option.option: f"job.py has --{option_name(option).replace('_', '-')} for it" for option in own.data
        }
        if own.epochs and self.local_epochs:
            remedies[own.epochs.option] = "use --local-epochs"
        if own.rounds:
            remedies[own.rounds.option] = "use --rounds"
        if own.partitions:
            remedies[own.partitions.option] = "use --partition"
        for word in self.script_arguments:
            option = word.partition("=")[0]
            if option in remedies:
                raise UserError(f"the job sets {option} of {CLIENT} itself, after {word}: {remedies[option]}")


def option_name(option: Option) -> str:
    """Name, in job.py, of the value of an option of the client, such as ``data_dir``."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", option.option.lstrip("-")).strip("_")
    return f"client_{name}" if name in OWN_NAMES or keyword.iskeyword(name) else name


def job_spec(conversion: Mapping[str, Any], **settings: Any) -> JobSpec:
    """The job of a conversion, all of it validated.

    Args:
        conversion: content of ``conversion.json``.
        settings: fields of JobSpec that replace what the conversion says; ``None`` leaves a field alone.

    Raises:
        UserError: where a value is missing or not allowed.
    """
    from engine.job.validation import validated  # imports pydantic

    arguments = validated(Arguments, conversion.get("arguments", {}), "arguments")
    chosen = {name: value for name, value in settings.items() if value is not None}
    return validated(JobSpec, _fields(conversion, arguments, chosen))


def planned_job_spec(record: Mapping[str, Any]) -> JobSpec:
    """The job of a conversion that has just been made. What a plan says needs no validation, what a person chose does.

    Args:
        record: content of ``conversion.json``.

    Raises:
        UserError: where a value is not allowed.
    """
    if record["job"]:
        return job_spec(record)
    fields = _fields(record, _planned_arguments(record["arguments"]), {})
    return JobSpec(**fields | {"model": Model(**record["model"])})


def _planned_arguments(found: Mapping[str, Any]) -> Arguments:
    """The options of a client that has just been made."""

    def option(of: Mapping[str, Any]) -> Option:
        return Option(of["option"], of.get("default"), of.get("beyond", 0))

    single = {name: option(found[name]) for name in ("epochs", "rounds", "partitions") if found[name]}
    several = {name: tuple(map(option, found.get(name, ()))) for name in ("data", "settings")}
    return Arguments(**single, **several, files=tuple(found.get("files", ())))


def _fields(conversion: Mapping[str, Any], arguments: Arguments, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a conversion says of the fields of its job, and what was chosen for it, before and now."""
    chosen_before = conversion.get("job", {})
    source, metric = conversion["source"], conversion.get("metric")
    recipe = _recipe(conversion, chosen)
    if "local_epochs" in chosen and not arguments.epochs and not recipe.evaluates:
        raise UserError(f"{source['entry']} has no option for its number of epochs: leave out --local-epochs")
    fields = {
        "name": re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(source["entry"]).stem).strip("-") or "job",
        "entry": source["entry"],
        "source": source["root"],
        "folder": source.get("folder", "."),
        "recipe": recipe.name,
        "model": conversion["model"],
        "local_epochs": arguments.epochs and arguments.epochs.default,
        "arguments": arguments,
        "modules": tuple(sorted(set(conversion.get("files", {})) - GENERATED)),
        "key_metric": metric["name"] if metric else "",
        "key_metric_mode": metric["direction"] if metric else "max",
        "final_evaluation": bool(metric) and recipe.evaluates_final,
        "launch_external_process": conversion.get("execution") == "external",
        "server_expected_format": conversion.get("exchange_format", "numpy"),
        "initial_ckpt": conversion.get("initial_ckpt"),
        **chosen_before,
        **chosen,
    }
    if TORCHRUN in (fields.get("command") or "") and conversion.get("execution") != "external":
        raise UserError(
            f"{source['entry']} calls no init_process_group, so every process of torchrun would train by itself: "
            "leave out torchrun"
        )
    return fields | ({"local_epochs": None} if recipe.evaluates else {})


def _recipe(conversion: Mapping[str, Any], chosen: Mapping[str, Any]) -> Recipe:
    """The recipe of a job: the one chosen now, or before, or else that of the conversion.

    Raises:
        UserError: the client is not written for it.
    """
    written_for = recipe_named(conversion.get("recipe", "fedavg-pt"))
    recipe = recipe_named(chosen.get("recipe") or conversion.get("job", {}).get("recipe") or written_for.name)
    if recipe.framework != written_for.framework:
        raise UserError(
            f"{CLIENT} trains a model of {written_for.framework}, and {recipe.name} is for {recipe.framework}: "
            f"leave out the recipe, or choose one of {', '.join(recipes_of(written_for.framework))}"
        )
    if recipe.client_step != written_for.client_step:
        raise UserError(
            f"{CLIENT} was written for {written_for.name}, and {recipe.name} asks for another: convert anew with "
            f"`python -m codemods apply {conversion['source']['entry']} --recipe {recipe.name}`"
        )
    return recipe


def read_conversion(directory: Path) -> dict[str, Any]:
    """The content of ``conversion.json`` in a converted folder.

    Raises:
        UserError: where it is missing or not what ``apply`` writes.
    """
    path = Path(directory) / CONVERSION
    try:
        conversion = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} does not exist: give a folder that `apply` has written") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): run `apply` again") from None
    found = conversion if isinstance(conversion, dict) else {}
    sections = [found.get("source"), found.get("model"), found.get("files"), found.get("job", {})]
    if not all(isinstance(each, dict) for each in sections) or not {"root", "entry"} <= found["source"].keys():
        raise UserError(f"{path} is not what `apply` writes: run it again")
    return conversion


def job_spec_from(directory: Path, **settings: Any) -> JobSpec:
    """The job of a converted folder; see :func:`job_spec`."""
    return job_spec(read_conversion(directory), **settings)
