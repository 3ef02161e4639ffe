"""Programs made at random through inspect, lint and apply: no crash, no hang, nothing that changes on a second run.

python -m benchmarks.fuzz --programs 10000 --seed 0 --keep FOLDER
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import hypothesmith
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.mutation import mutated, real_programs
from codemods import PIPELINE
from engine.apply import build
from engine.facts import gather
from engine.inspection import as_json, inspect_program
from engine.lint import lint
from engine.plan import Choices
from engine.result import UserError
from engine.source import Project
from rules import RULES, blockers
from rules import warnings as warnings_of

TIME_LIMIT = 20
OUR_FAULT = ("please report it", " failed: ", "do not compile")
TAIL = "\n# load save mean Scale symeig data\nimport torch\n"


class Trouble(Exception):
    """What should not happen."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises Trouble where something takes longer."""

    def stop(signum, frame):
        raise Trouble(f"still running after {seconds} s:\n{''.join(traceback.format_stack(frame)[-6:])}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def converted(script: Path, folder: Path) -> dict[str, bytes] | None:
    """The files that ``apply`` writes; None where the program is refused or the user is told why not."""
    with heard():
        return build(gather(Project(script)), PIPELINE, blockers, folder, Choices(), {}).files
    return None


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
    with limited(TIME_LIMIT):
        verdict = inspected(script)
    with limited(TIME_LIMIT):
        linted(script.with_name("linted.py"), script.read_bytes())
    with limited(TIME_LIMIT):
        applied(script)
    return verdict


def inspected(script: Path) -> str:
    """Inspect it; the verdict."""
    with heard():
        report = inspect_program(gather(Project(script)), {}, blockers, warnings_of)
        as_json(report)
        return report["verdict"]
    return "unreadable"


def linted(path: Path, content: bytes) -> None:
    """Lint and fix it; a second time there is nothing to fix."""
    path.write_bytes(content)
    for again in (False, True):
        with heard():
            outcome = lint([path], lambda: RULES, fix=True, unsafe=True)
            for error in outcome.errors:
                if any(fault in error for fault in OUR_FAULT):
                    raise Trouble(error)
            if again and outcome.fixed:
                raise Trouble(f"fixed again: {outcome.fixed[0].name}")
    path.unlink()


def applied(script: Path) -> None:
    """Convert it; a second time the same comes out, and what came out is not converted again."""
    folder = script.parent / "federated"
    files = converted(script, folder)
    if files is None:
        return
    for name, content in files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if converted(script, folder) != files:
        raise Trouble("a second run gives other files")
    if converted(folder / "client.py", folder / "again"):
        raise Trouble("what was converted is converted again")


def from_hypothesmith(number: int, start: int) -> list[str]:
    """Programs made of random syntax trees."""
    found: list[str] = []

    @seed(start)
    @settings(
        max_examples=max(1, number), database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(source=hypothesmith.from_node())
    def collect(source: str) -> None:
        found.append(source + TAIL)

    collect()
    return found[:number]


def programs(number: int, start: int) -> Iterator[tuple[str, str, Path | None]]:
    """Programs made at random, each with its name and the folder of the program it was made of."""
    originals = real_programs()
    grown = number // 10
    for n in range(number - grown):
        chance = random.Random(f"{start} {n}")
        path = chance.choice(originals)
        text = mutated(path.read_text(encoding="utf-8"), chance)
        is_script = "fixtures" in path.parts
        name = f"{path.parent.name}/{path.name} {n}"
        yield name, text if is_script else text + TAIL, path.parent if is_script else None
    yield from ((f"hypothesmith {n}", text, None) for n, text in enumerate(from_hypothesmith(grown, start)))


def run(made: Iterable[tuple[str, str, Path | None]], keep: Path | None = None) -> tuple[Counter[str], list[str]]:
    """Try programs.

    Args:
        made: their names, texts and the folders whose modules they import.
        keep: where those that give trouble are kept.

    Returns:
        how many came to what, and what went wrong.
    """
    counts: Counter[str] = Counter()
    troubles: list[str] = []
    for number, (name, text, origin) in enumerate(made, 1):
        if keep and number % 100 == 0:
            print(f"{number} programs: {dict(counts)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            if origin:
                shutil.copytree(origin, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            script = Path(folder).resolve() / "train.py"
            script.write_bytes(text.encode(errors="replace"))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    counts[tried(script)] += 1
            except (Exception, RecursionError) as error:
                counts["trouble"] += 1
                where = "" if isinstance(error, Trouble) else "".join(traceback.format_exception(error)[-3:])
                troubles.append(f"{name}: {type(error).__name__}: {error}\n{where}")
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{len(troubles)}.py").write_bytes(script.read_bytes())
                    print(f"{len(troubles)}.py: {troubles[-1]}", flush=True)
    return counts, troubles


@click.command()
@click.option("--programs", "number", type=int, default=10_000, show_default=True)
@click.option("--seed", "start", type=int, default=0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the programs that give trouble.")
def main(number: int, start: int, keep: Path | None) -> None:
    """Try programs made at random, and say what came of them."""
    os.chdir(tempfile.mkdtemp())
    counts, troubles = run(programs(number, start), keep)
    for verdict, count in counts.most_common():
        print(f"{count:6}  {verdict}")
    raise SystemExit(bool(troubles))


if __name__ == "__main__":
    main()
