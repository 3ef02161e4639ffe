"""Reading a project: bytes, encodings, places, local modules, and clear sentences for what cannot be read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.result import Place, UserError
from engine.source import NotPython3, Project, encode, read_file


def write(folder: Path, files: dict[str, str]) -> None:
    """Python files by their dotted names."""
    for name, text in files.items():
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"x = 1\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (b"if True:\n\tx = 1\n", "if True:\n\tx = 1\n"),
        (b"", ""),
    ],
)
def test_text_is_what_python_reads(tmp_path: Path, raw: bytes, text: str) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(raw)
    file = read_file(path, tmp_path)
    assert (file.text, file.raw) == (text, raw)
    assert ast.dump(file.tree) == ast.dump(ast.parse(raw))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"\x89PNG\0\0", "binary"),
        (b"x = '\xff\xfe'\n", "encoding"),
        (b"# coding: nonsense\n", "encoding"),
        (b"print 'epoch', 1\n", "Python 2"),
        (b"def f(:\n", "train.py:1: syntax error"),
        (b"x = " + b"(" * 1000 + b")" * 1000, "train.py"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, raw: bytes, sentence: str) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(raw)
    with pytest.raises(UserError) as error:
        Project(path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.py cannot be read"):
        Project(tmp_path / "gone.py")


def test_syntax_error_says_where(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("import torch\nx = x.cuda(async=True)\n")
    with pytest.raises(NotPython3) as error:
        Project(path)
    assert (error.value.place.line, error.value.source) == (2, "x = x.cuda(async=True)")


def test_columns_count_code_points(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("s = 'é' + name\n", encoding="utf-8")
    file = read_file(path, tmp_path)
    name = file.tree.body[0].value.right
    assert file.place(name) == Place("train.py", 1, 10)
    assert file.end(name) == Place("train.py", 1, 14)


def test_modules_are_the_imported_ones_only(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train": "import net\nfrom tools import metrics\nimport torch\n",
            "net": "",
            "tools.__init__": "",
            "tools.metrics": "from . import names\n",
            "tools.names": "",
            "other": "",
        },
    )
    names = [file.name for file in Project(tmp_path / "train.py").modules]
    assert names == ["train.py", "net.py", "tools/__init__.py", "tools/metrics.py", "tools/names.py"]


def test_root_is_where_the_imports_are(tmp_path: Path) -> None:
    write(tmp_path, {"scripts.train": "from nets import Net\n", "nets": "class Net: pass\n"})
    project = Project(tmp_path / "scripts" / "train.py")
    assert (project.root, project.entry.name) == (tmp_path, "scripts/train.py")


def test_folder_named_like_a_library_is_not_that_library(tmp_path: Path) -> None:
    write(tmp_path, {"torch.train": "import torch\n", "torch.other": ""})
    project = Project(tmp_path / "torch" / "train.py")
    assert project.root == tmp_path / "torch"
    assert project.find_module("torch") is None
    assert project.find_package("torch") is None


def test_library_in_its_own_repository_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"examples.train": "import biglib\n", "biglib.__init__": ""})
    write(tmp_path, {f"biglib.part_{number}": "" for number in range(151)})
    project = Project(tmp_path / "examples" / "train.py")
    assert [file.name for file in project.modules] == [project.entry.name]


@pytest.mark.parametrize("raw", [b"x = 1\r\n", b"# coding: latin-1\nx = '\xe9'\n", "x = '\U0001f600'\n".encode()])
def test_a_text_is_encoded_as_its_file_is(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(raw)
    file = read_file(path, tmp_path)
    assert encode(path, "train.py", file.text) == file


@pytest.mark.parametrize(
    ("text", "message"),
    [("# coding: ascii\nx = 'é'\n", "its encoding cannot say"), ("x = 1\0", "null bytes")],
)
def test_a_text_that_cannot_be_a_file(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        encode(Path("train.py"), "train.py", text)


def test_a_project_may_be_read_from_elsewhere_than_the_disk(tmp_path: Path) -> None:
    write(tmp_path, {"train": "import net\n", "net": "x = 1\n"})

    def read(path: Path, root: Path):
        return encode(path, path.name, "x = 2\n") if path.name == "net.py" else read_file(path, root)

    assert [file.text for file in Project(tmp_path / "train.py", read=read).modules] == ["import net\n", "x = 2\n"]


def test_folders_that_the_script_adds_are_searched(tmp_path: Path) -> None:
    added = (
        'import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), "lib"))\nsys.path.insert(0, "..")\n'
    )
    write(tmp_path, {"work.train": added + "import small\n", "work.lib.small": "", "outside": ""})
    project = Project(tmp_path / "work" / "train.py")
    assert [file.name for file in project.modules] == ["train.py", "lib/small.py"]
