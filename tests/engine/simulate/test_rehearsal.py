"""The start of every site, before anything is trained: what data it gets, and whether its model is the server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.job import job_spec_from, render
from engine.job.settings import component
from engine.result import UserError
from engine.simulate.preparation import prepare
from engine.simulate.preview import SiteData, preview, render_preview
from engine.simulate.rehearsal import difference
from tests.engine.simulate.conftest import Convert

torch = pytest.importorskip("torch")
pytest.importorskip("nvflare")

LOAD = "        model.load_state_dict(input_model.params)\n"


def test_the_preview_counts_what_each_site_would_train_on(convert: Convert) -> None:
    directory = convert("        raise RuntimeError('it trains')\n")
    first, second, third = preview(directory, clients=3)
    assert [each.site for each in (first, second, third)] == ["site-1", "site-2", "site-3"]
    assert first.samples > second.samples > third.samples  # as the site_data of this client has it
    assert sum(first.labels.values()) == first.samples
    assert sorted(first.labels, key=int) == [str(digit) for digit in range(10)]


def test_a_preview_in_words() -> None:
    sites = [SiteData("site-1", 5, {"10": 3, "2": 2}), SiteData("site-2", 3, {"2": 3})]
    assert render_preview(sites) == "  site  samples  2  10\nsite-1        5  2   3\nsite-2        3  3   0\n"
    unknown = [SiteData("a", 7, None)]
    assert render_preview(unknown) == "site  samples\n   a        7\n"
    many = [SiteData("a", 30, {str(label): 1 for label in range(30)})]
    assert render_preview(many) == "site  samples  labels\n   a       30      30\n"


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ("    raise LookupError('no files')\n", "the data of site-1 is not known: LookupError: no files"),
        ("    site_data.part = lambda data: data\n", "does not pass through site_data.part"),
    ],
)
def test_a_preview_that_cannot_be_made_says_why(planted: str, message: str, convert: Convert) -> None:
    directory = convert(planted, before="    site_data.partitions = args.partitions\n")
    with pytest.raises(UserError, match=message):
        preview(directory)


@pytest.mark.parametrize("recipe", ["fedavg-pt", "fedopt-pt", "cyclic-pt", "swarm-pt"])
def test_a_client_with_another_model_is_told_before_anything_runs(
    convert: Convert, tmp_path: Path, recipe: str
) -> None:
    directory = convert()
    text = render(job_spec_from(directory, recipe=recipe))
    (directory / "job.py").write_text(text.replace('"hidden": 16', '"hidden": 8'))
    message = r"the models differ: \S+ is of shape \(8, 64\) on the server and of shape \(16, 64\) at site-1; \d more"
    with pytest.raises(UserError, match=message):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


def test_the_model_of_the_server_of_fedopt_is_found(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    (directory / "job.py").write_text(render(job_spec_from(directory, recipe="fedopt-pt")))
    assert not prepare(directory, None, None, None, tmp_path / "workspace", False, ()).rehearsed["site-1"].get("model")


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        ({"a": (2,), "b": ()}, {"b": (), "a": (2,)}, ""),
        ({"a": (2,)}, {"a": (3,)}, "the models differ: a is of shape (2,) here and of shape (3,) there"),
        ({}, {"a": (3,)}, "the models differ: a is missing here and of shape (3,) there"),
        ({"b": (1,)}, {"a": (1,)}, "the models differ: b is of shape (1,) here and missing there; 1 more differ"),
    ],
)
def test_the_first_difference_of_two_models(ours: dict, theirs: dict, text: str) -> None:
    assert difference(ours, theirs, "here", "there") == text


def test_a_checkpoint_of_another_model_is_told(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    torch.save({"model": {"other.weight": torch.zeros(2)}}, directory / "initial.pt")
    (directory / "job.py").write_text(render(job_spec_from(directory, initial_ckpt="initial.pt")))
    with pytest.raises(UserError, match="in model.Net on the server and missing in initial.pt; "):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


def test_a_checkpoint_that_holds_no_weights_is_told(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    (directory / "initial.pt").write_text("epoch 1: loss 0.5\n")
    (directory / "job.py").write_text(render(job_spec_from(directory, initial_ckpt="initial.pt")))
    with pytest.raises(UserError, match="initial.pt is no file of weights that torch.load reads: "):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


def test_a_server_that_cannot_build_its_model_is_told(convert: Convert, tmp_path: Path) -> None:
    directory = convert()
    (directory / "job.py").write_text(render(job_spec_from(directory)).replace('"hidden": 16', '"depth": 16'))
    with pytest.raises(UserError, match=r"the server cannot build its model model.Net: .*'depth'"):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


@pytest.mark.parametrize("optimizer", ["torch.optim.Adamm:lr=0.1", "torch.optim.SGD:rate=0.1"])
def test_an_optimizer_that_the_server_cannot_build_is_told(convert: Convert, tmp_path: Path, optimizer: str) -> None:
    directory = convert()
    spec = job_spec_from(directory, recipe="fedopt-pt", optimizer_args=component(optimizer))
    (directory / "job.py").write_text(render(spec))
    with pytest.raises(UserError, match=f"the server cannot build its optimizer {optimizer.partition(':')[0]}: "):
        prepare(directory, None, None, None, tmp_path / "workspace", False, ())


def test_any_other_mistake_of_the_client_is_left_to_the_run(convert: Convert, tmp_path: Path) -> None:
    directory = convert("        raise ValueError('boom')\n", before=LOAD)
    prepared = prepare(directory, None, None, None, tmp_path / "workspace", False, ())
    assert prepared.rehearsed["site-1"]["error"] == "ValueError: boom"
