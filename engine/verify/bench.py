"""Where the proofs are run: scratch folders, command lines, and the processes of the original and of the sites."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engine.result import UserError
from engine.source import read_file
from engine.verify import harness
from engine.verify.algorithm import protocol
from engine.verify.conversion import Conversion
from engine.verify.launch import Launch, Settings
from engine.verify.original import accepts, instrument, instrument_client
from engine.verify.processes import Child, ChildError, load_ahead
from engine.verify.server import Server, State
from engine.verify.workspace import mirror_project


@dataclass(frozen=True)
class Recording:
    """What the original did; see `engine.verify.probe.Probe`.

    Attributes:
        initial: state of the model when the epoch loop began.
        streams: digest of the random streams then.
        loaded: weights were loaded into it before that.
        final: its state when the loop was left; None where it was left by `return`.
        steps: trace of its optimizer steps.
        first: digest of the model before the first of them.
        parameters: names of its parameters.
        evaluations: ``state``, ``printed`` numbers and ``values`` of variables of its first evaluations; ``placed`` is
            False where the conversion does not say where they stand, and all that was printed last is taken.
        gradients: mean of its own gradients, where an algorithm has changed them.
        error: traceback of what went wrong after the loop; None if nothing did.
    """

    initial: dict[str, torch.Tensor]
    streams: dict[str, str]
    steps: list[dict[str, Any]]
    first: dict[str, str]
    parameters: list[str]
    loaded: bool = False
    final: dict[str, torch.Tensor] | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    gradients: dict[str, torch.Tensor] = field(default_factory=dict)
    error: str | None = None


class Bench:
    """The scratch folder of one `verify`.

    Args:
        conversion: what is verified.
        settings: how.
        scratch: an empty folder.
    """

    def __init__(self, conversion: Conversion, settings: Settings, scratch: Path) -> None:
        self.conversion = conversion
        self.settings = settings
        self._scratch = scratch.resolve()
        self._numbers = itertools.count(1)
        self._running: set[Child] = set()
        self._is_over = False
        self._code = mirror_project(conversion.directory, (), self._folder("converted"))
        if conversion.updates:
            instrument_client(conversion, self._code)
        load_ahead(self._code)
        source = self._copy_of_source("data") if conversion.data else conversion.source_root
        self._start = source / conversion.folder

    @property
    def epochs_can_be_set(self) -> bool:
        """True if both scripts can be told how many epochs to train."""
        return bool(self.conversion.epochs and self.conversion.epochs_option)

    @property
    def trains_once(self) -> bool:
        """True if the original trains once in its data, and can do that again for every round."""
        return self.conversion.repeatable and not self.epochs_can_be_set

    def record_original(self, changed: bool = False, times: int = 1) -> Recording:
        """Run the original for ``rounds * local_epochs`` epochs.

        Args:
            changed: do to its gradients what the algorithm of the job asks of its client.
            times: how often what trains shall stand in it.

        Raises:
            UserError: it cannot be run or observed here.
        """
        root = self._copy_of_source("original")
        epochs = self.settings.rounds * self.settings.local_epochs
        instrument(self.conversion, root, epochs, times)
        option = self.conversion.epochs_option
        script = root / self.conversion.entry
        told = (
            (option, str(epochs + self.conversion.epochs_beyond))
            if self.epochs_can_be_set and option and accepts(script, option)
            else ()
        )
        launch = self._launch(
            folder=root / self.conversion.folder,
            script=script,
            import_roots=(script.parent, root),
            arguments=(*self.conversion.script_arguments, *told, *self.settings.arguments),
            recipe=self.conversion.recipe if changed else "",
            mu=self.conversion.mu,
        )
        try:
            with self._child(harness.run_original, launch) as child:
                seen = child.receive()
                output = child.output()
        except ChildError as error:
            raise UserError(f"the original {self.conversion.entry} could not be run: {error}") from error
        return _recording(self.conversion, seen, output)

    @contextlib.contextmanager
    def job(self, sites: int, epochs: int, rounds: int, initial: State, changed: bool = False) -> Iterator[Server]:
        """Start the sites of a job; they are ended when the `with` statement is left.

        Args:
            sites: how many.
            epochs: local epochs of each round.
            rounds: how many rounds the clients are told that there are.
            initial: state of the model that the job starts from.
            changed: let the algorithm change the gradients from the first step of a single site on; otherwise it is
                FedAvg there, by mu = 0 or controls of zero.

        Returns:
            The server that they talk to.
        """
        with contextlib.ExitStack() as stack:
            children = {
                f"site-{index + 1}": stack.enter_context(
                    self._child(harness.run_site, self._site(index, sites, epochs, rounds))
                )
                for index in range(sites)
            }
            conversion, alone = self.conversion, sites == 1 and not changed
            told = protocol(conversion.recipe, 0.0 if alone else conversion.mu, initial, planted=changed)
            yield Server(children, initial, conversion.exchange_format, told)

    def server_model(self) -> dict[str, torch.Tensor]:
        """State of the model that FLARE's server builds from class path and arguments, without the training script.

        Raises:
            ChildError: it cannot be built.
        """
        conversion = self.conversion
        client = Path(conversion.client).stem
        launch = self._launch(folder=self._folder("server"), script=self._code, import_roots=(self._code,), name=client)
        with self._child(harness.build_model, launch) as child:
            reply = child.ask((conversion.class_path, conversion.model_args, conversion.initial_ckpt))
        if reply["error"]:
            raise ChildError(reply["error"])
        return reply["state"]

    def end(self) -> None:
        """End all that is running, and start nothing more."""
        self._is_over = True
        for child in tuple(self._running):
            child.end()

    @contextlib.contextmanager
    def _child(self, target: Callable[..., None], launch: Launch) -> Iterator[Child]:
        with Child(target, launch, self.settings.time_limit) as child:
            self._running.add(child)
            try:
                if self._is_over:
                    raise ChildError("the proofs have been broken off")
                yield child
            finally:
                self._running.discard(child)

    def _site(self, index: int, sites: int, epochs: int, rounds: int) -> Launch:
        conversion, name = self.conversion, f"site-{index + 1}"
        is_split = conversion.partitions_option is not None
        arguments: list[str] = []
        for option, value in conversion.data:
            if value is not None and not os.path.isabs(os.path.expanduser(value)):
                arguments += [option, os.path.normpath(self._start / value) + "/" * value.endswith("/")]
        settable: dict[str | None, int] = {conversion.rounds_option: rounds, conversion.partitions_option: sites}
        if self.epochs_can_be_set:
            settable[conversion.epochs_option] = epochs + conversion.epochs_beyond
        for setting, number in settable.items():
            if setting:
                arguments += [setting, str(number)]
        return self._launch(
            folder=self._folder(name),
            script=self._code / conversion.client,
            import_roots=(self._code,),
            arguments=(
                *map(self._given, conversion.script_arguments),
                *arguments,
                *map(self._located, self.settings.arguments),
            ),
            seed=self.settings.seed + index,
            name=name,
            exchange_format=conversion.exchange_format,
            partitions=is_split and sites > 1,
        )

    def _given(self, argument: str) -> str:
        """An argument of the script, a file of the source project by its path."""
        name, equals, value = argument.rpartition("=")
        return f"{name}{equals}{self._start / value}" if value in self.conversion.given_files else argument

    def _located(self, argument: str) -> str:
        """An argument of `verify`, a data location by its whole path: a site runs in a folder of its own."""
        option, _, value = argument.partition("=")
        is_data = option in dict(self.conversion.data) and value and not value.startswith("~")
        return f"{option}={self._start / value}" if is_data else argument

    def _launch(self, folder: Path, **options: Any) -> Launch:
        environment = {} if self.settings.gpu else {"CUDA_VISIBLE_DEVICES": ""}
        if self.conversion.execution == "external":
            environment |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        options.setdefault("seed", self.settings.seed)
        return Launch(
            folder=folder,
            log=self._scratch / f"{next(self._numbers)}.log",
            hidden=(Path.cwd(), self.conversion.source_root, self.conversion.directory),
            environment=tuple(environment.items()),
            arrays=bool(self.conversion.updates),
            **options,
        )

    def _copy_of_source(self, name: str) -> Path:
        written = [default for _, default in self.conversion.data if default is not None]
        given = [*written, *self.conversion.given_files]
        data = [os.path.join(self.conversion.folder, path) for path in given]
        root = mirror_project(
            self.conversion.source_root, data, self._folder(name), leave_out={self.conversion.directory}
        )
        entry = root / self.conversion.entry
        if entry.suffix == ".ipynb":
            script = read_file(entry, root).raw
            entry.unlink()  # it may be a link to the notebook itself
            entry.write_bytes(script)
        return root

    def _folder(self, name: str) -> Path:
        folder = self._scratch / f"{next(self._numbers)}-{name}"
        folder.mkdir()
        return folder


def _recording(conversion: Conversion, seen: dict[str, Any], output: str) -> Recording:
    loop = f"{conversion.loop.file}:{conversion.loop.line}"
    if seen["loops"] == 0 or (seen["error"] and "final" not in seen):
        raise UserError(f"the original did not get through its epoch loop at {loop}: {seen['error'] or output}")
    if seen["loops"] > 1:
        raise UserError(
            f"the epoch loop at {loop} ran {seen['loops']} times, so there is no one training run to compare"
        )
    if not seen["steps"]:
        raise UserError(f"the original took no optimizer step in its epoch loop at {loop}")
    names = Recording.__dataclass_fields__
    return Recording(**{name: value for name, value in seen.items() if name in names})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
