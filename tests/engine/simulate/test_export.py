"""What is read of ``job.py`` and done to the exported job before it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.job import job_spec_from, render
from engine.result import UserError
from engine.simulate.export import environment_without, job_defaults, sites_of, watch
from engine.simulate.preparation import prepare
from tests.engine.simulate.conftest import Convert

pytest.importorskip("nvflare")


def test_what_the_user_has_edited_in_the_job_counts(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    job = directory / "job.py"
    job.write_text(job.read_text().replace('"--rounds", type=int, default=3', '"--rounds", type=int, default=11'))
    assert job_defaults(job) == {"clients": 2, "rounds": 11, "local-epochs": 1}
    prepared = prepare(directory, None, 3, None, tmp_path / "workspace", False, ())
    assert (prepared.spec.num_rounds, prepared.spec.num_clients) == (11, 3)
    assert prepared.sites == ("site-1", "site-2", "site-3")
    server = json.loads((prepared.job / "app" / "config" / "config_fed_server.json").read_text())
    assert server["workflows"][0]["args"]["num_rounds"] == 11


def test_the_server_is_watched_without_a_change_of_the_training(tmp_path: Path) -> None:
    config = tmp_path / "app" / "config" / "config_fed_server.json"
    config.parent.mkdir(parents=True)
    before = {"workflows": [{"args": {"num_rounds": 2}}], "task_data_filters": [], "task_result_filters": []}
    config.write_text(json.dumps(before))
    site = tmp_path / "app_hospital" / "config" / "config_fed_client.json"
    site.parent.mkdir(parents=True)
    site.write_text(json.dumps({"executors": ["as before"], "components": []}))
    watch(tmp_path, tmp_path / "workspace", keep_updates=False)
    assert json.loads(site.read_text())["executors"] == ["as before"]
    assert (tmp_path / "app_hospital" / "custom" / "flare_observer.py").is_file()
    after = json.loads(config.read_text())
    assert after["workflows"] == before["workflows"]
    names = {
        name for key in ("task_data_filters", "task_result_filters") for each in after[key] for name in each["tasks"]
    }
    assert names == {"train", "validate"}
    assert (tmp_path / "app" / "custom" / "flare_observer.py").is_file()


@pytest.mark.parametrize(
    ("deployed", "sites"),
    [
        ({"app": ["@ALL"]}, ["site-1", "site-2"]),
        ({"app_server": ["server"], "app_b": ["b"], "app_a": ["a"]}, ["a", "b"]),
    ],
)
def test_sites_are_those_the_job_was_written_for(
    deployed: dict[str, list[str]], sites: list[str], tmp_path: Path
) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"deploy_map": deployed}))
    assert sites_of(tmp_path, 2) == sites


def test_the_project_cannot_be_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "project" / "lib", tmp_path / "elsewhere"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (inside, outside))))
    assert environment_without(tmp_path / "project")["PYTHONPATH"] == str(outside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        (b"def (", "job.py:1 is not valid Python"),
        (b"\xff\xfe", "job.py:. is not valid Python"),
        (b"\0", "job.py.* is not valid Python"),
    ],
)
def test_a_job_that_cannot_be_read_is_refused(
    text: bytes | None, message: str, convert: Convert, tmp_path: Path
) -> None:
    directory = convert()
    (directory / "job.py").unlink()
    if text is not None:
        (directory / "job.py").write_bytes(text)
    with pytest.raises(UserError, match=message):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


def test_a_job_that_fails_says_why(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    with pytest.raises(UserError, match="unrecognized arguments: --no-such"):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ("--no-such",))


def test_what_flare_refuses_is_told_in_one_line(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    (directory / "mine.py").write_text("class Mean: ...\n")
    (directory / "job.py").write_text(render(job_spec_from(directory, aggregator="mine:Mean")))
    with pytest.raises(UserError, match="cannot be exported: .*Error: .* aggregator Input should be an") as told:
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())
    assert "further information" not in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "message"), [("with space", "has a space"), ("full", "is not empty")])
def test_a_workspace_that_cannot_be_used_is_refused(name: str, message: str, convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match=message):
        prepare(convert(), None, None, None, tmp_path / name, False, ())
