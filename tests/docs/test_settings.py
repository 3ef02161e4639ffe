"""The settings of editors, hooks and workflows on the pages are what those read who they are for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import click
import jsonschema
import yaml

from codemods.__main__ import main
from engine.lsp.session import FIX_ALL
from tests.docs.pages import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SERVER = ["flare-codemods", "lsp"]


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a language on a page."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_command_of_the_settings_is_one() -> None:
    assert main.get_command(click.Context(main), SERVER[1]) is not None
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert SERVER[0] in scripts


def test_settings_of_vs_code() -> None:
    settings = json.loads(*blocks("editors.md", "json"))
    assert [settings["glspc.server.command"], *settings["glspc.server.commandArguments"]] == SERVER
    assert settings["glspc.server.languageId"] == ["python"]
    assert settings["[python]"]["editor.codeActionsOnSave"].keys() == {FIX_ALL}


def test_settings_of_neovim() -> None:
    (command,) = re.findall(r"cmd = \{ (.*) \}", "".join(blocks("editors.md", "lua")))
    assert json.loads(f"[{command}]") == SERVER


def test_settings_of_helix() -> None:
    settings = tomllib.loads(*blocks("editors.md", "toml"))
    (language,) = settings["language"]
    server = settings["language-server"][language["language-servers"][-1]]
    assert [server["command"], *server["args"]] == SERVER


def test_settings_of_pycharm() -> None:
    assert f"| Command | `{' '.join(SERVER)}` |" in (ROOT / "docs/how-to/editors.md").read_text()


def test_hooks(tmp_path: Path) -> None:
    text, _ = blocks("ci.md", "yaml")
    path = tmp_path / ".pre-commit-config.yaml"
    path.write_text(text)
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", str(path)], check=True, timeout=60)
    (repository,) = yaml.safe_load(text)["repos"]
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    page = (ROOT / "docs/how-to/ci.md").read_text()
    assert {hook["id"] for hook in repository["hooks"]} <= known
    assert {name for name in known if f"| `{name}` |" in page} == known


def test_workflow_of_github() -> None:
    workflow = yaml.load(blocks("ci.md", "yaml")[1], yaml.BaseLoader)  # `on` stays what it is
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "github-workflows.json"
    jsonschema.validate(workflow, json.loads(schema.read_text()))
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    _, step = workflow["jobs"]["lint"]["steps"]
    assert step["with"].keys() <= action["inputs"].keys()
    _, table = (ROOT / "docs/how-to/ci.md").read_text().split("| input |")
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]*)\|", table, re.MULTILINE)
    documented = {name: default.strip("` ") for name, default in rows}
    assert documented == {name: each["default"] for name, each in action["inputs"].items()}
