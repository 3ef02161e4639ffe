"""A site can have a file of settings of its own, where an option of the script names the file."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, OK


def job(directory: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["job", str(directory), *options], catch_exceptions=False)


def given(script: str, **options: object) -> list[str]:
    """What job.py tells the client, for some values of its options."""
    import argparse
    import shlex

    tree = ast.parse(script)
    function = next(node for node in tree.body if getattr(node, "name", "") == "client_args")
    names: dict[str, object] = {"shlex": shlex}
    exec(compile(ast.Module([function], []), "job.py", "exec"), names)
    return shlex.split(names["client_args"](argparse.Namespace(**options)))  # type: ignore[operator]


@pytest.fixture
def directory(project: Callable[[str], Path], tmp_path: Path) -> Path:
    arguments = ["apply", str(project("patterns/config_yaml")), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    return tmp_path / "out"


def test_only_a_site_with_a_file_of_its_own_is_told_of_one(directory: Path) -> None:
    assert job(directory, "--site", "a:config=/etc/site a.yaml", "--site", "b").exit_code == OK
    script = (directory / "job.py").read_text()
    assert '"a": {"config": "/etc/site a.yaml"}' in script
    assert given(script, config="/etc/site a.yaml") == ["--config=/etc/site a.yaml"]
    assert given(script) == []


def test_a_job_without_such_sites_does_not_name_it(directory: Path) -> None:
    assert "--config" not in (directory / "job.py").read_text()


def test_a_file_beside_the_script_is_found_from_the_job(directory: Path) -> None:
    assert job(directory, "--site", "a:config=other.yaml").exit_code == OK
    script = (directory / "job.py").read_text()
    assert 'str(SOURCE / "other.yaml")' in script and "SOURCE =" in script


def test_other_options_are_no_settings_of_a_site(directory: Path) -> None:
    result = job(directory, "--site", "a:seed=3")
    assert result.exit_code == ERROR and "site a sets seed; it can set config" in result.output
