"""One session with an editor: it tells what changes, and is told what is found and what can be done about it."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from engine.fixes import apart, edited, offsets
from engine.lsp import Tools
from engine.lsp.analysis import Analyser, Findings, Texts
from engine.lsp.conversion import Converted, convert
from engine.lsp.edits import Positions, changes, trimmed
from engine.report.sarif import level
from engine.result import Result, Safety, TextEdit, UserError
from engine.source import absolute, parse
from engine.suppressions import silencing

NAME = "flare-codemods"
FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.{NAME}"
CONVERT = f"{types.CodeActionKind.RefactorRewrite.value}.{NAME}"
CONVERT_COMMAND = f"{NAME}.convert"
CONVERT_TITLE = "Convert to a NVIDIA FLARE job"
DELAY = 0.2  # seconds without a keystroke after which a text is examined
SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}

Returned = TypeVar("Returned")
Opened = types.DidOpenTextDocumentParams | types.DidChangeTextDocumentParams | types.DidCloseTextDocumentParams
Saved = types.DidSaveTextDocumentParams | types.DidChangeWatchedFilesParams


@dataclass(frozen=True)
class Document:
    """A text as the editor showed it.

    Attributes:
        uri: its name in the protocol.
        version: its version.
        text: the text.
    """

    uri: str
    version: int | None
    text: str


class Session:
    """What is known of the editor's texts. Examinations run one after the other, beside the conversation."""

    def __init__(self, server: LanguageServer, tools: Tools) -> None:
        self.server = server
        self.tools = tools
        self.analyser = Analyser(tools.rules)
        self.worker = ThreadPoolExecutor(max_workers=1)
        self.pause: asyncio.TimerHandle | None = None
        self.examination: asyncio.Task | None = None
        self.marked: set[str] = set()
        self.told: tuple[str, ...] = ()
        self.revision = 0  # counts the changes of the texts
        self.ended = False

    def documents(self) -> dict[Path, Document]:
        """The texts that are open, by absolute path."""
        opened = self.server.workspace.text_documents.values()
        placed = ((self.path(each.uri), each) for each in opened)
        return {path: Document(each.uri, each.version, each.source) for path, each in placed if path}

    def path(self, uri: str) -> Path | None:
        """Where a text lies; of one that was never saved, where it would lie in the folder that the editor shows, so
        that this folder's settings hold for it; nothing for what is no file, such as an earlier version of one."""
        scheme, _, rest = uri.partition(":")
        if scheme == "untitled":
            return absolute(Path(self.server.workspace.root_path or ".", f"{unquote(rest).removesuffix('.py')}.py"))
        name = to_fs_path(uri)
        return absolute(Path(name)) if name else None

    async def beside(self, work: Callable[..., Returned], *arguments: Any) -> Returned:
        """Do work beside the conversation."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work, *arguments)

    async def examine(self) -> tuple[dict[Path, Document], Findings] | None:
        """The open texts and what is found in them; nothing where they have changed meanwhile."""
        documents = self.documents()
        texts = {path: document.text for path, document in documents.items()}
        findings = await self.beside(self.findings, texts, self.revision)
        return (documents, findings) if findings and self.documents() == documents else None

    def findings(self, texts: Texts, revision: int) -> Findings | None:
        """What is found in texts; nothing, at once, where they have changed since they were to be examined."""
        return self.analyser.examine(texts) if revision == self.revision else None

    def changed(self) -> None:
        """Examine the texts once the typing pauses."""
        if self.pause:
            self.pause.cancel()
        self.pause = asyncio.get_running_loop().call_later(DELAY, self.start)

    def start(self) -> None:
        """Examine the texts now."""
        self.examination = asyncio.ensure_future(self.report())

    async def report(self) -> None:
        """Examine the texts, and tell what is found unless they have changed meanwhile: then a later one will."""
        try:
            examined = await self.examine()
            if examined:
                self.tell(*examined)
        except Exception as error:  # the next text may fare better
            self.say(f"this text cannot be examined: {type(error).__name__}: {error}", types.MessageType.Error)

    def tell(self, documents: dict[Path, Document], findings: Findings) -> None:
        """Show findings, take back those that are gone, and say what went wrong that was not said before."""
        shown = {}
        for path, (source, results) in findings.files.items():
            document = documents.get(path) or Document(from_fs_path(str(path)) or "", None, source.text)
            positions = self.positions(document)
            diagnostics = [diagnostic(result, positions) for result in results]
            shown[document.uri] = types.PublishDiagnosticsParams(document.uri, diagnostics, document.version)
        for uri in self.marked - shown.keys():
            self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
        for params in shown.values():
            self.server.text_document_publish_diagnostics(params)
        self.marked = {uri for uri, params in shown.items() if params.diagnostics}
        for error in findings.errors:
            if error not in self.told:
                self.say(error, types.MessageType.Error)
        self.told = findings.errors

    def say(self, text: str, kind: types.MessageType) -> None:
        """Show a message to the person at the editor."""
        self.server.window_show_message(types.ShowMessageParams(kind, text))

    def positions(self, document: Document) -> Positions:
        """Positions in a text, in the units agreed upon with the editor."""
        return Positions(document.text, self.server.workspace.position_codec.client_num_units)

    async def around(self, uri: str, span: types.Range) -> tuple[Path, Document, Findings, list[Result]] | None:
        """What is found in a text at a range of it; nothing where the text is not open, or changes meanwhile."""
        examined = await self.examine()
        path = next((path for path, each in examined[0].items() if each.uri == uri), None) if examined else None
        if examined is None or path is None or path not in examined[1].files:
            return None
        document, findings = examined[0][path], examined[1]
        positions = self.positions(document)
        here = [each for each in findings.files[path][1] if overlap(positions.range(each.place, each.end), span)]
        return path, document, findings, here

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """The pages of the rules that find something at a position."""
        point = types.Range(params.position, params.position)
        found = await self.around(params.text_document.uri, point)
        if not found or not found[3]:
            return None
        _, document, _, results = found
        pages = [self.tools.page(each.name) or f"**{each.name}**\n\n{each.message} {each.remedy}" for each in results]
        text = "\n\n---\n\n".join(dict.fromkeys(pages))
        span = self.positions(document).range(results[0].place, results[0].end)
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), span)

    async def code_actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be done at a range of a text."""
        found = await self.around(params.text_document.uri, params.range)
        if not found:
            return []
        path, document, findings, here = found
        everywhere = findings.files[path][1]
        actions = [*self.quick_fixes(document, here), *self.fix_all(document, everywhere)]
        if path in findings.scripts:
            command = types.Command(CONVERT_TITLE, CONVERT_COMMAND, arguments=[document.uri])
            actions.append(types.CodeAction(CONVERT_TITLE, CONVERT, command=command))
        only = params.context.only
        return [each for each in actions if only is None or any(is_kind(each.kind, kind) for kind in only)]

    def quick_fixes(self, document: Document, results: Sequence[Result]) -> list[types.CodeAction]:
        """For each finding its fix, and the comment that silences it."""
        actions = []
        for result in results:
            shown = [diagnostic(result, self.positions(document))]
            if result.edit and (edit := self.edit(document, [result.edit])):
                safe = result.safety is Safety.SAFE
                title = result.remedy.rstrip(".") + ("" if safe else " (unsafe: look at the change)")
                quick = types.CodeActionKind.QuickFix
                actions.append(types.CodeAction(title, quick, shown, is_preferred=safe or None, edit=edit))
            silent = silencing(document.text.removeprefix("\ufeff"), result) if self.tools.page(result.name) else None
            if silent and (edit := self.edit(document, [silent])):
                title = f"Silence {result.code or result.name} here"
                actions.append(types.CodeAction(title, types.CodeActionKind.QuickFix, shown, edit=edit))
        return actions

    def fix_all(self, document: Document, results: Sequence[Result]) -> list[types.CodeAction]:
        """All safe fixes of a text; of two that overlap the first."""
        chosen = apart(result for result in results if result.edit and result.safety is Safety.SAFE)
        edit = self.edit(document, [result.edit for result in chosen]) if chosen else None
        return [types.CodeAction("Fix all that is safe to fix (flare-codemods)", FIX_ALL, edit=edit)] if edit else []

    def edit(self, document: Document, edits: Sequence[TextEdit]) -> types.WorkspaceEdit | None:
        """The smallest edit of a text that does what others do; nothing where it would leave no valid Python."""
        text = document.text.removeprefix("\ufeff")
        try:
            parse(edited(text, edits), document.uri)
        except UserError:
            return None
        offset = offsets(text)
        old = [text[offset(edit.start) : offset(edit.end)] for edit in edits]
        trims = [trimmed(edit.start, before, edit.text) for edit, before in zip(edits, old, strict=True)]
        small = self.positions(document).edits(trims)
        if not (self.capable().document_changes or self.creates_files()):
            return types.WorkspaceEdit(changes={document.uri: small})
        identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, small)])

    def capable(self) -> types.WorkspaceEditClientCapabilities:
        """What the editor can do with edits."""
        workspace = self.server.client_capabilities.workspace
        return (workspace and workspace.workspace_edit) or types.WorkspaceEditClientCapabilities()

    async def convert(self, uri: str) -> None:
        """Convert a script, and let the editor write the files; where that cannot be, say why."""
        path = self.path(uri)
        if path is None or not to_fs_path(uri):
            self.say("only a file can be converted; save this text to one first", types.MessageType.Error)
            return
        documents = self.documents()
        texts = {each: document.text for each, document in documents.items()}
        if not self.creates_files():
            typed = shlex.quote(str(path))
            reason = f"this editor cannot create files by an edit; run python -m codemods apply {typed}"
            self.say(reason, types.MessageType.Error)
            return
        try:
            converted = await self.beside(convert, path, texts, self.tools)
        except UserError as error:
            self.say(str(error), types.MessageType.Error)
            return
        if not converted.files:
            self.say(f"The job is up to date with {path.name}.", types.MessageType.Info)
        elif self.documents() != documents:
            self.say(f"{path.name} was changed meanwhile; convert it again.", types.MessageType.Warning)
        else:
            await self.write(path.name, converted, documents)

    def creates_files(self) -> bool:
        """Whether the editor can create files by an edit. Neovim can, and does not say that it takes versions."""
        return types.ResourceOperationKind.Create in (self.capable().resource_operations or ())

    async def write(self, name: str, converted: Converted, documents: dict[Path, Document]) -> None:
        """Have the editor write files, all in one edit that a person is shown first where the editor can do that."""
        edit = self.edit_of_files(converted, documents)
        answer = await self.server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, CONVERT_TITLE))
        folder = Path(os.path.commonpath([file.path.parent for file in converted.files]))
        if answer.applied:
            typed = shlex.quote(str(folder))
            done = f"{name} is now a federated job in {folder}. Next: python -m codemods verify {typed}"
            self.say("\n".join([done, *converted.notes]), types.MessageType.Info)
        else:
            reason = f" ({answer.failure_reason})" if answer.failure_reason else ""
            self.say(f"{name} was not converted: the edit was not applied{reason}.", types.MessageType.Warning)

    def edit_of_files(self, converted: Converted, documents: dict[Path, Document]) -> types.WorkspaceEdit:
        """One edit that creates files, and changes those that are there; a preview says what was decided."""
        previews = self.capable().change_annotation_support is not None
        operations: list[types.CreateFile | types.TextDocumentEdit] = []
        for file in converted.files:
            document = documents.get(file.path) or Document(from_fs_path(str(file.path)) or "", None, file.old or "")
            if file.old is None:
                operations.append(types.CreateFile(document.uri, annotation_id=CONVERT if previews else None))
            edits = self.positions(document).edits(changes(file.old or "", file.new, document.uri))
            identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
            marked = [types.AnnotatedTextEdit(CONVERT, each.range, each.new_text) for each in edits]
            operations.append(types.TextDocumentEdit(identifier, marked if previews else edits))
        said = "; ".join(["what apply would write", *converted.notes])
        about = types.ChangeAnnotation(CONVERT_TITLE, needs_confirmation=True, description=said)
        return types.WorkspaceEdit(
            document_changes=operations, change_annotations={CONVERT: about} if previews else None
        )


def diagnostic(result: Result, positions: Positions) -> types.Diagnostic:
    """A finding as the protocol has it."""
    tags = None if result.code else [types.DiagnosticTag.Unnecessary]
    return types.Diagnostic(
        range=positions.range(result.place, result.end),
        message=f"{result.message}\n{result.remedy}",
        severity=SEVERITIES[level(result)],
        code=result.code or result.name,
        source=NAME,
        tags=tags,
    )


def overlap(one: types.Range, other: types.Range) -> bool:
    """True where two ranges share a position, their ends included."""
    return one.start <= other.end and other.start <= one.end


def is_kind(kind: str, wanted: str) -> bool:
    """True for a kind of code action that is wanted, or is below one that is."""
    kind, wanted = getattr(kind, "value", kind), getattr(wanted, "value", wanted)
    return kind == wanted or not wanted or kind.startswith(f"{wanted}.")


def make_session(tools: Tools) -> Session:
    """A session, and the server that does what it says.

    Texts are exchanged whole: pygls applies partial changes to lines that it ends where Python and the protocol do not,
    at a form feed for example.
    """
    server = LanguageServer(NAME, version(NAME), text_document_sync_kind=types.TextDocumentSyncKind.Full)
    session = Session(server, tools)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def changed(params: Opened) -> None:
        session.revision += 1
        session.changed()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def saved(params: Saved) -> None:
        await session.beside(session.analyser.forget)
        session.changed()

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        return await session.hover(params)

    kinds = [types.CodeActionKind.QuickFix, FIX_ALL, CONVERT]

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(kinds))
    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return await session.code_actions(params)

    @server.command(CONVERT_COMMAND)
    async def convert_script(uri: str) -> None:
        await session.convert(uri)

    @server.feature(types.SHUTDOWN)
    def shut_down(params: None) -> None:
        session.ended = True

    return session


def run(tools: Tools) -> None:
    """Converse over standard input and output, where nothing else is printed then, and end the process.

    Ends with exit code 1 where the editor goes away without saying so, as the protocol has it, and at once: an
    examination that still runs, of a long text say, writes nothing and would only keep the process.
    """
    stream, sys.stdout = sys.stdout.buffer, sys.stderr
    session = make_session(tools)
    session.server.start_io(sys.stdin.buffer, stream)
    sys.stderr.flush()
    os._exit(0 if session.ended else 1)
