"""Several processes per site, started by torchrun: what they train, and that nothing of them is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from codemods.__main__ import main
from codemods.commands import OK, REFUSED
from engine.simulate import Simulation, simulate
from engine.simulate.artifacts import load_parameters
from tests.conftest import FIXTURES

torch = pytest.importorskip("torch")
pytest.importorskip("nvflare")
pytestmark = pytest.mark.timeout(700)  # several starts of the simulator, each with processes of its own

SOURCE = FIXTURES / "ddp_gloo" / "source"
TORCHRUN = "torchrun --standalone --nproc_per_node=2"
ARGUMENTS = ("--arg", "1", "--arg", "1")  # total_epochs save_every


def converted(folder: Path, *options: str) -> Path:
    """The converted fixture, whose job starts from given weights."""
    shutil.copytree(SOURCE, folder / "source")
    arguments = ["apply", str(folder / "source" / "train.py"), "--out", str(folder / "federated"), *options]
    result = CliRunner().invoke(main, [*arguments, *ARGUMENTS], catch_exceptions=False)
    assert result.exit_code == OK, result.output
    generator = torch.Generator().manual_seed(0)
    sizes = {"hidden.weight": (32, 64), "hidden.bias": (32,), "output.weight": (10, 32), "output.bias": (10,)}
    state = {name: 0.1 * torch.randn(size, generator=generator) for name, size in sizes.items()}
    torch.save(state, folder / "federated" / "initial.pt")
    arguments = ["job", str(folder / "federated"), "--initial-ckpt", str(folder / "federated" / "initial.pt")]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == OK
    return folder / "federated"


def run(directory: Path, clients: int = 1, **settings: object) -> Simulation:
    return simulate(directory, rounds=2, clients=clients, time_limit=300, **settings)


@pytest.mark.simulator
@pytest.mark.parametrize(
    ("recipe", "clients", "steps"), [("fedavg-pt", 1, 23), ("fedprox-pt", 1, 23), ("scaffold-pt", 2, 12)]
)
def test_two_processes_per_site_train_what_one_trains_with_the_same_total_batch(
    tmp_path: Path, recipe: str, clients: int, steps: int
) -> None:
    """The fixture's batch is that of all processes together, so the mean of their gradients is that of one.

    SCAFFOLD has two sites: with one, the global control is the site's own and corrects nothing.
    """
    options = ["--recipe", recipe]
    several = converted(tmp_path / "several", *options, "--launch", TORCHRUN)
    several = run(several, clients, workspace=tmp_path / "of-several")
    alone = run(converted(tmp_path / "alone", *options), clients, workspace=tmp_path / "of-one")
    assert several.failures == alone.failures == ()
    assert [update.steps for update in (*several.updates, *alone.updates)] == [steps] * 4 * clients
    expected = load_parameters(alone.global_model)
    initial = torch.load(tmp_path / "alone" / "federated" / "initial.pt")
    for name, value in load_parameters(several.global_model).items():
        torch.testing.assert_close(torch.as_tensor(value), torch.as_tensor(expected[name]), rtol=0, atol=1e-5)
        assert not torch.equal(torch.as_tensor(value), initial[name])


@pytest.mark.simulator
def test_nothing_is_left_of_processes_that_hang(tmp_path: Path) -> None:
    directory = converted(tmp_path, "--launch", TORCHRUN)
    client = directory / "client.py"
    hang = "            if self.rank == 1:\n                __import__('time').sleep(1000)\n            steps.clear()\n"
    assert client.read_text().count("            steps.clear()\n") == 1
    client.write_text(client.read_text().replace("            steps.clear()\n", hang))
    workspace = tmp_path / "workspace"
    result = simulate(directory, rounds=1, clients=1, time_limit=60, workspace=workspace)
    assert [failure.message for failure in result.failures] != []
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if str(workspace) in line] == []


def test_a_script_with_positional_arguments_is_given_them(tmp_path: Path) -> None:
    arguments = ["apply", str(SOURCE / "train.py"), "--out", str(tmp_path)]
    asked = CliRunner().invoke(main, [*arguments, "--arg", "4"])
    assert asked.exit_code == REFUSED
    assert "the script does not start without save_every" in asked.output
    assert "total_epochs" not in asked.output.replace('"total_epochs"', "")
