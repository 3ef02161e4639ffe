"""Read a training project: the entry script and the local modules it imports. Bytes in, nothing executed."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from engine.result import Cell, Place, UserError

# Never a folder of the project without ``__init__.py``: what is installed under the name is found before it.
LIBRARIES = {
    "accelerate", "albumentations", "apex", "cv2", "datasets", "fastai", "gym", "h5py", "ignite", "jax", "keras",
    "lightning", "matplotlib", "monai", "nibabel", "numpy", "pandas", "PIL", "pytorch_lightning", "scipy", "sklearn",
    "skimage", "tensorboard", "tensorboardX", "tensorflow", "timm", "torch", "torchaudio", "torchtext", "torchvision",
    "tqdm", "transformers", "wandb", "xgboost", "yaml", *sys.stdlib_module_names,
}  # fmt: skip
LARGEST_PACKAGE = 150
NEWLINE = re.compile(r"\r\n|\r|\n")  # as Python, and no other character that ``splitlines`` takes for one
PYTHON_2 = re.compile(
    r"^\s*(print\s+[^(=\s].*|except\s+[\w.]+\s*,\s*\w+\s*:|raise\s+\w+\s*,|exec\s+['\"])", re.MULTILINE
)


class NotPython3(UserError):
    """A file that Python 3 cannot parse.

    Attributes:
        source: the line it fails at.
    """

    def __init__(self, message: str, place: Place, source: str = "") -> None:
        super().__init__(message, place)
        self.source = source


@dataclass(frozen=True)
class SourceFile:
    """One Python file, as it lies on disk.

    Attributes:
        path: where it lies.
        name: path relative to the project root, with forward slashes.
        raw: its bytes.
        text: the decoded text, newlines as they are.
        cells: of a notebook, whose text is that of its script: the first line of each code cell, and its number.
        notebook: of a notebook, its bytes.
        elsewhere: of a notebook, why it is no program by itself, where it is none.
    """

    path: Path
    name: str
    raw: bytes = field(repr=False)
    text: str = field(repr=False)
    cells: tuple[tuple[int, int], ...] = ()
    notebook: bytes = field(default=b"", repr=False)
    elsewhere: NotPython3 | None = None

    @cached_property
    def document(self) -> str:
        """The JSON of a notebook; empty for any other file."""
        return self.notebook.decode(json.detect_encoding(self.notebook)) if self.notebook else ""

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises UserError where the text is not Python 3."""
        try:
            return parse(self.text, self.name)
        except NotPython3 as error:
            if error.place is None or not self.cells:
                raise
            raise NotPython3(error.message, self.at(error.place.line, error.place.column), error.source) from None

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The nodes of the syntax tree, the outermost first."""
        return list(ast.walk(self.tree))

    @cached_property
    def lines(self) -> list[str]:
        """The lines as ``ast`` counts them, without their newlines."""
        return NEWLINE.split(self.text)

    def line(self, number: int) -> str:
        """The source line with a 1-based number, stripped; empty where there is none."""
        return self.lines[number - 1].strip() if 0 < number <= len(self.lines) else ""

    def place(self, node: ast.AST) -> Place:
        """Where a node of this file's tree starts, the column in code points."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        if not self.text.isascii() and line <= len(self.lines):
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return self.at(line, column)

    def at(self, line: int, column: int) -> Place:
        """The place at a line and column."""
        cell = max((cell for cell in self.cells if cell[0] <= line), default=None)
        return Place(self.name, line, column, cell and Cell(cell[1], line - cell[0] + 1))

    def end(self, node: ast.AST) -> Place:
        """Where a node of this file's tree ends, the column in code points."""
        line, column = getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0)
        if not self.text.isascii() and line <= len(self.lines):
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return self.at(line, column)


def parse(text: str, name: str) -> ast.Module:
    """The syntax tree of a text; NotPython3 with the line and what to do where it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(tree, name, "exec", dont_inherit=True)  # finds more: await and return outside functions
            return tree
    except SyntaxError as error:
        place = Place(name, error.lineno or 1, max((error.offset or 1) - 1, 0))
        line = (error.text or "").strip()
        if PYTHON_2.search(text):
            message = "this is Python 2; convert it with 2to3 or by hand to Python 3 first"
            raise NotPython3(message, place, line) from None
        raise NotPython3(f"syntax error: {error.msg}; mend it and try again", place, line) from None
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "it holds a null byte" if "null" in str(error) else "it is nested too deeply"
        raise NotPython3(f"cannot be read as Python: {reason}", Place(name, 1), "") from None


def read_file(path: Path, root: Path) -> SourceFile:
    """Read one Python file.

    Args:
        path: the file.
        root: the project root its name is given against.

    Raises:
        UserError: missing, unreadable, binary, or in an encoding that cannot be decoded.
    """
    name = Path(os.path.relpath(path, root)).as_posix()
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from None
    return decode(path, name, raw)


def decode(path: Path, name: str, raw: bytes) -> SourceFile:
    """One Python file from its bytes. Raises UserError where they are binary, or in an encoding that is unknown."""
    if path.suffix == ".ipynb":
        from engine.notebook import read

        text, cells, elsewhere = read(raw, name)
        return SourceFile(path, name, text.encode(), text, cells, raw, elsewhere)
    if b"\0" in raw:
        raise UserError(f"{name} is a binary file, not a Python script (it holds null bytes)")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        text = raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise UserError(
            f"{name} is not text in a readable encoding; save it as UTF-8 or name its encoding in the first line"
        ) from None
    return SourceFile(path, name, raw, text.removeprefix("\ufeff"))


def encode(path: Path, name: str, text: str) -> SourceFile:
    """One Python file from its text, as an editor holds it. Raises UserError where its own encoding cannot say it."""
    text = text.removeprefix("\ufeff")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode()).readline)
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        raise UserError(f"{name} holds characters that its encoding cannot say; make it UTF-8") from None
    except (SyntaxError, LookupError):
        raw = text.encode()  # it names an encoding that there is not, which decoding tells
    return decode(path, name, raw)


def unsaved_first(unsaved: Mapping[Path, bytes]) -> Callable[[Path, Path], SourceFile]:
    """Reads files like `read_file`, but for those that hold, by absolute path, something else than on disk."""

    def read(path: Path, root: Path) -> SourceFile:
        given = unsaved.get(absolute(path))
        if given is None:
            return read_file(path, root)
        return decode(path, Path(os.path.relpath(path, root)).as_posix(), given)

    return read


def name_of(path: Path) -> str:
    """How a file is called in messages: relative to the working directory."""
    return Path(os.path.relpath(path)).as_posix()


def absolute(path: Path) -> Path:
    """A path from the root of the file system, symbolic links as they are."""
    return Path(os.path.abspath(path))


class Project:
    """The entry script and the local modules reached from it; files are read when asked for.

    Attributes:
        root: the folder the entry's local imports resolve against.
        entry: the entry script.
        search_path: folders in which local modules are looked for, in order.
        files: every file read so far, by name.
        named_modules: files that the program imports by a name it makes up.
        read_file: reads a file, given the root; an editor has texts that are not saved yet.
    """

    def __init__(
        self, entry: Path, root: Path | None = None, read: Callable[[Path, Path], SourceFile] = read_file
    ) -> None:
        self.read_file = read
        file = read(entry, entry.parent)
        if file.elsewhere:
            raise file.elsewhere
        self.root = root or import_root(file)
        self.search_path = list(dict.fromkeys([entry.parent, self.root, *added_folders(file)]))
        self.files: dict[str, SourceFile] = {file.name: file} if self.root == entry.parent else {}
        self.named_modules: list[SourceFile] = []
        self.entry = self.read(entry)

    def read(self, path: Path) -> SourceFile:
        """The file at a path, read once."""
        name = Path(os.path.relpath(path, self.root)).as_posix()
        if name not in self.files:
            self.files[name] = self.read_file(path, self.root)
        return self.files[name]

    def find_module(self, dotted: str, folder: Path | None = None) -> Path | None:
        """The file of a local module, or None where it is not part of the project.

        Args:
            dotted: ``a.b.c``, without leading dots.
            folder: where a relative import starts; None searches the search path.
        """
        parts = dotted.split(".") if dotted else []
        for base in [folder] if folder else self.search_path:
            if folder is None and parts and is_library(base / parts[0]):
                continue
            target = base.joinpath(*parts)
            for path in (target.with_suffix(".py") if parts else None, target / "__init__.py"):
                if path and path.is_file():
                    return path
        return None

    def find_package(self, dotted: str, folder: Path | None = None) -> Path | None:
        """The folder of a local package without ``__init__.py`` (a namespace package), or None."""
        for base in [folder] if folder else self.search_path:
            target = base.joinpath(*dotted.split(".")) if dotted else base
            if (folder or dotted.split(".")[0] not in LIBRARIES) and target.is_dir() and any(target.glob("*.py")):
                return target
        return None

    @cached_property
    def modules(self) -> list[SourceFile]:
        """The entry and every local file reached from it by imports, in the order they are met."""
        pending = [self.entry, *self.named_modules]
        found = {file.name: file for file in pending}
        while pending:
            file = pending.pop(0)
            for path in imported_files(self, file):
                module = self.read(path)
                if module.name not in found:
                    found[module.name] = module
                    pending.append(module)
        return list(found.values())


@lru_cache(maxsize=256)
def is_library(folder: Path) -> bool:
    """True for a package too large to be part of a training project: a library in its own repository."""
    return (folder / "__init__.py").is_file() and sum(1 for _ in folder.rglob("*.py")) > LARGEST_PACKAGE


def imported_files(project: Project, file: SourceFile, within: ast.AST | None = None) -> Iterator[Path]:
    """The local files that the import statements of a file name, or of a part of it; packages' ``__init__.py`` among
    them."""
    for node in ast.walk(within) if within else file.nodes:
        if isinstance(node, ast.Import):
            names = [(None, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folder = file.path.parents[node.level - 1] if 0 < node.level <= len(file.path.parents) else None
            base = node.module or ""
            names = [(folder, base)] if base or folder else []
            names += [(folder, f"{base}.{alias.name}".strip(".")) for alias in node.names if alias.name != "*"]
        else:
            continue
        for folder, dotted in names:
            parts = dotted.split(".") if dotted else [""]
            for length in range(1, len(parts) + 1):
                path = project.find_module(".".join(parts[:length]), folder)
                if path:
                    yield path


def added_folders(file: SourceFile) -> list[Path]:
    """The folders below a script that it adds to ``sys.path``: ``sys.path.append(os.path.join(ROOT, "models"))``."""
    folder = file.path.parent
    calls = [node for node in file.nodes if isinstance(node, ast.Call)]
    added = [call for call in calls if ast.unparse(call.func) in ("sys.path.append", "sys.path.insert")]
    names = [n.value for call in added for n in ast.walk(call) if isinstance(n, ast.Constant)]
    folders = [(folder / name.strip("/")).resolve() for name in names if isinstance(name, str)]
    return [one for one in folders if folder.resolve() in one.parents and one.is_dir()]


def import_root(file: SourceFile) -> Path:
    """The folder the entry's local imports resolve against: its own, or the nearest parent with what it imports."""
    entry, wanted = file.path, set()
    for node in file.nodes:
        if isinstance(node, ast.Import):
            wanted |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            wanted.add(node.module.split(".")[0])
    missing = [name for name in wanted - LIBRARIES if not _holds(entry.parent, name)]
    folder = entry.parent
    for _ in range(3):
        if folder == folder.parent or (folder / ".git").exists():
            break
        folder = folder.parent
        if folder.name and any(_holds(folder, name) for name in missing):
            return folder
    return entry.parent


def _holds(folder: Path, name: str) -> bool:
    """True where a folder holds a module or package of that name."""
    package = folder / name
    return (folder / f"{name}.py").is_file() or (package.is_dir() and any(package.glob("*.py")))
