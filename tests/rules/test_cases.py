"""The rules' cases through our own lint, and what all rules have in common."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import rules
from engine.facts import gather
from engine.lint import Outcome, lint
from engine.redaction import redacted
from engine.result import Safety
from engine.source import Project
from rules import RULES
from rules.base import Invalid
from rules.document import FOLDER, pages, plain
from rules.not_python3 import NotPython3

HEADINGS = ["What it does", "Why is this bad", "Example", "Remedy", "Fix safety"]
INVALID = [
    pytest.param(rule, case if isinstance(case, Invalid) else Invalid(case), id=f"{rule.__name__}-{index}")
    for rule in RULES
    for index, case in enumerate(rule.INVALID)
]
VALID = [
    pytest.param(rule, case, id=f"{rule.__name__}-{index}") for rule in RULES for index, case in enumerate(rule.VALID)
]
FIXABLE = [param for param in INVALID if param.values[1].expected_replacement]


def linted(folder: Path, rule: type, code: str, **options) -> tuple[Outcome, str]:
    """What one rule says of a text, and the text afterwards."""
    script = folder / "train.py"
    script.write_text(plain(code) + "# torch\n")
    outcome = lint([script], lambda: [rule], **options)
    return outcome, script.read_text().removesuffix("# torch\n")


@pytest.mark.parametrize(("rule", "case"), INVALID)
def test_lint_finds_what_a_rule_finds(rule: type, case: Invalid, tmp_path: Path) -> None:
    outcome, _ = linted(tmp_path, rule, case.code)
    assert outcome.errors == ()
    assert {result.code for result in outcome.left} == {rule.CODE}
    assert any(result.edit for result in outcome.left) == bool(case.expected_replacement)
    for result in outcome.left:
        assert result.source == redacted(plain(case.code).splitlines()[result.place.line - 1].strip())
        assert result.remedy == rule.REMEDY


@pytest.mark.parametrize(("rule", "case"), VALID)
def test_lint_is_silent_where_a_rule_is(rule: type, case: str, tmp_path: Path) -> None:
    assert linted(tmp_path, rule, case)[0].results == ()


@pytest.mark.parametrize(("rule", "case"), FIXABLE)
def test_a_fix_gives_the_expected_text_which_compiles_and_stays(rule: type, case: Invalid, tmp_path: Path) -> None:
    outcome, text = linted(tmp_path, rule, case.code, fix=True, unsafe=True)
    assert text == plain(case.expected_replacement)
    assert (bool(outcome.fixed), outcome.left) == (True, [])
    ast.parse(text)
    assert linted(tmp_path, rule, text, fix=True, unsafe=True) == (Outcome((), (), 1), text)


@pytest.mark.parametrize(("rule", "case"), FIXABLE)
def test_a_fix_is_the_same_within_a_block(rule: type, case: Invalid, tmp_path: Path) -> None:
    def indented(code: str) -> str:
        return "if True:\n" + "".join(f"        {line}" for line in plain(code).splitlines(keepends=True))

    _, text = linted(tmp_path, rule, indented(case.code), fix=True, unsafe=True)
    assert text == indented(case.expected_replacement)


@pytest.mark.parametrize(("rule", "case"), FIXABLE)
def test_a_fix_keeps_the_newlines_of_the_file(rule: type, case: Invalid, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(plain(case.code) + "# torch\n", newline="\r\n")
    lint([script], lambda: [rule], fix=True, unsafe=True)
    assert script.read_bytes() == (plain(case.expected_replacement) + "# torch\n").replace("\n", "\r\n").encode()


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_documented_and_stands_in_the_file_of_its_name(rule: type) -> None:
    assert re.findall(r"^## (.*)$", inspect.getdoc(rule), re.MULTILINE)[: len(HEADINGS)] == HEADINGS
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", rule.__name__).lower()
    assert rule.__module__ == f"rules.{words}"
    assert rule.MESSAGE.endswith(".") and rule.REMEDY.endswith(".")
    assert (rule.SAFETY is not Safety.DISPLAY_ONLY) == any(param.values[0] is rule for param in FIXABLE)


def test_the_rules_are_listed_in_the_order_of_their_codes_and_none_is_forgotten() -> None:
    codes = [rule.CODE for rule in RULES]
    assert codes == sorted(set(codes))
    folder = Path(rules.__file__).parent
    others = {"__init__", "base", "reading", "document", "for_fixit", "from_toml"}
    assert {path.stem for path in folder.glob("*.py")} - others == {
        rule.__module__.removeprefix("rules.") for rule in RULES
    }


def test_fixit_finds_every_rule_by_the_name_of_the_package() -> None:
    from fixit.config import find_rules
    from fixit.ftypes import QualifiedRule

    found = list(find_rules(QualifiedRule("rules")))
    assert {rule.__name__ for rule in found} == {rule.__name__ for rule in RULES}
    assert {rule.__name__ for rule in found if rule.AUTOFIX} == {param.values[0].__name__ for param in FIXABLE}


def test_the_pages_are_those_of_the_rules() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert written == pages(), "run `python -m rules.document`"


def refused(folder: Path, code: str) -> list[str]:
    """The codes that refuse a program."""
    script = folder / "train.py"
    script.write_text(code)
    return [result.code for result in rules.blockers(gather(Project(script)))]


def test_a_program_that_trains_nothing_is_refused_whatever_it_is(tmp_path: Path) -> None:
    assert refused(tmp_path, "from torch import nn\nclass Net(nn.Module):\n    pass\n") == ["FLR103"]
    assert refused(tmp_path, "print('hello')\n") == ["FLR103"]


def test_a_program_whose_model_is_not_found_is_refused(tmp_path: Path) -> None:
    loop = "for epoch in range(3):\n    loss.backward()\n    optimizer.step()\n"
    code = f"import torch\noptimizer = torch.optim.SGD(groups, lr=0.1)\n{loop}"
    assert refused(tmp_path, code) == ["FLR121"]


def test_a_reason_stands_alone(tmp_path: Path) -> None:
    code = "import torch, gym\nenv = gym.make('CartPole-v1')\noptimizer = torch.optim.Adam(policy.parameters())\n"
    assert refused(tmp_path, code) == ["FLR107"]


def test_a_file_that_is_imported_and_cannot_be_parsed_refuses_the_program(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text("def cuda(x):\n    return x.cuda(async=True)\n")
    (tmp_path / "train.py").write_text("import torch\nimport utils\nutils.train(torch.nn.Linear(2, 1))\n")
    found = [(one.code, str(one.place)) for one in NotPython3.check(gather(Project(tmp_path / "train.py")))]
    assert found == [("FLR101", "utils.py:2")]
