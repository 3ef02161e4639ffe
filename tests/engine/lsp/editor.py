"""An editor, as a test sees it: the texts it shows, what the server tells it, and the edits it is asked to make."""

from __future__ import annotations

import ast
import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from lsprotocol import types
from pytest_lsp import LanguageClient

ROOT = Path(__file__).parents[3]
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
CONVERT = "Convert to a NVIDIA FLARE job"
ANSWER_LIMIT = 60.0


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
