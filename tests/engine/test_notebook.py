"""Notebooks are read as the script their cells make: inspected, linted and converted by cell and line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK, REFUSED
from engine.notebook import read
from engine.result import UserError

TRAINING = [
    "%matplotlib inline\nimport torch\n!pip install torch\n",
    "model = torch.nn.Linear(2, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # plain\n",
    'state = torch.load("start.pt")',
    "%%time\nfor epoch in range(3):\n    optimizer.zero_grad()\n    model(torch.ones(4, 2)).mean().backward()\n"
    "    optimizer.step()",
    "%%bash\necho $(( 1 + 1 ))",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def notebook(*cells: str, **more: object) -> str:
    """A notebook with a heading and these code cells, with outputs that nobody may touch."""
    found: list[dict] = [{"cell_type": "markdown", "metadata": {}, "source": ["# Train\n", "import nothing"]}]
    for source in cells:
        lines = source.splitlines(keepends=True)
        output = {"output_type": "stream", "name": "stdout", "text": ["import torch\n"]}
        found.append({"cell_type": "code", "metadata": {}, "source": lines, "outputs": [output], "execution_count": 1})
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}, indent=1)


def run(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


def test_the_script_of_a_notebook_keeps_every_line_and_what_is_no_python_as_comments() -> None:
    text, cells = read(notebook(*TRAINING).encode(), "train.ipynb")
    lines = text.splitlines()
    assert lines[:3] == ["pass  # %matplotlib inline", "import torch", "pass  # !pip install torch"]
    assert cells == ((1, 2), (5, 3), (8, 4), (10, 5), (16, 6))
    assert [lines[start - 1] for start, _ in cells][3:] == ["# %%time", "# %%bash"]
    assert lines[-1] == "# echo $(( 1 + 1 ))"
    compile(text, "train.ipynb", "exec")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("if x:\n    %matplotlib inline", "if x:\n    pass  # %matplotlib inline"),
        ("if x:\n    %time train()", "if x:\n    train()  # %time"),
        ("torch.load?", "pass  # torch.load?"),
        ("x = (5\n  % 3)", "x = (5\n  % 3)"),
        ("x = '''\n%time y\n!ls\n'''\n%cd data", "x = '''\n%time y\n!ls\n'''\npass  # %cd data"),
        ("x = 1\r\n!ls", "x = 1\npass  # !ls"),
        ("%%capture out\nx = 1", "# %%capture out\nx = 1"),
        ("%%writefile net.py\nclass Net: pass", "# %%writefile net.py\n# class Net: pass"),
        ("def f(:\n    pass", "def f(:\n    pass"),
    ],
)
def test_only_what_python_cannot_read_becomes_a_comment(cell: str, expected: str) -> None:
    assert read(notebook(cell).encode(), "a.ipynb")[0] == expected + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", "a.ipynb is not JSON"),
        (b"\xff\xfe", "a.ipynb is not JSON"),
        ("[]", "is no notebook of format 4"),
        ('{"worksheets": [], "nbformat": 3}', "is no notebook of format 4"),
        (notebook(), "holds no code"),
        (notebook("  \n"), "holds no code"),
        (notebook("x <- 1", metadata={"kernelspec": {"language": "R"}}), "is a notebook in R; only Python"),
        (notebook("x = 1\nfiles = !ls"), "a.ipynb:cell 2:2: the result of a magic or shell command is used here"),
        (notebook("%run other.py"), "a.ipynb:cell 2:1: %run runs code that stands elsewhere"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "apply", "lint"])
def test_a_bad_notebook_is_one_sentence(folder: Path, content: str | bytes, message: str, command: str) -> None:
    (folder / "a.ipynb").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError):
        read((folder / "a.ipynb").read_bytes(), "a.ipynb")
    if command == "lint" and b"torch" not in (folder / "a.ipynb").read_bytes():
        return  # it is not looked at
    result = run(command, "a.ipynb")
    assert result.exit_code == ERROR
    assert message in result.stderr and len(result.stderr.splitlines()) == 1


def test_findings_name_cell_and_line(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    result = run("lint", "train.ipynb", "--select", "FLR202")
    assert result.exit_code == FINDINGS
    assert result.stdout.startswith("train.ipynb:cell 4:1:9: FLR202 UnsafeTorchLoad: ")
    (found,) = json.loads(run("lint", "train.ipynb", "--select", "FLR202", "--format", "json").stdout)["findings"]
    assert (found["file"], found["cell"], found["line"], found["fix"]) == ("train.ipynb", 4, 1, None)
    assert "train.ipynb:cell 4:1: torch.load" in run("lint", "train.ipynb", "--format", "sarif").stdout


def test_fixes_of_a_notebook_are_not_made(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    before = (folder / "train.ipynb").read_bytes()
    result = run("lint", "train.ipynb", "--fix")
    assert (result.exit_code, "are not made" in result.stderr) == (ERROR, True)
    assert (folder / "train.ipynb").read_bytes() == before


def test_a_notebook_is_inspected(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    document = json.loads(run("inspect", "train.ipynb", "--format", "json").stdout)
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/inspect.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["verdict"] == "convert"
    assert document["facts"]["epoch_loop"] == {"file": "train.ipynb", "cell": 5, "line": 2}


def test_a_notebook_is_refused_by_cell_and_line(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook("import torch\n", "x = 1\nfor y in range(3:\n"))
    result = run("apply", "train.ipynb")
    assert (result.exit_code, "train.ipynb:cell 3:2: FLR101" in result.stdout) == (REFUSED, True)
    assert "train.ipynb:cell 3:2:" in run("lint", "train.ipynb").stdout


def test_a_notebook_is_converted_into_a_script_and_a_job(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    before = (folder / "train.ipynb").read_bytes()
    result = run("apply", "train.ipynb")
    assert result.exit_code == OK
    assert "a round  is the loop at train.ipynb:cell 5:2" in result.stdout
    client = (folder / "federated/client.py").read_text()
    compile(client, "client.py", "exec")
    assert "while flare.is_running():" in client and "# plain" in client and "# %matplotlib inline" in client
    assert (folder / "federated/job.py").is_file()
    assert (folder / "train.ipynb").read_bytes() == before
    assert run("apply", "train.ipynb", "--check").exit_code == OK
