"""Notebooks are read as the script their cells make: inspected, linted and converted by cell and line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK, REFUSED
from engine.fixes import edited
from engine.notebook import read
from engine.notebook_json import in_document
from engine.result import Place, TextEdit, UserError
from engine.source import decode

TRAINING = [
    "%matplotlib inline\nimport torch\n!pip install torch\n",
    "model = torch.nn.Linear(2, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # plain\n",
    'state = torch.load("start.pt")',
    "%%time\nfor epoch in range(3):\n    optimizer.zero_grad()\n    model(torch.ones(4, 2)).mean().backward()\n"
    "    optimizer.step()",
    "%%bash\necho $(( 1 + 1 ))",
]

SARIF = json.loads((Path(__file__).parent / "report/sarif-2.1.0-rtm.5.json").read_text())


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
    text, cells, elsewhere = read(notebook(*TRAINING).encode(), "train.ipynb")
    assert elsewhere is None
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


@pytest.mark.parametrize(
    ("cell", "place", "message"),
    [
        ("x = 1\nfiles = !ls", "cell 3:2", "The result of a magic or shell command is used here; write it in Python."),
        ("if x:\n    a[0], b = %time f()", "cell 3:2", "The result of a magic or shell command is used here"),
        ("%run other.py", "cell 3:1", "%run runs code that stands elsewhere; write it in the notebook, or import it."),
        ("%%timeit -s x = 1\ny", "cell 3:1", "%%timeit runs code that stands elsewhere"),
    ],
)
def test_a_notebook_that_brings_in_something_else_is_refused_and_linted(folder: Path, cell, place, message) -> None:
    (folder / "train.ipynb").write_text(notebook(TRAINING[0], cell, *TRAINING[1:]))
    result = run("lint", "train.ipynb", "--select", "FLR101,FLR202")
    assert result.exit_code == FINDINGS and result.stderr == ""
    assert f"train.ipynb:{place}:1: FLR101 NotPython3: {message}" in result.stdout
    assert "train.ipynb:cell 5:1:9: FLR202 UnsafeTorchLoad" in result.stdout
    for command in ("inspect", "apply"):
        refused = run(command, "train.ipynb")
        assert refused.exit_code == REFUSED
        assert f"train.ipynb:{place}: FLR101" in refused.stdout + refused.stderr
    assert list(folder.iterdir()) == [folder / "train.ipynb"]
    assert run("lint", "train.ipynb", "--fix", "--select", "FLR202").exit_code == OK
    assert cell.splitlines()[-1] in (folder / "train.ipynb").read_text()


def test_findings_name_cell_and_line(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    result = run("lint", "train.ipynb", "--select", "FLR202")
    assert result.exit_code == FINDINGS
    assert result.stdout.startswith("train.ipynb:cell 4:1:9: FLR202 UnsafeTorchLoad: ")
    (found,) = json.loads(run("lint", "train.ipynb", "--select", "FLR202", "--format", "json").stdout)["findings"]
    assert (found["file"], found["cell"], found["line"]) == ("train.ipynb", 4, 1)
    assert "train.ipynb:cell 4:1: torch.load" in run("lint", "train.ipynb", "--format", "sarif").stdout


LOADS = "import torch\n%matplotlib inline\nstate = torch.load('é/😀.pt')  # \"best\"\nprint(state)"
FORMS = {
    "as Jupyter saves it": notebook(LOADS, "x = 1") + "\n",
    "without final newline": notebook(LOADS),
    "on one line": json.dumps(json.loads(notebook(LOADS))),
    "with tabs and characters as they are": json.dumps(json.loads(notebook(LOADS)), indent="\t", ensure_ascii=False),
    "the cells at the end": json.dumps(dict(reversed(json.loads(notebook(LOADS, note="\u2028")).items())), indent=2),
    "Windows newlines": notebook(LOADS, "x = 1").replace("\n", "\r\n"),
    "slashes escaped": notebook(LOADS).replace("/", "\\/"),
    "a byte-order mark": "\ufeff" + notebook(LOADS),
    "a source of one string": json.dumps(
        {"cells": [{"source": LOADS, "outputs": [], "cell_type": "code"}], "nbformat": 4, "metadata": {}}
    ),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_a_fix_changes_the_code_and_no_other_byte(folder: Path, content: str) -> None:
    path = folder / "train.ipynb"
    path.write_bytes(content.encode())
    result = run("lint", "train.ipynb", "--fix", "--select", "FLR202")
    assert (result.exit_code, result.stdout) == (OK, "nothing found in 1 file, 1 fixed\n")
    assert path.read_bytes().decode() == content.replace(".pt')", ".pt', weights_only=True)")
    assert run("lint", "train.ipynb", "--fix", "--select", "FLR202").stdout == "nothing found in 1 file\n"


ANY_LINES = st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=6), max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), ANY_LINES, ANY_LINES, st.booleans(), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_any_edit_of_a_cell_is_an_edit_of_its_json(data, old, new, as_list, ascii_only, indent) -> None:
    lines = ["x = 1  # " + line for line in [*old, "end"]]
    text = "\n".join(lines)
    first, last = sorted(data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2)))
    column, end = data.draw(st.integers(8, len(lines[first]))), len(lines[last])

    def document(source: str) -> str:
        held = source.splitlines(keepends=True) if as_list else source
        cells = [{"source": held, "cell_type": "code", "outputs": []}, {"cell_type": "code", "source": ["y = 2"]}]
        return json.dumps({"cells": cells, "nbformat": 4}, indent=indent, ensure_ascii=ascii_only)

    before = decode(Path("a.ipynb"), "a.ipynb", document(text).encode())
    if before.lines[: len(lines)] != lines:
        return  # Python reads a line otherwise
    replacement = "\n".join(new)
    edit = TextEdit(Place("a.ipynb", first + 1, column), Place("a.ipynb", last + 1, end), replacement)
    after = json.loads(edited(before.document, [in_document(before, edit)]))
    after["cells"] = [{**cell, "source": "".join(cell["source"])} for cell in after["cells"]]
    wanted = edited(text, [edit])
    assert [cell["source"] for cell in after["cells"]] == [wanted, "y = 2"]


def test_a_fix_may_span_lines_of_a_cell(folder: Path) -> None:
    path = folder / "train.ipynb"
    load = "import torch\nstate = torch.load(\n    path,  # where\n    map_location='cpu',\n)\n"
    path.write_text(notebook(load, "x = 1"))
    assert run("lint", "train.ipynb", "--fix", "--select", "FLR202").exit_code == OK
    fixed = load.replace("'cpu',\n", "'cpu',\n    weights_only=True,\n")
    assert path.read_text() == notebook(fixed, "x = 1")


def test_a_fix_in_a_line_that_reads_otherwise_in_the_notebook_is_not_made(folder: Path) -> None:
    path = folder / "train.ipynb"
    path.write_text(notebook("import torch\n%time state = torch.load(path)\nmore = torch.load(path)"))
    result = run("lint", "train.ipynb", "--fix", "--select", "FLR202")
    assert result.exit_code == FINDINGS
    assert result.stdout.startswith("train.ipynb:cell 2:2:9: FLR202") and "--fix does it" not in result.stdout
    magic = notebook("import torch\n%time state = torch.load(path)\nmore = torch.load(path, weights_only=True)")
    assert path.read_text() == magic


def test_annotations_and_sarif_point_into_the_file(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    lines = notebook(*TRAINING).splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "torch.load" in line)
    column = lines[number - 1].index("torch.load") + 1
    told = run("lint", "train.ipynb", "--select", "FLR202", "--format", "github").stdout
    assert told.startswith(f"::warning file=train.ipynb,line={number},endLine={number},col={column},title=FLR202 ")
    assert "::train.ipynb:cell 4:1: torch.load" in told
    log = json.loads(run("lint", "train.ipynb", "--select", "FLR202", "--format", "sarif").stdout)
    jsonschema.Draft4Validator(SARIF).validate(log)
    (result,) = log["runs"][0]["results"]
    (location,) = result["locations"]
    region = location["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"], region["endLine"]) == (number, column, number)
    assert lines[number - 1][column - 1 : region["endColumn"] - 1] == 'torch.load(\\"start.pt\\")'
    assert location["logicalLocations"] == [{"fullyQualifiedName": "train.ipynb:cell 4:1", "kind": "cell"}]
    (replacement,) = result["fixes"][0]["artifactChanges"][0]["replacements"]
    start = replacement["deletedRegion"]["startColumn"] - 1
    line = lines[number - 1][:start] + replacement["insertedContent"]["text"] + lines[number - 1][start:]
    assert 'torch.load(\\"start.pt\\", weights_only=True)' in line


def test_a_notebook_is_inspected(folder: Path) -> None:
    (folder / "train.ipynb").write_text(notebook(*TRAINING))
    told = run("inspect", "train.ipynb").stdout
    assert "model = Linear(2, 1)  [train.ipynb:cell 3:1]" in told
    assert "by the loop at train.ipynb:cell 5:2" in told
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


def test_a_loop_of_a_notebook_is_chosen_as_inspect_says(folder: Path) -> None:
    Path("train.ipynb").write_text(notebook(*TRAINING[:4], TRAINING[3]))
    result = run("inspect", "train.ipynb")
    assert result.exit_code == REFUSED
    assert result.stdout.rstrip().endswith("--loop 'train.ipynb:cell 5:2'")
    converted = run("apply", "train.ipynb", "--loop", "train.ipynb:cell 6:2")
    assert converted.exit_code == OK
    assert "a round  is the loop at train.ipynb:cell 6:2" in converted.stdout
    wrong = run("apply", "train.ipynb", "--loop", "train.ipynb:cell 3:1")
    assert (wrong.exit_code, wrong.stderr) == (
        ERROR,
        "error: no training loop stands at train.ipynb:cell 3:1; "
        "choose --loop 'train.ipynb:cell 5:2', 'train.ipynb:cell 6:2'\n",
    )
