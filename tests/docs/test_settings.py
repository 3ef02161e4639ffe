"""The settings of editors, hooks and workflows on the pages are read by those who they are for."""

from __future__ import annotations

import json
import re
import sys

import click

from codemods.__main__ import main
from engine.lsp.session import FIX_ALL
from tests.docs.pages import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SERVER = ["flare-codemods", "lsp"]


def block(page: str, language: str) -> str:
    """The one block of a language on a page."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def test_the_command_of_the_settings_is_one() -> None:
    assert main.get_command(click.Context(main), SERVER[1]) is not None
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert SERVER[0] in scripts


def test_settings_of_vs_code() -> None:
    settings = json.loads(block("editors.md", "json"))
    assert [settings["glspc.server.command"], *settings["glspc.server.commandArguments"]] == SERVER
    assert settings["glspc.server.languageId"] == ["python"]
    assert settings["[python]"]["editor.codeActionsOnSave"].keys() == {FIX_ALL}


def test_settings_of_neovim() -> None:
    (command,) = re.findall(r"cmd = \{ (.*) \}", block("editors.md", "lua"))
    assert json.loads(f"[{command}]") == SERVER


def test_settings_of_helix() -> None:
    settings = tomllib.loads(block("editors.md", "toml"))
    (language,) = settings["language"]
    server = settings["language-server"][language["language-servers"][-1]]
    assert [server["command"], *server["args"]] == SERVER


def test_settings_of_pycharm() -> None:
    assert f"| Command | `{' '.join(SERVER)}` |" in (ROOT / "docs/how-to/editors.md").read_text()
