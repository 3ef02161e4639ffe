"""The report: what it tells, that it asks for nothing, and that nothing in the user's code gets out of its place."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, FINDINGS, OK, REFUSED
from engine import page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
TRAINING = f"""\
import torch

API_KEY = "sk-abcdefghijklmnop"
torch.manual_seed(0)
url = "https://me:hunter2@example.org/data"
model = torch.nn.Linear(2, 1)  # {EVIL}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
NEEDS = """\
import torch

class Net(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = torch.nn.Linear(size, 1)

    def forward(self, x):
        return self.layer(x)

model = Net(len(open("words").read().split()))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
VOID = {"meta", "br", "img", "col", "link", "input", "hr"}
SIMULATION = {
    "succeeded": True, "num_rounds": 2, "metric": "accuracy", "direction": "max", "sites": ["site-1", "<b>site</b>"],
    "failures": [], "baseline": {"epochs": 2, "metrics": {"accuracy": 0.9}},
    "rounds": [
        {"rounds": n, "sites": {"site-1": {"accuracy": 0.1 * n}, "<b>site</b>": {"accuracy": 0.3 * n}},
         "weights": {"site-1": 1.0, "<b>site</b>": 3.0}}
        for n in range(3)
    ],
}  # fmt: skip
PROOFS = {
    "verdict": "fails",
    "checks": [
        {"proof": "P1", "claim": "the same weights", "outcome": "fails", "detail": "",
         "difference": {"where": "after step 3", "tensor": "<weight>", "cause": "the learning rate"}},
    ],
}  # fmt: skip


class Page(HTMLParser):
    """The text of a page, its tags and addresses; raises where a tag is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.words += data


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def report(folder: Path) -> Path:
    """The report of a conversion."""
    assert run("apply", "train.py", "--report", "report.html").exit_code == OK
    return folder / "report.html"


def test_it_tells_what_the_program_is_and_what_became_of_it(report: Path) -> None:
    words = Page(report.read_text()).words
    for told in (
        "Converted to an NVIDIA FLARE job.", "torch.optim.SGD", "train.py:8", "model.build_model()", "FLR301",
        "no metrics are sent: the script does not evaluate its model",
        "To decide otherwise: write the evaluation as a function", "wrap_in_is_running",
        "    for epoch in range(args.epochs):", "client.py, conversion.json, job.py, model.py, requirements.txt",
    ):  # fmt: skip
        assert told in words


def test_it_is_one_file_that_asks_for_nothing_and_runs_nothing(report: Path) -> None:
    found = Page(report.read_text())
    addresses = [value for name, value in found.attributes if name in ("href", "src", "action", "srcset", "xlink:href")]
    assert addresses and all(address.startswith("#") for address in addresses)
    assert {address[1:] for address in addresses} <= {value for name, value in found.attributes if name == "id"}
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert found.tags.count("script") == 1 and ("type", "application/json") in found.attributes
    assert "img" not in found.tags
    assert "default-src 'none'" in report.read_text()
    assert "url(" not in report.read_text() and "@import" not in report.read_text()


def test_code_of_the_user_is_shown_as_it_stands_and_nothing_else(report: Path) -> None:
    assert f"# {EVIL}" in Page(report.read_text()).words
    assert "<script>alert" not in report.read_text()


def test_no_secret_is_shown(report: Path) -> None:
    text = report.read_text()
    assert "hunter2" not in text and "abcdefghijklmnop" not in text
    assert "https://[redacted]@example.org/data" in text


def test_it_serves_both_schemes_print_and_keyboard(report: Path) -> None:
    text = report.read_text()
    for needed in ("prefers-color-scheme: dark", "@media print", ":focus-visible", 'lang="en"', 'name="viewport"'):
        assert needed in text
    found = Page(text)
    assert [found.tags.count(tag) for tag in ("h1", "main", "nav", "title")] == [1, 1, 1, 1]


def test_writing_it_again_gives_the_same_and_leaves_the_job_alone(report: Path, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "up to date" in run("apply", "train.py", "--report", "report.html").stdout
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert run("apply", "train.py", "--check").exit_code == OK


def test_it_may_lie_in_the_converted_folder(folder: Path) -> None:
    run("apply", "train.py")
    assert run("apply", "train.py", "--report", "federated/report.html").exit_code == OK
    assert run("apply", "train.py", "--check").exit_code == OK
    assert (folder / "federated/report.html").is_file()


def test_a_change_can_be_looked_at_before_it_is_made(folder: Path) -> None:
    assert run("apply", "train.py", "--check", "--report", "report.html").exit_code == FINDINGS
    assert {path.name for path in folder.iterdir()} == {"train.py", "report.html"}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import torch\n", "FLR103 NoTrainingLoop"),
        ("for x in range(3:\n", "FLR101 NotPython3"),
        (NEEDS, "Remedy: --model-arg"),
    ],
)
def test_it_tells_why_a_program_is_refused(folder: Path, script: str, told: str) -> None:
    (folder / "train.py").write_text(script)
    code = run("apply", "train.py", "--report", "report.html").exit_code
    words = Page((folder / "report.html").read_text()).words
    assert (code, told in words, "nothing was written" in words) == (REFUSED, True, True)


@pytest.mark.parametrize("name", ["train.py", "page.html"])
def test_a_file_that_is_no_report_is_kept(folder: Path, name: str) -> None:
    (folder / "page.html").write_text("<html></html>")
    before = (folder / name).read_bytes()
    result = run("apply", "train.py", "--report", name)
    assert result.exit_code == ERROR
    assert result.stderr == f"error: {name} is no report of this tool and is kept; choose another file\n"
    assert (folder / name).read_bytes() == before
    assert not (folder / "federated").exists()


def test_a_folder_that_is_not_there(folder: Path) -> None:
    result = run("apply", "train.py", "--report", "none/report.html")
    assert (result.exit_code, "there is no folder none" in result.stderr) == (ERROR, True)


def test_proofs_and_curves_are_added_and_stay_while_the_conversion_does(report: Path, folder: Path) -> None:
    from engine.page.document import add

    add(report, folder / "federated", "proofs", PROOFS)
    add(report, folder / "federated", "simulation", SIMULATION)
    run("apply", "train.py", "--rounds", "9", "--report", "report.html")
    found = Page(report.read_text())
    for told in (
        "A proof fails.",
        "after step 3, <weight> (the learning rate)",
        "<b>site</b>",
        "wrap_in_is_running",
        "FLR301",
    ):
        assert told in found.words
    assert found.tags.count("polyline") == 3
    (folder / "train.py").write_text(TRAINING.replace("0.1", "0.2"))
    run("apply", "train.py", "--report", "report.html")
    words = Page(report.read_text()).words
    assert "A proof fails." not in words and "Simulation" not in words


def test_a_report_that_apply_did_not_begin_tells_what_the_folder_tells(folder: Path) -> None:
    from engine.page.document import add

    run("apply", "train.py")
    add(folder / "new.html", folder / "federated", "simulation", SIMULATION)
    words = Page((folder / "new.html").read_text()).words
    for told in (
        "Every round ran at every site.",
        "no metrics are sent",
        "    for epoch in range(args.epochs):",
        "train.py:8",
    ):
        assert told in words


def test_characters_that_html_does_not_allow_are_replaced() -> None:
    program = {"entry": "a\x00\x0bb\ud800", "verdict": "refused", "facts": None, "findings": []}
    text = page.render({"identity": {}, "parts": {"program": program}})
    assert "<h1>a\ufffd\ufffdb\ufffd</h1>" in text
    text.encode()
