"""The conversion of the script that an editor shows: one edit, or why there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lsprotocol import types

from tests.engine.lsp.editor import CONVERT, LOAD, ROOT, TRAINING, Editor, path_of

GAN = """\
import torch

for fold in range(5):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).mean().backward()
        optimizer.step()
"""


pytestmark = pytest.mark.asyncio(loop_scope="module")


def applied(path: Path, out: Path) -> dict[str, str]:
    """What ``apply`` writes."""
    command = [sys.executable, "-m", "codemods", "apply", str(path), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {file.name: file.read_text() for file in out.iterdir()}


async def test_a_script_becomes_a_job_by_one_edit_that_is_shown_first(editor: Editor, tmp_path: Path) -> None:
    tmp_path = tmp_path / "my project é😀"
    tmp_path.mkdir()
    path = editor.open(tmp_path / "train.py", TRAINING)
    await editor.convert(path)
    (asked,) = editor.asked
    (annotation,) = asked.edit.change_annotations.values()
    assert annotation.needs_confirmation
    assert annotation.description.startswith("what apply would write; decided: metrics: no metrics are sent: ")
    created = [each for each in asked.edit.document_changes if isinstance(each, types.CreateFile)]
    names = {"client.py", "model.py", "job.py", "conversion.json", "requirements.txt"}
    assert {path_of(each.uri).name for each in created} == names
    ids = {each.annotation_id for each in created}
    ids |= {edit.annotation_id for each in asked.edit.document_changes if each not in created for edit in each.edits}
    assert ids == set(asked.edit.change_annotations)
    made = {file.name: text for file, text in editor.texts.items() if file.parent == tmp_path / "federated"}
    assert not (tmp_path / "federated").exists()
    wanted = applied(path, tmp_path / "federated")
    assert made == wanted
    assert "train.py is now a federated job" in editor.said()
    assert "\ndecided: metrics: no metrics are sent: " in editor.said()


async def test_a_script_that_is_not_on_disk_is_to_be_saved_first(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    path.unlink()
    await editor.convert(path)
    assert not editor.asked
    assert "train.py is not on disk; save it there and convert it again" in editor.said()


async def test_a_job_is_brought_up_to_date_by_small_edits(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    await editor.convert(path)
    assert editor.asked == []
    assert editor.said() == "The job is up to date with train.py."
    editor.type(path, TRAINING.replace("lr=0.1", "lr=0.25"))
    await editor.convert(path)
    (asked,) = editor.asked
    changes = {path_of(each.text_document.uri).name: each.edits for each in asked.edit.document_changes}
    assert changes.keys() == {"client.py", "conversion.json"}
    assert [each.new_text for each in changes["client.py"]] == ["25"]
    editor.save(path)
    assert editor.texts[tmp_path / "federated/client.py"] == applied(path, tmp_path / "again")["client.py"]


async def test_a_refusal_says_the_rule_the_line_and_the_remedy(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", GAN)
    await editor.convert(path)
    assert editor.asked == []
    assert editor.said().startswith("train.py is not converted.\ntrain.py:3: FLR109 SeveralRuns: ")
    assert "Remedy: " in editor.said()


async def test_files_of_the_users_own_are_kept(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    client = tmp_path / "federated" / "client.py"
    client.write_text(f"# mine\n{client.read_text()}")
    await editor.convert(path)
    assert editor.asked == []
    assert "client.py was edited since it was written and is kept" in editor.said()


async def test_an_edit_that_the_editor_does_not_make_is_told(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    editor.accepts = False
    await editor.convert(path)
    assert editor.said() == "train.py was not converted: the edit was not applied."
    assert list(tmp_path.iterdir()) == [path]


async def test_what_is_no_training_script_is_not_offered_to_be_converted(editor: Editor, tmp_path: Path) -> None:
    path = editor.open(tmp_path / "train.py", TRAINING)
    applied(path, tmp_path / "federated")
    client = editor.open(tmp_path / "federated" / "client.py", (tmp_path / "federated/client.py").read_text())
    load = editor.open(tmp_path / "load.py", LOAD)
    assert CONVERT in await editor.actions(path)
    assert CONVERT not in await editor.actions(client)
    assert CONVERT not in await editor.actions(load)


async def test_nothing_of_the_users_code_runs(editor: Editor, tmp_path: Path) -> None:
    evil = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (tmp_path / "helper.py").write_text(evil)
    (tmp_path / "conftest.py").write_text(evil)
    path = editor.open(tmp_path / "train.py", f"import helper\n{evil}{TRAINING}")
    await editor.diagnostics(path)
    await editor.convert(path)
    assert editor.asked
    assert not (tmp_path / "ran").exists()
