"""Named sites from the command line and from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.job import named_sites
from engine.result import UserError


def test_sites_of_a_file_with_values_replaced_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text('[hospital-a]\ndata-dir = "/data/a"\nlocal_epochs = 2\n[hospital-b]\n')
    options = ["hospital-a:data_dir=/other:a=b", "hospital-c:local-epochs=3", "hospital-d"]
    assert named_sites(options, file) == {
        "hospital-a": {"data_dir": "/other:a=b", "local_epochs": 2},
        "hospital-b": {},
        "hospital-c": {"local_epochs": 3},
        "hospital-d": {},
    }


@pytest.mark.parametrize("option", ["", ":a=b", "site:key", "site:=value"])
def test_an_option_that_says_nothing_is_refused(option: str) -> None:
    with pytest.raises(UserError, match="NAME:KEY=VALUE"):
        named_sites([option])


@pytest.mark.parametrize(
    ("text", "message"),
    [("[a", "not valid TOML"), ("a = 1\n", "a in .* is not a table"), ("[a]\nrate = 0.5\n", "whole numbers")],
)
def test_a_file_that_is_no_table_of_sites_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        named_sites(file=file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        named_sites(file=tmp_path / "sites.toml")
