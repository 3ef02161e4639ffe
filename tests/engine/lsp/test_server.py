"""The language server, over standard input and output, as an editor speaks to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from tests.engine.lsp.editor import CONVERT, FIXED, LOAD, ROOT, TRAINING, Editor, action, until, wait

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_mark_at_the_beginning_is_in_the_way_of_no_action(editor: Editor, tmp_path: Path) -> None:
    text = "\ufeffimport torch; torch.load(path)\r\n"
    path = editor.open(tmp_path / "load.py", text)
    editor.apply((await editor.actions(path, 0))["Silence FLR202 here"].edit)
    assert editor.texts[path] == text.replace("\r", "  # noqa: FLR202\r")
    path = editor.open(tmp_path / "other.py", "\ufeff" + LOAD)
    editor.apply((await editor.actions(path, 1))["Silence FLR202 here"].edit)
    assert editor.texts[path] == "\ufeffimport torch\nstate = torch.load(path)  # noqa: FLR202\n"


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
    others = [path.as_uri().replace("file", "git"), cell]
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


async def test_a_text_that_was_never_saved_is_examined_in_the_folder_that_is_open(editor: Editor) -> None:
    uri, earlier = "untitled:Untitled-1", "git:/work/train.py"
    for each in (earlier, uri):
        item = types.TextDocumentItem(each, types.LanguageKind.Python, 1, TRAINING + LOAD)
        editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    await until(lambda: any(each.uri == uri for each in editor.published))
    assert all(each.uri != earlier for each in editor.published)
    assert [(each.code, each.range.start.line) for each in editor.published[-1].diagnostics] == [("FLR202", 9)]
    span = types.Range(types.Position(0, 0), types.Position(99, 0))
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), span, types.CodeActionContext([]))
    answer = await wait(editor.client.text_document_code_action_async(params))
    actions = {each.title: each for each in map(action, answer)}
    (change,) = actions["Add weights_only=True"].edit.document_changes
    assert change.text_document == types.OptionalVersionedTextDocumentIdentifier(uri, 1)
    command = actions[CONVERT].command
    for arguments in (command.arguments, [earlier]):
        asked = types.ExecuteCommandParams(command.command, arguments)
        await wait(editor.client.workspace_execute_command_async(asked))
        assert editor.said() == "only a file can be converted; save this text to one first"
    document = types.TextDocumentIdentifier(uri)
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(document))
    await until(lambda: not editor.published[-1].diagnostics)


async def test_each_folder_has_the_settings_of_its_own(editor: Editor, tmp_path: Path) -> None:
    for name, ignored in (("strict", "[]"), ("lax", '["FLR202"]')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(f"[tool.flare-codemods]\nignore = {ignored}\n")
    strict, lax = (editor.open(tmp_path / name / "load.py", LOAD) for name in ("strict", "lax"))
    assert (await editor.codes(strict), await editor.codes(lax)) == (["FLR202"], [])
