"""A job and its client do the same algorithm, or there is no job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codemods.__main__ import main
from codemods.commands import ERROR, OK
from engine.job.recipes import RECIPES
from tests.conftest import FIXTURES

SCRIPT = FIXTURES / "digits" / "source" / "train.py"
CLIENT_STEPS = {
    "fedprox-pt": ("proximal_term.py", "FedProxRecipe"),
    "scaffold-pt": ("scaffold_controls.py", "ScaffoldRecipe"),
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("recipe", CLIENT_STEPS)
def test_the_client_the_job_and_the_record_agree(tmp_path: Path, recipe: str) -> None:
    helper, class_name = CLIENT_STEPS[recipe]
    assert run("apply", SCRIPT, "--recipe", recipe, "--out", tmp_path / "job").exit_code == OK
    assert json.loads((tmp_path / "job" / "conversion.json").read_text())["recipe"] == recipe
    text = (tmp_path / "job" / "job.py").read_text()
    assert f"recipe = {class_name}(" in text and helper in text
    assert helper.removesuffix(".py") in (tmp_path / "job" / "client.py").read_text()


@pytest.mark.parametrize(
    ("client", "job"),
    [
        ("fedavg-pt", "fedprox-pt"),
        ("fedavg-pt", "scaffold-pt"),
        ("fedprox-pt", "fedavg-pt"),
        ("fedprox-pt", "cyclic-pt"),
        ("scaffold-pt", "fedprox-pt"),
    ],
)
def test_a_job_of_an_algorithm_that_its_client_does_not_do_is_an_error(tmp_path: Path, client: str, job: str) -> None:
    assert run("apply", SCRIPT, "--recipe", client, "--out", tmp_path / "job").exit_code == OK
    before = (tmp_path / "job" / "job.py").read_bytes()
    result = run("job", tmp_path / "job", "--recipe", job)
    assert result.exit_code == ERROR
    assert f"`python -m codemods apply train.py --recipe {job}`" in result.output
    assert (tmp_path / "job" / "job.py").read_bytes() == before


def test_recipes_that_ask_nothing_of_the_client_are_changed_in_place(tmp_path: Path) -> None:
    assert run("apply", SCRIPT, "--out", tmp_path / "job").exit_code == OK
    assert run("job", tmp_path / "job", "--recipe", "cyclic-pt").exit_code == OK
    assert "recipe = CyclicRecipe(" in (tmp_path / "job" / "job.py").read_text()


@pytest.mark.parametrize("recipe", CLIENT_STEPS)
def test_the_step_an_algorithm_asks_for_cannot_be_left_out(tmp_path: Path, recipe: str) -> None:
    step = RECIPES[recipe].client_step
    for option in (("--skip", step), ("--only", "count_steps")):
        result = run("apply", SCRIPT, "--recipe", recipe, *option, "--out", tmp_path / "job")
        assert result.exit_code == ERROR
        assert f"{recipe} needs {step}" in result.output
    assert not (tmp_path / "job").exists()


def test_mu_reaches_the_job_and_only_fedprox_takes_it(tmp_path: Path) -> None:
    mu = ("--fedprox-mu", "0.5")
    assert run("apply", SCRIPT, "--recipe", "fedprox-pt", *mu, "--out", tmp_path / "job").exit_code == OK
    assert "fedprox_mu=0.5," in (tmp_path / "job" / "job.py").read_text()
    assert run("job", tmp_path / "job", "--fedprox-mu", "0.25").exit_code == OK
    assert "fedprox_mu=0.25," in (tmp_path / "job" / "job.py").read_text()
    result = run("apply", SCRIPT, *mu, "--out", tmp_path / "other")
    assert result.exit_code == ERROR and "fedprox_mu" in result.output


@pytest.mark.parametrize(
    ("fixture", "recipe"), [("numpy_breast_cancer", "fedprox-pt"), ("numpy_breast_cancer", "cyclic-pt"),
                            ("numpy_breast_cancer", "fedavg-pt"), ("diabetes", "fedavg-numpy")],
)  # fmt: skip
def test_a_recipe_of_another_framework_is_an_error(tmp_path: Path, fixture: str, recipe: str) -> None:
    script = FIXTURES / fixture / "source" / "train.py"
    result = run("apply", script, "--recipe", recipe, "--out", tmp_path / "job")
    assert result.exit_code == ERROR and f"{recipe} is not for what this script trains" in result.output
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("recipe", ["fedavg-he-pt", "fedavg-dp", "no-such-pt"])
def test_recipes_that_cannot_be_are_refused_by_name(tmp_path: Path, recipe: str) -> None:
    result = run("apply", SCRIPT, "--recipe", recipe, "--out", tmp_path / "job")
    assert result.exit_code == ERROR and recipe in result.output
    assert not (tmp_path / "job").exists()
