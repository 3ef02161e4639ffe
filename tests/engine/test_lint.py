"""Linting files: what is found, silenced, fixed and reported, with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result
from fixit import Invalid, LintRule

from codemods.__main__ import main
from engine.lint import Outcome, lint
from engine.report.github import as_github
from engine.report.json import as_json
from engine.report.sarif import as_sarif
from engine.report.text import as_text, statistics
from engine.result import Place, Status, UserError
from engine.result import Result as Finding
from rules import RULES

LOAD = "import torch\nstate = torch.load(path)\n"
FIXED = "import torch\nstate = torch.load(path, weights_only=True)\n"
TRAIN = """\
import torch
from net import Net

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x in loader:
        model(x).sum().backward()
        optimizer.step()
"""
NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 1)
        self.layers = [nn.Linear(2, 2) for _ in range(3)]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def linted(*paths: str, **options) -> Outcome:
    return lint([Path(path) for path in paths or ["."]], lambda: RULES, **options)


def codes(outcome: Outcome) -> list[str]:
    return [f"{result.place} {result.code or result.name}" for result in outcome.left]


def test_a_finding_has_its_place_its_line_and_its_remedy(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    (result,) = linted().left
    assert (result.place.file, result.place.line, result.place.column) == ("train.py", 2, 8)
    assert (result.end.line, result.end.column) == (2, 24)
    assert result.source == "state = torch.load(path)"
    assert result.remedy == "Add weights_only=True."


def test_exit_codes_tell_clean_from_findings_from_errors(folder: Path) -> None:
    Path("clean.py").write_text("import torch\n")
    Path("found.py").write_text(LOAD)
    Path("binary.py").write_bytes(b"torch\0")
    assert [linted(name).exit_code for name in ("clean.py", "found.py", "binary.py")] == [0, 1, 2]
    assert linted(".").exit_code == 2
    assert codes(linted(".")) == ["found.py:2 FLR202"]


def test_a_text_without_torch_loads_no_rules(folder: Path) -> None:
    Path("plain.py").write_text("print(1)\n")

    def load_rules():
        raise AssertionError("asked for rules")

    assert lint([Path(".")], load_rules) == Outcome((), (), 1)


def test_a_tree_without_torch_and_settings_imports_nothing_heavy(folder: Path) -> None:
    Path("plain.py").write_text("print(1)\n")
    Path("pyproject.toml").write_text("[tool.other]\n")
    code = (
        "import sys; from pathlib import Path; from engine.lint import lint; lint([Path('.')], lambda: []);"
        "print([name for name in ('libcst', 'fixit', 'pydantic') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": str(root), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[]\n"


def test_a_rule_sees_the_whole_project(folder: Path) -> None:
    Path("train.py").write_text(TRAIN)
    Path("net.py").write_text(NET)
    assert codes(linted("net.py")) == []
    assert codes(linted("train.py")) == ["net.py:8 FLR112"]
    assert codes(linted(".")) == ["net.py:8 FLR112"]


def test_a_syntax_error_is_a_finding_with_its_line(folder: Path) -> None:
    Path("old.py").write_text("import torch\nprint 'epoch'\n")
    outcome = linted()
    assert codes(outcome) == ["old.py:2 FLR101"]
    assert outcome.left[0].source == "print 'epoch'"
    assert outcome.errors == ()


def test_a_failing_rule_is_an_error_that_names_it(folder: Path) -> None:
    class Failing(LintRule):
        CODE = "TST001"
        VALID, INVALID = [], [Invalid("")]

        def visit_Call(self, node) -> None:
            raise KeyError("broken")

    Path("train.py").write_text(LOAD)
    outcome = lint([Path("train.py")], lambda: [*RULES, Failing])
    assert outcome.errors == ("train.py: the rule Failing failed: KeyError: 'broken'",)
    assert outcome.exit_code == 2


def test_rules_are_chosen_by_code_beginning_and_name(folder: Path) -> None:
    Path("train.py").write_text(LOAD + "torch.manual_seed(1)\nmodel.eval()\ntorch.save(model, 'm.pt')\n")
    assert codes(linted()) == ["train.py:2 FLR202", "train.py:5 FLR201"]
    assert codes(linted(select=["FLR201"])) == ["train.py:5 FLR201"]
    assert codes(linted(select=["UnsafeTorchLoad", "FLR3"])) == ["train.py:2 FLR202"]
    assert codes(linted(ignore=["flr2"])) == []
    with pytest.raises(UserError, match="no rule is called FLR9"):
        linted(select=["FLR9"])


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nstate = torch.load(path)  # noqa: FLR202\n",
        "import torch\nstate = torch.load(path)  # noqa\n",
        "import torch\nstate = torch.load(path)  # noqa: E501, FLR202\n",
        "import torch\nstate = torch.load(path)  # lint-ignore: UnsafeTorchLoad\n",
        "import torch\n# lint-ignore: UnsafeTorchLoadRule\n# and why\nstate = torch.load(path)\n",
        "import torch\nstate = torch.load(\n    path\n)  # noqa: FLR202\n",
    ],
)
def test_a_comment_silences_a_finding(folder: Path, code: str) -> None:
    Path("train.py").write_text(code)
    assert codes(linted()) == []
    assert linted(fix=True).fixed == []


def test_a_comment_silences_its_own_rule_and_line_alone(folder: Path) -> None:
    Path("train.py").write_text("import torch\nx = torch.load(p)  # noqa: FLR201\ny = torch.load(p)  # noqa: FLR202\n")
    assert codes(linted()) == ["train.py:2 FLR202", "train.py:2 UnusedSuppression"]


def test_a_comment_that_silences_nothing_is_reported_for_rules_that_ran(folder: Path) -> None:
    Path("train.py").write_text("import torch\nx = 1  # noqa: FLR202\ny = 2  # noqa: E501\nz = 3  # noqa\n")
    assert codes(linted()) == ["train.py:2 UnusedSuppression"]
    assert codes(linted(select=["FLR201"])) == []


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("# noqa: FLR202", []),
        ("# noqa: FLR202, E501", []),
        ("# noqa: FLR202, FLR201", ["FLR201 finds nothing here.", "Remove FLR201 from the comment."]),
        ("# lint-ignore: UnsafeTorchLoad, WholeModelPickle", ["WholeModelPickle finds nothing here.",
                                                              "Remove WholeModelPickle from the comment."]),
        ("# noqa: FLR202, FLR999", ["FLR999 is no rule of lint.", "Remove FLR999 from the comment."]),
        ("# lint-ignore: UnsafeTorchLoad  # noqa: FLR2", ["FLR2 is no rule of lint.", "Remove the comment."]),
        ("# lint-ignore: UnsafeTorchLoad  # noqa: FLR201, FLR999", [
            "FLR201 finds nothing here; FLR999 is no rule of lint.", "Remove the comment."]),
    ],
)  # fmt: skip
def test_each_rule_of_a_comment_has_to_be_one_and_to_find_something(folder: Path, comment: str, told: list) -> None:
    Path("train.py").write_text(f"import torch\nx = torch.load(p)  {comment}\n")
    assert [text for result in linted().left for text in (result.message, result.remedy)] == told
    unknown = [text.rpartition("; ")[2] for text in told[:1] if "no rule" in text]
    assert [result.message for result in linted(select=["FLR202"]).left] == unknown


def test_what_a_comment_silences_in_a_module_shows_only_with_the_script_that_trains_it(folder: Path) -> None:
    Path("train.py").write_text(TRAIN)
    Path("net.py").write_text(NET.replace("range(3)]", "range(3)]  # noqa: FLR112, FLR111"))
    Path("other.py").write_text("import torch\n\nx = 1  # noqa: FLR111\n")
    assert codes(linted()) == ["net.py:8 UnusedSuppression"]
    assert linted().left[0].message == "FLR111 finds nothing here."
    assert codes(linted("net.py", "other.py")) == []


def test_fixes_are_applied_until_none_is_left(folder: Path) -> None:
    Path("train.py").write_text("import torch\nx = torch.load(torch.load(path))\n")
    outcome = linted(fix=True)
    assert Path("train.py").read_text() == (
        "import torch\nx = torch.load(torch.load(path, weights_only=True), weights_only=True)\n"
    )
    assert (len(outcome.fixed), outcome.left, outcome.exit_code) == (2, [], 0)
    assert linted(fix=True).fixed == []


def test_what_is_left_after_fixing_is_still_a_finding(folder: Path) -> None:
    Path("train.py").write_text(LOAD + "torch.load(path, weights_only=False)\n")
    outcome = linted(fix=True)
    assert Path("train.py").read_text() == FIXED + "torch.load(path, weights_only=False)\n"
    assert [result.status for result in outcome.results] == [Status.CHANGED, Status.FOUND]
    assert outcome.exit_code == 1


def test_an_unsafe_fix_needs_its_own_word(folder: Path) -> None:
    Path("train.py").write_text("import torch\nmodel.eval()\ntorch.save(model, 'm.pt')\n")
    assert linted(fix=True).fixed == []
    assert [result.code for result in linted(fix=True, unsafe=True).fixed] == ["FLR201"]
    assert Path("train.py").read_text().endswith("torch.save(model.state_dict(), 'm.pt')\n")


def test_a_fix_lands_in_the_file_where_the_finding_is(folder: Path) -> None:
    Path("train.py").write_text(TRAIN)
    Path("net.py").write_text(NET)
    linted(fix=True, unsafe=True)
    assert "self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])\n" in Path("net.py").read_text()
    assert Path("train.py").read_text() == TRAIN


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LOAD.replace("\n", "\r\n").encode(), FIXED.replace("\n", "\r\n").encode()),
        (b"\xef\xbb\xbf" + LOAD.encode(), b"\xef\xbb\xbf" + FIXED.encode()),
        (
            "# coding: latin-1\n# caf\u00e9\n".encode("latin-1") + LOAD.encode(),
            "# coding: latin-1\n# caf\u00e9\n".encode("latin-1") + FIXED.encode(),
        ),
        (LOAD.rstrip().encode(), FIXED.rstrip().encode()),
        (
            "import torch\nif x:\n\tname = '\U0001f600', torch.load(\n\t\tpath,  # \u00e9\n\t)\n    # odd\n".encode(),
            "import torch\nif x:\n\tname = '\U0001f600', torch.load(\n\t\tpath,  # \u00e9\n"
            "\t\tweights_only=True,\n\t)\n    # odd\n".encode(),
        ),
        (
            b"import torch\ndef f():\n    x = g(\n        torch.load(\n            p,\n        ),\n    )\n",
            b"import torch\ndef f():\n    x = g(\n        torch.load(\n            p,\n"
            b"            weights_only=True,\n        ),\n    )\n",
        ),
        (LOAD.replace("\n", "\r").encode(), FIXED.replace("\n", "\r").encode()),
        (
            b"import torch\n\fx = torch.load(p); y = torch.load(\n\f  q)\n",
            b"import torch\n\fx = torch.load(p, weights_only=True); y = torch.load(\n\f  q, weights_only=True)\n",
        ),
    ],
    ids=["CRLF", "BOM", "Latin-1", "no last newline", "tabs, wide characters, a stray comment", "nested brackets", "CR",
         "form feeds"],
)  # fmt: skip
def test_a_fix_leaves_every_other_byte_alone(folder: Path, before: bytes, after: bytes) -> None:
    Path("train.py").write_bytes(before)
    Path("train.py").chmod(0o750)
    linted(fix=True)
    assert Path("train.py").read_bytes() == after
    assert Path("train.py").stat().st_mode & 0o777 == 0o750


def test_where_libcst_counts_other_lines_nothing_is_found_at_a_wrong_one(folder: Path) -> None:
    """libcst 1.9.0 drops the second line of the function, and all that follows moves up."""
    text = "import torch\ndef f():\n    a = torch.load(p)\n    \\\nb = 2\n    return torch.load(q)\n"
    Path("train.py").write_text(text)
    outcome = linted(fix=True, unsafe=True)
    error = "train.py:4: libcst does not print this line back, so that only the program was checked"
    assert (outcome.errors, codes(outcome), outcome.exit_code) == ((error,), [], 2)
    assert Path("train.py").read_text() == text


def test_a_path_that_does_not_exist_is_one_sentence(folder: Path) -> None:
    with pytest.raises(UserError, match="nowhere.py does not exist; give a Python file or a folder"):
        linted("nowhere.py")


def test_the_text_names_place_rule_line_and_remedy(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    assert as_text(linted()) == dedent(
        """\
        train.py:2:9: FLR202 UnsafeTorchLoad: torch.load without weights_only=True can run code from the file.
            state = torch.load(path)
            Remedy: Add weights_only=True. (--fix does it)
        1 finding in 1 file, 1 of them can be fixed
        """
    )
    assert as_text(linted(fix=True)) == "nothing found in 1 file, 1 fixed\n"


def test_statistics_count_by_rule(folder: Path) -> None:
    Path("train.py").write_text(LOAD * 2)
    summary = "2 findings in 1 file, 2 of them can be fixed"
    assert statistics(linted()) == f"     2  FLR202  UnsafeTorchLoad\n{summary}\n"
    Path("train.py").write_text("import torch\n")
    assert statistics(linted()) == "nothing found in 1 file\n"


def test_statistics_are_for_a_person(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    result = run("train.py", "--statistics", "--format", "json", text="")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "leave out --format json" in result.stderr


def test_json_holds_findings_fixes_and_errors(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    Path("binary.py").write_bytes(b"torch\0")
    document = json.loads(as_json(linted()))
    (finding,) = document["findings"]
    assert (finding["rule"], finding["file"], finding["line"], finding["column"]) == ("FLR202", "train.py", 2, 9)
    assert finding["fix"] == {
        "safety": "safe",
        "line": 2,
        "column": 9,
        "end_line": 2,
        "end_column": 25,
        "text": "torch.load(path, weights_only=True)",
    }
    assert document["errors"] == ["binary.py is a binary file, not a Python script (it holds null bytes)"]


def test_sarif_holds_rules_regions_and_fixes(folder: Path) -> None:
    Path("my train.py").write_text(LOAD)
    (run,) = json.loads(as_sarif(linted()))["runs"]
    (result,) = run["results"]
    region = {"startLine": 2, "startColumn": 9, "endLine": 2, "endColumn": 25}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [result["ruleId"]] == ["FLR202"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20train.py"},
        "region": region,
    }
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["deletedRegion"] == region


def test_github_annotations_are_escaped(folder: Path) -> None:
    Path("a,b.py").write_text(LOAD)
    assert as_github(linted()) == (
        "::warning file=a%2Cb.py,line=2,endLine=2,col=9,title=FLR202 UnsafeTorchLoad::"
        "torch.load without weights_only=True can run code from the file. Add weights_only=True.\n"
    )


def test_plain_fixit_finds_and_fixes_the_same(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    Path("fixit.toml").write_text('[tool.fixit]\nroot = true\nenable = ["rules"]\ndisable = ["fixit.rules"]\n')
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    fixit = [sys.executable, "-m", "fixit"]
    found = subprocess.run([*fixit, "lint", "train.py"], capture_output=True, text=True, env=environment)
    assert (found.returncode, "train.py@2:8 UnsafeTorchLoad" in found.stdout) == (1, True)
    subprocess.run([*fixit, "fix", "-a", "train.py"], capture_output=True, env=environment)
    assert Path("train.py").read_text() == FIXED


def test_the_command_prints_results_to_stdout_and_errors_to_stderr(folder: Path) -> None:
    Path("train.py").write_text(LOAD)
    Path("binary.py").write_bytes(b"torch\0")
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    command = [sys.executable, "-m", "codemods", "lint"]

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment)

    assert run("train.py").stdout == as_text(linted("train.py"))
    found = run("train.py", "binary.py", "--format", "json")
    assert (found.returncode, json.loads(found.stdout)["files"]) == (2, 2)
    assert found.stderr == "error: binary.py is a binary file, not a Python script (it holds null bytes)\n"
    assert [run("train.py", "--fix").returncode, run("train.py").returncode] == [0, 0]
    assert Path("train.py").read_text() == FIXED
    missing = run("nowhere.py")
    assert (missing.returncode, missing.stdout) == (2, "")


def test_what_libcst_cannot_parse_is_an_error_beside_what_the_program_shows(folder: Path) -> None:
    Path("train.py").write_text("import torch, gym\nenv = gym.make('CartPole-v1')\n(x): int = torch.load(env)\n")
    outcome = linted()
    assert codes(outcome) == ["train.py:2 FLR107"]
    assert outcome.errors == ("train.py:3: libcst cannot parse this, so that only the program was checked",)


def run(*arguments: str, text: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["lint", *arguments], input=text, catch_exceptions=False)


def test_a_finding_without_a_line_to_show_says_what_it_is() -> None:
    result = Finding("NotPython3", "It is nested too deeply.", "FLR101", Place("a.py", 1))
    assert as_text(Outcome((result,), (), 1)).splitlines()[0] == "a.py:1:1: FLR101 NotPython3: It is nested too deeply."


def test_standard_input_is_linted_as_the_file_of_a_path(folder: Path) -> None:
    Path("train.py").write_text(TRAIN)
    Path("net.py").write_text("old = True\n")
    result = run("--format", "json", "-", "net.py", text=NET + LOAD)
    assert [finding["line"] for finding in json.loads(result.stdout)["findings"]] == [10]
    assert run("-", "train.py", text=TRAIN.replace("net", "new")).exit_code == 0
    Path("net.py").write_text(NET)
    assert "net.py:8:9: FLR112" in run("-", "train.py", text=TRAIN).stdout
    assert run("-", "elsewhere/new.py", text=LOAD).stdout.startswith("elsewhere/new.py:2:9: FLR202")


def test_several_rules_are_named_with_commas(folder: Path) -> None:
    text = LOAD + "model.eval()\ntorch.save(model, 'm.pt')\n"
    assert run("--select", "FLR201, UnsafeTorchLoad", "--statistics", "-", "a.py", text=text).stdout.startswith(
        "     1  FLR202  UnsafeTorchLoad\n     1  FLR201  WholeModelPickle\n"
    )
    assert run("--ignore", "FLR201,FLR202", "-", "a.py", text=text).exit_code == 0
    for empty in ("", "FLR201,", ","):
        result = run("--select", empty, "-", "a.py", text=text)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "a name is empty" in result.stderr


def test_unsafe_alone_is_no_command(folder: Path) -> None:
    result = run("--unsafe", "-", "a.py", text=LOAD)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "add --fix" in result.stderr


def test_standard_input_is_fixed_to_standard_output(folder: Path) -> None:
    Path("train.py").write_text("# on disk\n")
    result = run("--fix", "-", "train.py", text=LOAD + "torch.load(path, weights_only=False)\n")
    assert (result.exit_code, result.stdout) == (1, FIXED + "torch.load(path, weights_only=False)\n")
    assert "train.py:3:1: FLR202" in result.stderr
    assert run("--fix", "-", "train.py", text="print(1)\n").stdout == "print(1)\n"
    broken = run("--fix", "-", "train.py", text="import torch\nx = (\n")
    assert (broken.exit_code, broken.stdout) == (1, "import torch\nx = (\n")
    assert Path("train.py").read_text() == "# on disk\n"


@pytest.mark.parametrize("paths", [["-"], ["-", "a.py", "b.py"], ["a.py", "-"]])
def test_standard_input_needs_its_path(folder: Path, paths: list[str]) -> None:
    result = CliRunner(mix_stderr=False).invoke(main, ["lint", *paths], input=LOAD)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give `- PATH`, with the path that its text belongs to" in result.stderr


def test_a_file_that_cannot_be_fixed_keeps_no_other_from_it(folder: Path) -> None:
    Path("a.py").write_bytes(b"torch\0")
    Path("b.py").write_text(LOAD)
    outcome = linted(fix=True)
    assert (len(outcome.fixed), len(outcome.errors)) == (1, 1)
    assert Path("b.py").read_text() == FIXED


def test_links_in_a_folder_are_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "b.py"
    outside.write_text(LOAD)
    (folder / "pyproject.toml").touch()
    (folder / "a.py").write_text(LOAD)
    for name, target in {"copy.py": "a.py", "out.py": outside, "round": ".", "again": "."}.items():
        (folder / name).symlink_to(target)
    outcome = linted(fix=True)
    assert [(result.place.file, result.code) for result in outcome.fixed] == [("a.py", "FLR202")]
    assert (outcome.exit_code, outside.read_text(), (folder / "copy.py").is_symlink()) == (0, LOAD, True)


def test_what_gitignore_leaves_out_and_environments_are_left_alone(folder: Path) -> None:
    (folder / ".gitignore").write_text("made/\n*_old.py\n")
    (folder / ".git").mkdir()
    for name in ("a.py", "made/b.py", "below/c_old.py", "env/lib/d.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(LOAD)
    (folder / "env/pyvenv.cfg").touch()
    assert {result.place.file for result in linted().left} == {"a.py"}
    (folder / "below/deep").mkdir()
    assert linted("below").files == 0


def test_a_link_and_a_read_only_file_are_not_fixed_and_keep_no_other_from_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py", "shown.py"):
        (folder / name).write_text(LOAD)
    (folder / "link.py").symlink_to("shown.py")
    monkeypatch.setattr("engine.lint.os.access", lambda path, mode: Path(path).name != "a.py")  # root may write to all
    outcome = linted("a.py", "b.py", "link.py", fix=True)
    assert outcome.errors == (
        "a.py is kept as it is: it is read-only, or its folder is; make both writable",
        "link.py is kept as it is: it is a symbolic link; name the file that it stands for",
    )
    assert {result.place.file for result in outcome.left} == {"a.py", "link.py"}
    assert [(folder / name).read_text() for name in ("a.py", "b.py", "link.py")] == [LOAD, FIXED, LOAD]
    assert (folder / "link.py").is_symlink()
