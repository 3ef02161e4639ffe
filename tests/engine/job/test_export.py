"""``job.py --export``: what NVFLARE packs, from whatever folder it is started."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine.job import job_spec_from, render

pytest.importorskip("nvflare")

CONVERSION = {
    "schema_version": 1,
    "source": {"root": "..", "entry": "train.py"},
    "model": {"class_path": "nets.small.Net", "args": {"hidden": 4}},
    "metric": {"name": "loss", "direction": "min"},
    "arguments": {
        "epochs": {"option": "--epochs", "default": 2},
        "partitions": {"option": "--partitions"},
        "data": [{"option": "--data", "default": "data/my set", "kind": "directory"}],
    },
}
NET = """\
from nets.parts import block
from torch import nn


class Net(nn.Linear):
    def __init__(self, hidden, bias=True):
        super().__init__(hidden * 2, 1)
"""
AGGREGATION = """\
from nvflare.app_common.aggregators.model_aggregator import ModelAggregator


class Last(ModelAggregator):
    def accept_model(self, model):
        self.model = model

    def aggregate_model(self):
        return self.model

    def reset_stats(self):
        self.model = None
"""
SOURCES = {
    "client.py": "from nets import small\n",
    "nets/__init__.py": "",
    "nets/small.py": NET,
    "nets/parts/__init__.py": "",
    "nets/parts/block.py": "",
    "plugin.py": AGGREGATION,
}


def converted(folder: Path, **settings: object) -> Path:
    """A converted folder whose client imports packages in ways that NVFLARE's packager does not follow."""
    directory = folder / "project" / "federated"
    for name, text in SOURCES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    (directory / "conversion.json").write_text(json.dumps({**CONVERSION, "files": dict.fromkeys(SOURCES, "")}))
    (directory / "job.py").write_text(render(job_spec_from(directory, **settings)))
    return directory


def export(job: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(job), *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder, with the job exported by a relative path from a folder above it."""
    folder = tmp_path_factory.mktemp("export")
    job = converted(folder) / "job.py"
    result = export(job, "--rounds", "7", "--clients", "5", "--export", "--export-dir", "out", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def config(folder: Path, side: str) -> dict[str, object]:
    return json.loads((folder / "out" / "train" / "app" / "config" / f"config_fed_{side}.json").read_text())


def test_the_export_folder_is_relative_to_where_the_command_was_typed(exported: Path) -> None:
    assert (exported / "out" / "train" / "meta.json").is_file()


def test_everything_the_client_imports_is_in_the_job(exported: Path) -> None:
    custom = exported / "out" / "train" / "app" / "custom"
    assert {path.relative_to(custom).as_posix() for path in custom.rglob("*") if path.is_file()} == set(SOURCES)


def test_rounds_clients_and_metric_reach_the_server(exported: Path) -> None:
    server = config(exported, "server")
    controller = server["workflows"][0]["args"]
    assert (controller["num_rounds"], controller["num_clients"]) == (7, 5)
    components = {component["id"]: component for component in server["components"]}
    assert components["model_selector"]["args"]["key_metric"] == "loss"
    assert components["model_selector"]["args"]["negate_key_metric"] is True
    assert components["persistor"]["args"]["model"] == {"path": "nets.small.Net", "args": {"hidden": 4}}
    assert json.loads((exported / "out" / "train" / "meta.json").read_text())["min_clients"] == 5


def test_an_argument_with_a_space_reaches_the_client_in_one_piece(exported: Path) -> None:
    executor = config(exported, "client")["executors"][0]["executor"]["args"]
    data = exported / "project" / "data" / "my set"
    assert executor["command"][-3:] == ["--epochs=2", "--partitions=5:stratified", f"--data={data}"]


def test_a_client_without_spaces_in_its_arguments_stays_in_the_process_of_the_site(tmp_path: Path) -> None:
    job = converted(tmp_path) / "job.py"
    assert export(job, "--data", "/plain", "--export", "--export-dir", "out", cwd=tmp_path).returncode == 0
    executor = config(tmp_path, "client")["executors"][0]["executor"]["args"]
    assert shlex.split(executor["task_script_args"])[-1] == "--data=/plain"


@pytest.mark.parametrize("arguments", [["--round", "3"], ["--no-such-option"], ["surplus"]])
def test_arguments_are_taken_strictly(arguments: list[str], tmp_path: Path) -> None:
    result = export(converted(tmp_path) / "job.py", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "usage:" in result.stderr


def exported_config(folder: Path, side: str, **settings: object) -> dict[str, object]:
    job = converted(folder, **settings) / "job.py"
    result = export(job, "--export", "--export-dir", "out", cwd=folder)
    assert result.returncode == 0, result.stderr
    return config(folder, side)


def arguments_of(config: dict[str, object], component: str) -> dict[str, object]:
    return next(each["args"] for each in config["components"] if each["id"] == component)


def test_fedopt_keeps_the_arguments_of_the_model(tmp_path: Path) -> None:
    optimizer = {"path": "torch.optim.Adam", "args": {"lr": 0.1}}
    server = exported_config(tmp_path, "server", recipe="fedopt-pt", optimizer_args=optimizer)
    model = next(each for each in server["components"] if each["id"] == "model")
    assert (model["path"], model["args"]) == ("nets.small.Net", {"hidden": 4})
    assert arguments_of(server, "shareable_generator")["optimizer_args"].items() >= optimizer.items()


def test_cyclic_visits_the_sites_for_all_rounds(tmp_path: Path) -> None:
    server = exported_config(tmp_path, "server", recipe="cyclic-pt", num_rounds=4)
    assert server["workflows"][0]["path"].endswith("CyclicController")
    assert server["workflows"][0]["args"]["num_rounds"] == 4


def test_an_aggregator_of_the_users_takes_part(tmp_path: Path) -> None:
    server = exported_config(tmp_path, "server", aggregator="plugin:Last")
    assert server["workflows"][0]["args"]["aggregator"]["path"] == "plugin.Last"


def test_named_sites_have_apps_with_their_own_arguments(tmp_path: Path) -> None:
    sites = {"a": {"data": "/data/a"}, "b": {"data": "sets/b", "local_epochs": 9}}
    job = converted(tmp_path, sites=sites) / "job.py"
    assert export(job, "--export", "--export-dir", "out", cwd=tmp_path).returncode == 0
    out = tmp_path / "out" / "train"
    arguments = {}
    for site in sites:
        client = json.loads((out / f"app_{site}" / "config" / "config_fed_client.json").read_text())
        arguments[site] = client["executors"][0]["executor"]["args"]["task_script_args"].split()
        assert (out / f"app_{site}" / "custom" / "nets" / "parts" / "block.py").is_file()
    assert arguments["a"] == ["--epochs=2", "--data=/data/a"]
    assert arguments["b"][0] == "--epochs=9"
    assert Path(arguments["b"][1].removeprefix("--data=")).resolve() == tmp_path / "project" / "sets" / "b"
    assert (out / "app_server" / "custom" / "nets" / "small.py").is_file()


def test_every_site_evaluates_every_model(tmp_path: Path) -> None:
    server = exported_config(tmp_path, "server", cross_site_eval=True, stop_cond="loss <= 0.1", patience=2)
    assert [each["path"].rsplit(".", 1)[1] for each in server["workflows"]] == ["FedAvg", "CrossSiteModelEval"]
    assert server["workflows"][0]["args"]["stop_cond"] == "loss <= 0.1"


def test_a_job_of_components_names_each_of_them(tmp_path: Path) -> None:
    server = exported_config(tmp_path, "server", style="fedjob", num_rounds=4)
    controller = server["workflows"][0]
    assert controller["path"].endswith("ScatterAndGather")
    assert controller["args"]["num_rounds"] == 4
    paths = {each["id"]: each["path"].rsplit(".", 1)[1] for each in server["components"]}
    assert paths["aggregator"] == "InTimeAccumulateWeightedAggregator"
    assert paths["shareable_generator"] == "FullModelShareableGenerator"
    assert paths["persistor"] == "PTFileModelPersistor"
    assert arguments_of(server, "persistor")["model"] == {"path": "nets.small.Net", "args": {"hidden": 4}}
    custom = tmp_path / "out" / "train" / "app" / "custom"
    assert {path.relative_to(custom).as_posix() for path in custom.rglob("*") if path.is_file()} == set(SOURCES)


def test_a_swarm_builds_its_model_at_the_sites(tmp_path: Path) -> None:
    client = exported_config(tmp_path, "client", recipe="swarm-pt")
    assert arguments_of(client, "persistor")["model"] == {"path": "nets.small.Net", "args": {"hidden": 4}}
    selected = arguments_of(client, "model_selector")
    assert (selected["key_metric"], selected["negate_key_metric"]) == ("loss", True)
    runner = next(each["executor"]["args"] for each in client["executors"] if "train" in each["tasks"])
    assert "--partitions=2:stratified" in runner["command"]


def test_an_evaluation_carries_its_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "trained.pt"
    checkpoint.write_bytes(b"")
    server = exported_config(tmp_path, "server", recipe="fedeval-pt", initial_ckpt=str(checkpoint))
    assert arguments_of(server, "persistor")["source_ckpt_file_full_name"] == str(checkpoint)
    assert server["workflows"][0]["path"].endswith("EvalController")
