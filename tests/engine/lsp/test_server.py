"""The language server, over standard input and output, as an editor speaks to it."""

from __future__ import annotations

import ast
import asyncio
import io
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "codemods", "lsp"]
LOAD = "import torch\nstate = torch.load(path)\n"
FIXED = "import torch\nstate = torch.load(path, weights_only=True)\n"
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)  # the smallest there is
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""
GAN = """\
import torch

for fold in range(5):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).mean().backward()
        optimizer.step()
"""
CONVERT = "Convert to a NVIDIA FLARE job"
PREVIEW = types.ChangeAnnotationsSupportOptions(groups_on_label=True)
ANSWER_LIMIT = 60.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Editor:
    """An editor: the texts it shows, their versions, and the edits that the server asked it to make."""

    client: LanguageClient
    texts: dict[Path, str] = field(default_factory=dict)
    versions: dict[Path, int] = field(default_factory=dict)
    published: list[types.PublishDiagnosticsParams] = field(default_factory=list)
    asked: list[types.ApplyWorkspaceEditParams] = field(default_factory=list)
    accepts: bool = True

    def open(self, path: Path, text: str, saved: bool = True) -> Path:
        if saved:
            path.write_bytes(text.encode())
        self.texts[path], self.versions[path] = text, 1
        item = types.TextDocumentItem(path.as_uri(), types.LanguageKind.Python, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return path

    def type(self, path: Path, text: str) -> None:
        self.texts[path] = text
        self.versions[path] += 1
        document = types.VersionedTextDocumentIdentifier(self.versions[path], path.as_uri())
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def save(self, path: Path) -> None:
        path.write_bytes(self.texts[path].encode())
        document = types.TextDocumentIdentifier(path.as_uri())
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(document))

    def close(self) -> None:
        for path in self.texts:
            document = types.TextDocumentIdentifier(path.as_uri())
            self.client.text_document_did_close(types.DidCloseTextDocumentParams(document))
        self.texts.clear()

    async def diagnostics(self, path: Path) -> list[types.Diagnostic]:
        """What was published for a path and the version of it that is shown now."""
        uri, version = path.as_uri(), self.versions.get(path)

        def found() -> list[types.PublishDiagnosticsParams]:
            return [each for each in self.published if each.uri == uri and each.version == version]

        await until(lambda: bool(found()))
        return list(found()[-1].diagnostics)

    async def codes(self, path: Path) -> list[str]:
        return [str(each.code) for each in await self.diagnostics(path)]

    async def actions(
        self, path: Path, line: int | None = None, only: Sequence[str] | None = None
    ) -> dict[str, types.CodeAction]:
        """The actions that are offered on a 0-based line, or on the whole text, by title."""
        first, last = (0, len(self.texts[path])) if line is None else (line, line)
        span = types.Range(types.Position(first, 0), types.Position(last, 0 if line is None else 10_000))
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(path.as_uri()), span, types.CodeActionContext([], only=only)
        )
        answer = await wait(self.client.text_document_code_action_async(params))
        return {each.title: each for each in map(action, answer or [])}

    def apply(self, edit: types.WorkspaceEdit) -> None:
        """Make an edit, as an editor does: by versions and UTF-16 positions."""
        for change in edit.document_changes or []:
            path = path_of(change.uri) if isinstance(change, types.CreateFile) else None
            if path:
                assert path not in self.texts and not path.exists()
                self.texts[path] = ""
                continue
            path = path_of(change.text_document.uri)
            assert change.text_document.version == self.versions.get(path)
            text = self.texts[path] if path in self.texts else path.read_bytes().decode()
            edits = sorted(change.edits, key=lambda each: each.range.start, reverse=True)
            for each in edits:
                start, end = (offset(text, position) for position in (each.range.start, each.range.end))
                text = text[:start] + each.new_text + text[end:]
            self.texts[path] = text

    async def convert(self, path: Path) -> None:
        """Choose the action that converts, and wait for the answer."""
        command = (await self.actions(path))[CONVERT].command
        params = types.ExecuteCommandParams(command.command, command.arguments)
        await wait(self.client.workspace_execute_command_async(params))

    def said(self) -> str:
        """The message that the server showed last."""
        return self.client.messages[-1].message


def action(found: types.CodeAction | types.Command) -> types.CodeAction:
    """An action; lsprotocol takes one that has a command for a command of that name."""
    if isinstance(found, types.CodeAction):
        return found
    command = types.Command(**ast.literal_eval(found.command))
    return types.CodeAction(found.title, "refactor.rewrite.flare-codemods", command=command)


def path_of(uri: str) -> Path:
    """The file that a name of the protocol means."""
    return Path(unquote(urlparse(uri).path))


def offset(text: str, position: types.Position) -> int:
    """The offset of a position whose character is in UTF-16 units."""
    before = sum(len(line) for line in list(io.StringIO(text, newline=""))[: position.line])
    return before + len(text[before:].encode("utf-16-le")[: 2 * position.character].decode("utf-16-le"))


async def wait(answer: Awaitable):
    """An answer, or a failure of the test."""
    return await asyncio.wait_for(answer, ANSWER_LIMIT)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(int(ANSWER_LIMIT / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest_lsp.fixture(config=ClientServerConfig(server_command=COMMAND), scope="module")
async def client(lsp_client: LanguageClient):
    capabilities = client_capabilities("visual-studio-code")
    capabilities.workspace.workspace_edit.change_annotation_support = PREVIEW
    await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities, root_uri=ROOT.as_uri()))
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def editor(client: LanguageClient):
    """An editor without open texts."""
    found = Editor(client)
    client.messages.clear()
    client.protocol.fm.features.pop(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, None)
    client.protocol.fm.features.pop(types.WORKSPACE_APPLY_EDIT, None)

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(params: types.PublishDiagnosticsParams) -> None:
        found.published.append(params)

    @client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        found.asked.append(params)
        if found.accepts:
            found.apply(params.edit)
        return types.ApplyWorkspaceEditResult(found.accepts)

    yield found
    found.close()


async def test_a_finding_is_shown_with_its_place_code_and_remedy(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    (found,) = await editor.diagnostics(path)
    assert found.range == types.Range(types.Position(1, 8), types.Position(1, 24))
    assert (found.code, found.severity, found.source) == ("FLR202", types.DiagnosticSeverity.Warning, "flare-codemods")
    assert "Add weights_only=True." in found.message


async def test_the_text_that_is_shown_counts_not_the_one_on_disk(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    assert await editor.codes(path) == ["FLR202"]
    editor.type(path, FIXED)
    assert await editor.codes(path) == []
    assert path.read_text() == LOAD


async def test_characters_beyond_the_basic_plane_count_twice(editor: Editor, tmp_path: Path) -> None:
    line = "print('😀 é 𝕏'); state = torch.load(path)\n"
    path = editor.open(tmp_path / "emoji.py", f"import torch\n{line}")
    (found,) = await editor.diagnostics(path)
    start = len(line[: line.index("torch.load")].encode("utf-16-le")) // 2
    assert found.range.start == types.Position(1, start) == types.Position(1, line.index("torch.load") + 2)
    editor.apply((await editor.actions(path, 1))["Add weights_only=True"].edit)
    assert editor.texts[path] == f"import torch\n{line}".replace("(path)", "(path, weights_only=True)")


async def test_a_quick_fix_is_the_smallest_edit_of_the_version_it_was_found_in(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", "import torch\n")
    editor.type(path, LOAD)
    action = (await editor.actions(path, 1))["Add weights_only=True"]
    (change,) = action.edit.document_changes
    assert change.text_document.version == 2
    point = types.Position(1, 23)
    assert list(change.edits) == [types.TextEdit(types.Range(point, point), ", weights_only=True")]
    assert action.is_preferred and action.kind == types.CodeActionKind.QuickFix
    editor.apply(action.edit)
    assert editor.texts[path] == FIXED


async def test_newlines_of_two_characters_stay(editor: Editor, tmp_path: Path) -> None:
    text = "import torch\r\n\r\nstate = torch.load(\r\n    path,\r\n)\r\n"
    path = editor.open(tmp_path / "windows.py", text)
    (found,) = await editor.diagnostics(path)
    assert found.range == types.Range(types.Position(2, 8), types.Position(4, 1))
    editor.apply((await editor.actions(path, 2))["Add weights_only=True"].edit)
    assert editor.texts[path] == text.replace("path,\r\n", "path,\r\n    weights_only=True,\r\n")


async def test_lines_end_where_python_ends_them(editor: Editor, tmp_path: Path) -> None:
    text = "import torch\n\f\nname = '\u2028\x1c'\nstate = torch.load(path)\n"
    path = editor.open(tmp_path / "feed.py", text)
    editor.type(path, f"{text}\n")
    (found,) = await editor.diagnostics(path)
    assert found.range.start == types.Position(3, 8)


async def test_a_syntax_error_while_typing_is_shown_and_goes_away(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    assert "FLR101" not in await editor.codes(path)
    editor.type(path, TRAINING.replace("range(3)", "range(3"))
    (found,) = await editor.diagnostics(path)
    assert (found.code, found.range.start.line) == ("FLR101", 4)
    assert await editor.actions(path) == {}
    editor.type(path, LOAD)
    assert await editor.codes(path) == ["FLR202"]
    assert editor.client.messages == []


async def test_of_two_edits_in_quick_succession_only_the_last_is_told(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    await editor.diagnostics(path)
    editor.type(path, FIXED)
    editor.type(path, LOAD + LOAD)
    assert await editor.codes(path) == ["FLR202", "FLR202"]
    assert [each.version for each in editor.published if each.uri == path.as_uri()] == [1, 3]


async def test_an_action_asked_for_at_once_is_about_the_text_that_is_shown(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    editor.type(path, f"# a line more\n{LOAD}")
    editor.apply((await editor.actions(path, 2))["Add weights_only=True"].edit)
    assert editor.texts[path] == f"# a line more\n{FIXED}"


async def test_all_safe_fixes_are_one_edit(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "loads.py", LOAD + "again = torch.load(other)\nprint(again)\n")
    actions = await editor.actions(path, only=["source.fixAll"])
    (action,) = actions.values()
    assert action.kind == "source.fixAll.flare-codemods"
    (change,) = action.edit.document_changes
    assert [each.new_text for each in change.edits] == [", weights_only=True"] * 2
    editor.apply(action.edit)
    assert editor.texts[path] == FIXED + "again = torch.load(other, weights_only=True)\nprint(again)\n"
    editor.versions[path] += 1
    editor.type(path, editor.texts[path])
    assert await editor.codes(path) == []
    assert await editor.actions(path, only=["source.fixAll.flare-codemods"]) == {}


@pytest.mark.parametrize(
    ("only", "kinds"),
    [
        (["quickfix"], {"quickfix"}),
        (["source"], {"source.fixAll.flare-codemods"}),
        (["refactor"], {"refactor.rewrite.flare-codemods"}),
        (["source.organizeImports"], set()),
    ],
)
async def test_only_the_kinds_that_are_asked_for(editor: Editor, tmp_path: Path, only, kinds) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING + "state = torch.load(path)\n")
    actions = (await editor.actions(path, only=only)).values()
    assert {getattr(each.kind, "value", each.kind) for each in actions} == kinds


async def test_a_finding_can_be_silenced_where_it_stands(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    editor.apply((await editor.actions(path, 1))["Silence FLR202 here"].edit)
    assert editor.texts[path] == "import torch\nstate = torch.load(path)  # noqa: FLR202\n"
    editor.type(path, editor.texts[path])
    assert await editor.codes(path) == []


async def test_the_configuration_of_the_project_is_heeded(editor: Editor, tmp_path: Path) -> None:
    table = tmp_path / "pyproject.toml"
    table.write_text('[tool.flare-codemods]\nignore = ["FLR202"]\n\n[tool.flare-codemods.apply]\nclients = 7\n')
    load = editor.open(tmp_path / "load.py", LOAD)
    path = editor.open(tmp_path / "train.py", TRAINING)
    assert await editor.codes(load) == []
    await editor.convert(path)
    assert "default=7," in editor.texts[tmp_path / "federated" / "job.py"]
    table.write_text('[tool.flare-codemods]\nselect = ["nonsense"]\n')
    editor.type(load, f"{LOAD}\n")
    await until(lambda: "pyproject.toml: no rule is called nonsense" in editor.said())
    table.unlink()
    editor.type(load, LOAD)
    assert await editor.codes(load) == ["FLR202"]


async def test_hovering_shows_the_page_of_the_rule(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "load.py", LOAD)
    document = types.TextDocumentIdentifier(path.as_uri())
    params = types.HoverParams(document, types.Position(1, 10))
    hover = await wait(editor.client.text_document_hover_async(params))
    assert hover.contents.kind == types.MarkupKind.Markdown
    assert hover.contents.value == (ROOT / "docs/rules/UnsafeTorchLoad.md").read_text()
    assert hover.range.start == types.Position(1, 8)
    params = types.HoverParams(document, types.Position(0, 2))
    assert await wait(editor.client.text_document_hover_async(params)) is None


async def test_a_finding_in_a_module_shows_there_and_follows_its_text(editor: Editor, tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    text = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    text += "        self.head = nn.Linear(2, 1)\n        self.layers = [nn.Linear(2, 2) for _ in range(3)]\n"
    net.write_text(text)
    training = TRAINING.replace("torch.nn.Linear(2, 1)", "Net()")
    editor.open(tmp_path / "train.py", f"from net import Net\n{training}")
    assert await editor.codes(net) == ["FLR112"]
    editor.open(net, text.replace("[nn.Linear(2, 2) for _ in range(3)]", "nn.Linear(2, 2)"), saved=False)
    assert await editor.codes(net) == []


async def test_a_long_file_is_examined_in_full(editor: Editor, tmp_path: Path) -> None:
    helpers = "".join(f"def helper_{n}(x):\n    y = x * {n}\n    return y + 1\n\n\n" for n in range(300))
    text = f"import torch\n\n\n{helpers}state = torch.load(path)\n"
    assert text.count("\n") > 1500
    path = editor.open(tmp_path / "long.py", text)
    (found,) = await editor.diagnostics(path)
    assert found.range.start.line == text.count("\n") - 1
    for n in range(5):
        editor.type(path, f"{text}# {n}\n")
    assert await editor.codes(path) == ["FLR202"]
    assert editor.published[-1].version == 6


async def test_what_cannot_be_read_is_said_once_and_survived(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "odd.py", "# coding: klingon\nimport torch\n", saved=False)
    await until(lambda: bool(editor.client.messages))
    editor.type(path, "# coding: klingon\nimport torch\n\n")
    other = editor.open(tmp_path / "load.py", LOAD)
    assert await editor.codes(other) == ["FLR202"]
    assert [message.type for message in editor.client.messages] == [types.MessageType.Error]
    assert "odd.py" in editor.said() and "encoding" in editor.said()
    editor.type(path, LOAD)
    assert await editor.codes(path) == ["FLR202"]


async def test_what_is_shown_of_a_file_but_is_not_its_text_is_left_alone(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    assert await editor.codes(path) == []
    cell = (tmp_path / "train.ipynb").as_uri().replace("file", "vscode-notebook-cell") + "#W0"
    others = [path.as_uri().replace("file", "git"), "untitled:Untitled-1", cell]
    for uri in others:
        item = types.TextDocumentItem(uri, types.LanguageKind.Python, 1, LOAD)
        editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    editor.type(path, f"{TRAINING}torch.load(path)\n")
    assert await editor.codes(path) == ["FLR202"]
    assert not {each.uri for each in editor.published} & set(others) and not editor.client.messages
    await editor.convert(path)
    assert "torch.load(path)" in editor.texts[tmp_path / "federated" / "client.py"]
    for uri in others:
        document = types.TextDocumentIdentifier(uri)
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(document))


async def test_a_text_that_is_renamed_closed_and_opened_again(editor: Editor, tmp_path: Path) -> None:
    old = editor.open(tmp_path / "old.py", LOAD)
    assert await editor.codes(old) == ["FLR202"]
    editor.close()
    await until(lambda: (editor.published[-1].uri, list(editor.published[-1].diagnostics)) == (old.as_uri(), []))
    new = editor.open(old.rename(tmp_path / "new.py"), f"# moved\n{LOAD}", saved=False)
    (found,) = await editor.diagnostics(new)
    assert found.range.start == types.Position(2, 8)
    editor.close()
    editor.published.clear()
    again = editor.open(tmp_path / "old.py", FIXED)
    assert await editor.codes(again) == []


async def test_each_folder_has_the_settings_of_its_own(editor: Editor, tmp_path: Path) -> None:
    for name, ignored in (("strict", "[]"), ("lax", '["FLR202"]')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(f"[tool.flare-codemods]\nignore = {ignored}\n")
    strict, lax = (editor.open(tmp_path / name / "load.py", LOAD) for name in ("strict", "lax"))
    assert (await editor.codes(strict), await editor.codes(lax)) == (["FLR202"], [])


def applied(path: Path, out: Path) -> dict[str, str]:
    """What ``apply`` writes."""
    command = [sys.executable, "-m", "codemods", "apply", str(path), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {file.name: file.read_text() for file in out.iterdir()}


async def test_a_script_becomes_a_job_by_one_edit_that_is_shown_first(editor: Editor, tmp_path: Path) -> None:
    tmp_path = tmp_path / "my project é😀"
    tmp_path.mkdir()
    path = editor.open(tmp_path / "train.py", TRAINING)
    await editor.convert(path)
    (asked,) = editor.asked
    (annotation,) = asked.edit.change_annotations.values()
    assert annotation.needs_confirmation
    assert annotation.description.startswith("what apply would write; decided: metrics: no metrics are sent: ")
    created = [each for each in asked.edit.document_changes if isinstance(each, types.CreateFile)]
    names = {"client.py", "model.py", "job.py", "conversion.json", "requirements.txt"}
    assert {path_of(each.uri).name for each in created} == names
    ids = {each.annotation_id for each in created}
    ids |= {edit.annotation_id for each in asked.edit.document_changes if each not in created for edit in each.edits}
    assert ids == set(asked.edit.change_annotations)
    made = {file.name: text for file, text in editor.texts.items() if file.parent == tmp_path / "federated"}
    assert not (tmp_path / "federated").exists()
    wanted = applied(path, tmp_path / "federated")
    assert made == wanted
    assert "train.py is now a federated job" in editor.said()
    assert "\ndecided: metrics: no metrics are sent: " in editor.said()


async def test_a_job_is_brought_up_to_date_by_small_edits(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    await editor.convert(path)
    assert editor.asked == []
    assert editor.said() == "The job is up to date with train.py."
    editor.type(path, TRAINING.replace("lr=0.1", "lr=0.25"))
    await editor.convert(path)
    (asked,) = editor.asked
    changes = {path_of(each.text_document.uri).name: each.edits for each in asked.edit.document_changes}
    assert changes.keys() == {"client.py", "conversion.json"}
    assert [each.new_text for each in changes["client.py"]] == ["25"]
    editor.save(path)
    assert editor.texts[tmp_path / "federated/client.py"] == applied(path, tmp_path / "again")["client.py"]


async def test_a_refusal_says_the_rule_the_line_and_the_remedy(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", GAN)
    await editor.convert(path)
    assert editor.asked == []
    assert editor.said().startswith("train.py is not converted.\ntrain.py:3: FLR109 SeveralRuns: ")
    assert "Remedy: " in editor.said()


async def test_files_of_the_users_own_are_kept(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    client = tmp_path / "federated" / "client.py"
    client.write_text(f"# mine\n{client.read_text()}")
    await editor.convert(path)
    assert editor.asked == []
    assert "client.py was edited since it was written and is kept" in editor.said()


async def test_an_edit_that_the_editor_does_not_make_is_told(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    editor.accepts = False
    await editor.convert(path)
    assert editor.said() == "train.py was not converted: the edit was not applied."
    assert list(tmp_path.iterdir()) == [path]


async def test_what_is_no_training_script_is_not_offered_to_be_converted(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    client = editor.open(tmp_path / "federated" / "client.py", (tmp_path / "federated/client.py").read_text())
    load = editor.open(tmp_path / "load.py", LOAD)
    assert CONVERT in await editor.actions(path)
    assert CONVERT not in await editor.actions(client)
    assert CONVERT not in await editor.actions(load)


async def test_nothing_of_the_users_code_runs(editor: Editor, tmp_path: Path) -> None:
    evil = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (tmp_path / "helper.py").write_text(evil)
    (tmp_path / "conftest.py").write_text(evil)
    path = editor.open(tmp_path / "train.py", f"import helper\n{evil}{TRAINING}")
    await editor.diagnostics(path)
    await editor.convert(path)
    assert editor.asked
    assert not (tmp_path / "ran").exists()
