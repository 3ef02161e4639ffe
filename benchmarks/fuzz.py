"""Programs made at random through inspect, lint and apply: no crash, no hang, nothing that changes on a second run.

python -m benchmarks.fuzz --programs 10000 --seed 0 --keep FOLDER

One program in four is a training script with statements that hypothesmith made; the others are real programs changed
at random: training scripts, of the fixtures and of the folders given by ``--scripts``, and modules of the standard
library.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import random
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import click
import hypothesmith
import libcst
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.mutation import encoded, fixtures, library, mutated, training_scripts, with_piece
from codemods import PIPELINE
from engine.apply import Outcome, build
from engine.facts import Facts, gather
from engine.inspection import as_json, inspect_program
from engine.lint import lint
from engine.pipeline import comments
from engine.plan import Choices
from engine.result import Result, UserError
from engine.source import Project
from rules import RULES, blockers
from rules import warnings as warnings_of

BATCH = 50  # programs in one process
STUCK = 300  # seconds without an answer after which a process is given up
NODES = (libcst.SimpleStatementLine, libcst.FunctionDef, libcst.If, libcst.Module)  # others take hypothesmith minutes
TIME_LIMIT = 20
OUR_FAULT = ("please report it", " failed: ", "do not compile")
TAIL = "\n# load save mean Scale symeig data\nimport torch\n"


class Trouble(Exception):
    """What should not happen."""


@dataclass(frozen=True)
class Material:
    """What programs are made of.

    Attributes:
        own: training scripts of the fixtures.
        others: those of other folders.
        modules: modules of the standard library.
        pieces: statements made of random syntax trees.
    """

    own: list[Path]
    others: list[Path]
    modules: list[Path]
    pieces: list[str]


@dataclass(frozen=True)
class Made:
    """A program made at random.

    Attributes:
        name: what it was made of.
        content: its bytes.
        origin: the folder of the program it was made of, whose modules it imports.
    """

    name: str
    content: bytes
    origin: Path | None = None


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises Trouble where something takes more processor time."""

    def stop(signum, frame):
        raise Trouble(f"still running after {seconds} s:\n{''.join(traceback.format_stack(frame)[-6:])}")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def heard() -> Iterator[None]:
    """A sentence for the user is an answer, unless it speaks of an error of ours."""
    try:
        yield
    except UserError as error:
        if any(fault in str(error) for fault in OUR_FAULT) or "\n" in str(error):
            raise Trouble(str(error)) from error


def tried(script: Path) -> str:
    """Put a program through everything.

    Returns:
        what became of it: converted, refused or unreadable.

    Raises:
        Trouble: something that should not happen.
    """
    verdict = "unreadable"
    with limited(TIME_LIMIT), heard():
        facts = gather(Project(script))
        verdict = inspected(facts)
    with limited(TIME_LIMIT):
        linted(script.with_name("linted.py"), script.read_bytes())
    if verdict == "convert":
        with limited(TIME_LIMIT):
            applied(script, facts)
    return verdict


def inspected(facts: Facts) -> str:
    """The verdict on a program."""
    report = inspect_program(facts, {}, blockers, warnings_of)
    as_json(report)
    return report["verdict"]


def linted(path: Path, content: bytes) -> None:
    """Lint and fix it; a second time there is nothing to fix."""
    path.write_bytes(content)
    if _fixes(path):
        if lost := all_comments([content]) - all_comments([path.read_bytes()]):
            raise Trouble(f"lint --fix loses comments: {[*lost]}")
        if again := _fixes(path):
            raise Trouble(f"fixed again: {again[0].name}")
    path.unlink()


def _fixes(path: Path) -> list[Result]:
    """Lint and fix a file; what was fixed."""
    with heard():
        outcome = lint([path], lambda: RULES, fix=True, unsafe=True)
        for error in outcome.errors:
            if any(fault in error for fault in OUR_FAULT):
                raise Trouble(error)
        return outcome.fixed
    return []


def applied(script: Path, facts: Facts) -> None:
    """Convert it; a second time the same comes out, and what came out is not converted again."""
    folder = script.parent / "federated"
    outcome = converted(facts, folder)
    if outcome is None:
        return
    for name, content in outcome.files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    python = [content for name, content in outcome.files.items() if name.endswith(".py")]
    if lost := all_comments(dict(outcome.sources.values()).values()) - all_comments(python):
        raise Trouble(f"comments are lost: {[*lost]}")
    again = converted(gather(Project(script)), folder)
    if again is None or again.files != outcome.files:
        raise Trouble("a second run gives other files")
    with heard():
        if converted(gather(Project(folder / "client.py")), folder / "again"):
            raise Trouble("what was converted is converted again")


def converted(facts: Facts, folder: Path) -> Outcome | None:
    """What ``apply`` would write; None where the program is refused or the user is told why not."""
    with heard():
        outcome = build(facts, PIPELINE, blockers, folder, Choices(), {})
        return outcome if outcome.files else None
    return None


def all_comments(contents: Iterable[bytes]) -> Counter[str]:
    """The comments of Python files, those left out that cannot be read."""
    return Counter(comment for content in contents for comment in comments(content))


def from_hypothesmith(number: int, start: int) -> list[str]:
    """Statements made of random syntax trees, each once; about so many."""
    found: dict[str, None] = {}
    for node in NODES:

        @seed(start)
        @settings(
            max_examples=max(1, number // len(NODES)), database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(source=hypothesmith.from_node(node))
        def collect(source: str) -> None:
            found[source if source.endswith("\n") else source + "\n"] = None

        collect()
    return list(found)


def kept_pieces(number: int, start: int, keep: Path | None) -> list[str]:
    """The statements of `from_hypothesmith`, which takes minutes; kept for the next run with the same seed."""
    kept = keep and keep / f"hypothesmith-{start}-{number}.json"
    if kept and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    pieces = from_hypothesmith(number, start)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(pieces), encoding="utf-8")
    return pieces


def program(number: int, start: int, material: Material) -> Made:
    """The program of a number, made at random from a seed."""
    chance = random.Random(f"{start} {number}")
    grown = number % 4 == 0
    kind = chance.choices((material.own, material.others or material.own, material.modules), (5, 4, 0 if grown else 2))
    path = chance.choice(kind[0])
    text = path.read_text(encoding="utf-8")
    name = f"{number} of {path.parent.name}/{path.name}"
    if grown:
        pieces = chance.choices(material.pieces, k=chance.randint(1, 3))
        if chance.random() < 0.2:
            return Made(f"{number} of hypothesmith", encoded("".join(pieces) + TAIL, chance))
        for piece in pieces:
            text = with_piece(text, piece, chance)
        return Made(f"{name} and hypothesmith", encoded(text, chance), path.parent)
    text = mutated(text, chance)
    if path in material.modules:
        return Made(name, encoded(text + TAIL, chance))
    return Made(name, encoded(text, chance), path.parent)


def surroundings(origin: Path, folder: Path) -> None:
    """Copy the modules and the settings that a program imports or reads."""
    found = [path for kind in ("*.py", "*/*.py", "*.json", "*.yaml") for path in sorted(origin.glob(kind))]
    for path in found[:40]:
        if path.is_file() and path.stat().st_size < 100_000:
            place = folder / path.relative_to(origin)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(path.read_bytes())


def attempt(made: Made) -> tuple[str, str]:
    """Try a program: its verdict, or ``trouble`` and what went wrong."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name).resolve()
        if made.origin:
            surroundings(made.origin, folder)
        (folder / "train.py").write_bytes(made.content)
        try:
            return tried(folder / "train.py"), ""
        except Exception as error:
            where = "" if isinstance(error, Trouble) else "".join(traceback.format_exception(error)[-4:])
            return "trouble", f"{made.name}: {type(error).__name__}: {error}\n{where}"


def run(numbers: range, start: int, material: Material) -> Iterator[tuple[int, str, str]]:
    """Try programs in processes of their own, so that one that crashes or hangs is told and the rest goes on.

    Yields:
        the number of each program, its verdict and what went wrong.
    """
    context = multiprocessing.get_context("fork")
    while numbers:
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(sender, numbers[:BATCH], start, material))
        worker.start()
        sender.close()
        for number in numbers[:BATCH]:
            numbers = numbers[1:]
            try:
                if not receiver.poll(STUCK):
                    raise TimeoutError
                yield number, *receiver.recv()
            except (EOFError, TimeoutError) as error:
                how = "hangs" if isinstance(error, TimeoutError) else "kills the process"
                yield number, "trouble", f"{program(number, start, material).name} {how}"
                break
        worker.kill()
        worker.join()
        receiver.close()


def _work(sender: Connection, numbers: range, start: int, material: Material) -> None:
    gc.freeze()  # what was there before the fork is not looked through again
    for number in numbers:
        sender.send(attempt(program(number, start, material)))


@click.command()
@click.option("--programs", "number", type=int, default=10_000, show_default=True)
@click.option("--seed", "start", type=int, default=0, show_default=True)
@click.option("--first", default=0, help="Number of the first program, to go on where a run was stopped.")
@click.option("--scripts", multiple=True, type=click.Path(exists=True, path_type=Path), help="More training scripts.")
@click.option("--pieces", default=400, show_default=True, help="Number of statements from hypothesmith.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the programs that give trouble.")
def main(number: int, start: int, first: int, scripts: tuple[Path, ...], pieces: int, keep: Path | None) -> None:
    """Try programs made at random, and say what came of them."""
    if first >= number:
        raise click.BadParameter(f"there is no program {first} among {number}", param_hint="--first")
    material = Material(fixtures(), training_scripts(scripts), library(), kept_pieces(pieces, start, keep))
    print(f"programs {first} to {number - 1} of seed {start}: {len(material.own)} training scripts of the fixtures, "
          f"{len(material.others)} others, {len(material.modules)} modules, {len(material.pieces)} statements of "
          "hypothesmith", flush=True)  # fmt: skip
    counts: Counter[str] = Counter()
    for each, verdict, trouble in run(range(first, number), start, material):
        counts[verdict] += 1
        if trouble:
            print(trouble, flush=True)
        if trouble and keep:
            (keep / f"{each}.py").write_bytes(program(each, start, material).content)
        if (each + 1) % 100 == 0:
            print(f"{each + 1} programs: {dict(counts)}", flush=True)
    for verdict, count in counts.most_common():
        print(f"{count:6}  {verdict}")
    raise SystemExit(bool(counts["trouble"]))


if __name__ == "__main__":
    main()
