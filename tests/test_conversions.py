"""The training projects under ``fixtures/``: what they become, that it is the same training, and that it runs.

Their expected folders are what ``python -m codemods apply fixtures/NAME/source/train.py --out fixtures/NAME/expected``
writes, read by a person.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import OK
from tests.conftest import FIXTURES, snapshot

PROJECTS = ("digits", "breast_cancer", "diabetes", "numpy_breast_cancer")


def converted(name: str, folder: Path) -> Path:
    """A copy of a project, converted; its new folder."""
    shutil.copytree(FIXTURES / name / "source", folder / "source")
    target = folder / "expected"
    arguments = ["apply", str(folder / "source" / "train.py"), "--out", str(target)]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    return target


def below(folder: Path) -> dict[str, str]:
    """The files below a folder and what they hold."""
    return {path.relative_to(folder).as_posix(): content.decode() for path, content in snapshot(folder).items()}


@pytest.mark.parametrize("name", PROJECTS)
def test_the_conversion_is_the_one_that_was_read(tmp_path: Path, name: str) -> None:
    assert below(converted(name, tmp_path)) == below(FIXTURES / name / "expected")


@pytest.mark.parametrize("name", PROJECTS)
def test_one_site_trains_what_the_script_trains_to_the_last_bit(tmp_path: Path, name: str) -> None:
    """Both run in processes of their own; P1 compares the weights that one site sends after one round."""
    pytest.importorskip("nvflare")
    from engine.verify import Settings, verify
    from engine.verify.report import Outcome

    report = verify(converted(name, tmp_path), Settings(sites=(), time_limit=120))
    assert [check for check in report.checks if check.outcome is not Outcome.HOLDS] == []
    assert {"P1", "P2", "P3", "P5", "P6"} <= {check.proof for check in report.checks}


@pytest.mark.simulator
def test_the_global_model_is_the_mean_of_what_the_sites_sent(tmp_path: Path) -> None:
    """FLARE's simulator runs the exported job of arrays; the mean is weighted by the optimizer steps of the sites."""
    torch = pytest.importorskip("torch")
    from engine.simulate import simulate
    from engine.simulate.artifacts import load_parameters

    directory = converted("numpy_breast_cancer", tmp_path)
    workspace = tmp_path / "workspace"
    result = simulate(directory, 2, 2, 1, time_limit=240, workspace=workspace, keep_updates=True)
    assert result.failures == ()
    steps = {update.site: update.steps for update in result.updates if update.round == 1}
    assert set(steps) == {"site-1", "site-2"}
    sent = {site: torch.load(workspace / "updates" / "round-1" / f"{site}.pt") for site in steps}
    model = load_parameters(result.global_model)
    assert model.keys() == sent["site-1"].keys()
    for key, value in model.items():
        mean = sum(steps[site] * sent[site][key].double() for site in steps) / sum(steps.values())
        assert torch.allclose(torch.as_tensor(value).double(), mean, rtol=0, atol=1e-6), key
