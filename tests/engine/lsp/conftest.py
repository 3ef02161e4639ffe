"""An editor that speaks to the language server over standard input and output: one server a test file."""

from __future__ import annotations

import sys

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from tests.engine.lsp.editor import ROOT, Editor

COMMAND = [sys.executable, "-m", "codemods", "lsp"]
PREVIEW = types.ChangeAnnotationsSupportOptions(groups_on_label=True)


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
