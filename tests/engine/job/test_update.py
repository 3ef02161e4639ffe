"""Changing the job of a converted folder that the user may have edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.job import render, update_job
from engine.job.spec import job_spec
from engine.job.update import merge
from engine.result import UserError
from tests.engine.job.test_render import conversion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A converted folder as ``apply`` leaves it."""
    (tmp_path / "conversion.json").write_text(json.dumps(conversion()))
    write(tmp_path, update_job(tmp_path, force=True))
    return tmp_path


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_what_is_asked_for_changes_and_what_was_chosen_before_stays(folder: Path) -> None:
    write(folder, update_job(folder, num_rounds=9))
    write(folder, update_job(folder, num_clients=4))
    expected = render(job_spec(conversion(), num_rounds=9, num_clients=4))
    assert (folder / "job.py").read_text() == expected


def test_a_second_run_changes_nothing(folder: Path) -> None:
    write(folder, update_job(folder, num_rounds=9))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write(folder, update_job(folder, num_rounds=9))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_edits_elsewhere_are_kept(folder: Path) -> None:
    job = folder / "job.py"
    job.write_text(job.read_text().replace("    recipe = ", "    print('mine')\n    recipe = ") + "# my last line\n")
    write(folder, update_job(folder, num_rounds=9))
    text = job.read_text()
    assert "print('mine')" in text and text.endswith("# my last line\n")
    assert '"--rounds", type=int, default=9' in text
    write(folder, update_job(folder, num_clients=5))
    assert "print('mine')" in job.read_text() and "default=5" in job.read_text()


def test_an_edit_in_the_way_is_reported_with_its_line_and_given_up_only_by_force(folder: Path) -> None:
    job = folder / "job.py"
    edited = job.read_text().replace('"--rounds", type=int, default=3', '"--rounds", type=int, default=77')
    job.write_text(edited)
    line = next(number for number, text in enumerate(edited.splitlines(), 1) if "default=77" in text)
    with pytest.raises(UserError, match=f"job.py:{line}: "):
        update_job(folder, num_rounds=9)
    assert b"default=9" in update_job(folder, force=True, num_rounds=9)["job.py"]


def test_a_job_that_is_no_text_is_given_up_only_by_force(folder: Path) -> None:
    (folder / "job.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="job.py is not UTF-8 text: --force"):
        update_job(folder, num_rounds=9)
    assert b"default=9" in update_job(folder, force=True, num_rounds=9)["job.py"]


def test_wherever_the_user_writes_the_edit_stays_and_what_is_asked_for_comes_or_it_is_told(folder: Path) -> None:
    job, marked = folder / "job.py", 0
    lines = job.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        for edit in (line.rstrip("\n") + "  # mine\n", "# mine\n", "# mine\n" + line, line + "# mine\n"):
            job.write_text("".join([*lines[:number], edit, *lines[number + 1 :]]))
            try:
                text = update_job(folder, num_rounds=9, stop_cond="accuracy >= 0.5")["job.py"].decode()
            except UserError as error:
                assert "job.py:" in str(error)
                continue
            marked += 1
            assert text.count("# mine") == 1
            assert '"--rounds", type=int, default=9' in text and 'stop_cond="accuracy >= 0.5",' in text
            expected = render(job_spec(conversion(), num_rounds=9, stop_cond="accuracy >= 0.5"))
            changed = [each for each in text.splitlines(keepends=True) if "# mine" not in each]
            assert not set(changed) - set(expected.splitlines(keepends=True))
    assert marked > 3 * len(lines)


def test_what_was_chosen_before_is_taken_back(folder: Path) -> None:
    write(folder, update_job(folder, partition="dirichlet", alpha=0.1, site_weights=[2, 1], num_rounds=9))
    with pytest.raises(UserError, match="leave out partition"):
        update_job(folder, sites={"hospital-a": {}})
    write(folder, update_job(folder, without=["partition"], sites={"hospital-a": {}}))
    assert '"hospital-a"' in (folder / "job.py").read_text()
    with pytest.raises(UserError, match="the sites of this job are named, hospital-a: leave out --clients"):
        update_job(folder, num_clients=3)
    write(folder, update_job(folder, without=["--site"]))
    assert (folder / "job.py").read_text() == render(job_spec(conversion(), num_rounds=9))
    with pytest.raises(UserError, match="takes one of partition, alpha"):
        update_job(folder, without=["nothing"])


def test_an_aggregator_has_to_be_there(folder: Path) -> None:
    with pytest.raises(UserError, match="mine.py does not exist: put the module of the aggregator there"):
        update_job(folder, aggregator="mine:Median")
    (folder / "mine.py").write_text("class Mean: ...\n")
    with pytest.raises(UserError, match="mine.py has no class Median"):
        update_job(folder, aggregator="mine:Median")
    assert b"from mine import Mean" in update_job(folder, aggregator="mine:Mean")["job.py"]
    (folder / "mine.py").write_text("from mean import Mean as Median\n")
    assert b"from mine import Median" in update_job(folder, aggregator="mine:Median")["job.py"]
    (folder / "mine.py").write_text("class Median(:\n")
    with pytest.raises(UserError, match="mine.py is not valid Python"):
        update_job(folder, aggregator="mine:Median")


@pytest.mark.parametrize(
    ("current", "merged"),
    [("a\nb\nc\n", "a\nB\nc\n"), ("0\na\nb\nc\n", "0\na\nB\nc\n"), ("a\nb\nc\nd\n", "a\nB\nc\nd\n"), ("b\n", "B\n")],
)
def test_merge_finds_the_place_of_a_change(current: str, merged: str) -> None:
    assert merge("a\nb\nc\n", current, "a\nB\nc\n") == merged
