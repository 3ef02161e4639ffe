"""``job.py``: its text, its arguments, and what FLARE makes of it."""

from __future__ import annotations

import argparse
import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine.job import job_spec, job_spec_from, read_conversion, render
from engine.job.literals import literal
from engine.result import UserError


def conversion(**changes: object) -> dict[str, object]:
    """A ``conversion.json`` as ``apply`` writes it, with some keys changed."""
    return {
        "schema_version": 1,
        "source": {"root": "..", "entry": "train.py"},
        "files": {"client.py": "", "job.py": "", "model.py": "", "conversion.json": ""},
        "model": {"class_path": "model.Net", "args": {"hidden": 64}},
        "metric": {"name": "accuracy", "direction": "max"},
        "recipe": "fedavg-pt",
        "arguments": {
            "epochs": {"option": "--epochs", "default": 5},
            "rounds": None,
            "partitions": {"option": "--partitions"},
            "data": [{"option": "--data-dir", "default": "../data", "kind": "directory"}],
        },
        "exchange_format": "numpy",
        "execution": "in_process",
        **changes,
    }


def arguments(**changes: object) -> dict[str, object]:
    return {"epochs": None, "rounds": None, "partitions": None, "data": [], **changes}


def data(option: str, default: object) -> dict[str, object]:
    return arguments(data=[{"option": option, "default": default, "kind": "any"}])


def recipe_keywords(text: str) -> dict[str, str]:
    """Source of the keyword arguments of the recipe in a job.py."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    recipe = next(call for call in calls if ast.unparse(call.func).endswith("Recipe"))
    return {keyword.arg: ast.unparse(keyword.value) for keyword in recipe.keywords}


SITES = {"hospital-a": {"data_dir": "data/a", "local_epochs": 2}, "hospital-b": {"data_dir": "/data/b"}}
ADAM = {"path": "torch.optim.Adam", "args": {"lr": 0.01}}
VARIANTS = {
    "plain": {},
    "no metric": {"metric": None},
    "loss": {"metric": {"name": "loss", "direction": "min"}},
    "no arguments": {"arguments": arguments()},
    "no modules": {"files": {"client.py": ""}},
    "bfloat16": {"exchange_format": "pytorch"},
    "external": {"execution": "external"},
    "positional arguments": {"job": {"script_arguments": ["50", "--name=my run"]}, "arguments": arguments()},
    "fedopt": {"job": {"recipe": "fedopt-pt", "optimizer_args": ADAM}},
    "fedopt without arguments": {
        "job": {"recipe": "fedopt-pt"},
        "model": {"class_path": "nets.Net", "args": {}},
    },
    "fedprox": {"recipe": "fedprox-pt", "job": {"fedprox_mu": 0.1}},
    "scaffold": {"recipe": "scaffold-pt"},
    "cyclic": {"job": {"recipe": "cyclic-pt"}},
    "swarm": {"job": {"recipe": "swarm-pt", "cross_site_eval": True}, "exchange_format": "pytorch"},
    "swarm without a metric": {"recipe": "swarm-pt", "metric": None},
    "fedeval": {"job": {"recipe": "fedeval-pt", "initial_ckpt": "trained.pt"}},
    "aggregator": {"job": {"aggregator": "aggregation:Median"}},
    "sites": {"job": {"sites": SITES}},
    "early stop": {"job": {"stop_cond": "accuracy >= 0.9", "patience": 2, "cross_site_eval": True}},
    "fedjob": {"job": {"style": "fedjob"}},
    "fedjob without anything": {
        "job": {"style": "fedjob", "initial_ckpt": "initial.pt"},
        "arguments": {},
        "files": {},
        "metric": None,
        "exchange_format": "pytorch",
    },
    "fedjob in a process of its own": {"job": {"style": "fedjob"}, "execution": "external"},
    "long": {
        "model": {
            "class_path": "digits_network.architectures.ResidualNetwork",
            "args": {"widths": [64, 128, 256, 512], "activation": "leaky_relu", "labels": {"zero": 0, "one": 1}},
        },
        "files": {f"package/module_number_{number}.py": "" for number in range(9)},
    },
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_job_is_formatted_as_ruff_would(changes: dict[str, object], tmp_path: Path) -> None:
    for module in ("nets.py", "model.py", "aggregation.py"):  # so that ruff knows them as the project's own
        (tmp_path / module).touch()
    (tmp_path / "job.py").write_text(render(job_spec(conversion(**changes))))
    ruff, options = [sys.executable, "-m", "ruff"], ["--isolated", "--line-length", "120", "job.py"]
    assert subprocess.run([*ruff, "format", "--check", *options], cwd=tmp_path).returncode == 0
    assert subprocess.run([*ruff, "check", "--select", "E,F,I,UP,B", *options], cwd=tmp_path).returncode == 0


def test_the_same_job_gives_the_same_text() -> None:
    assert render(job_spec(conversion())) == render(job_spec(json.loads(json.dumps(conversion()))))


def test_every_site_takes_part_in_every_round() -> None:
    text = render(job_spec(conversion(), num_clients=4))
    assert recipe_keywords(text)["min_clients"] == "args.clients"
    assert "SimEnv(num_clients=args.clients, num_threads=args.clients," in text
    assert '"--clients", type=int, default=4' in text


def test_the_model_is_built_by_its_class_path_and_all_arguments() -> None:
    model = {"class_path": "nets.Net", "args": {"hidden": 3, "bias": True, "name": 'a "b"', "rate": None}}
    assert ast.literal_eval(recipe_keywords(render(job_spec(conversion(model=model))))["model"]) == model


def test_a_source_without_evaluation_selects_no_best_model() -> None:
    text = render(job_spec(conversion(metric=None)))
    assert recipe_keywords(text)["key_metric"] == "''"
    assert "key_metric_mode" not in text
    assert "add_final_global_evaluation" not in text


def test_a_loss_is_best_where_it_is_low() -> None:
    keywords = recipe_keywords(render(job_spec(conversion(metric={"name": "loss", "direction": "min"}))))
    assert (keywords["key_metric"], keywords["key_metric_mode"]) == ("'loss'", "'min'")


def test_types_that_numpy_lacks_travel_as_tensors() -> None:
    keywords = recipe_keywords(render(job_spec(conversion(exchange_format="pytorch"))))
    assert keywords["server_expected_format"] == "ExchangeFormat.PYTORCH"


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("../data", 'type=os.path.abspath, default=str(SOURCE / "../data")'),
        ("/data/mnist", 'default="/data/mnist"'),
        ("~/data", 'type=os.path.expanduser, default="~/data"'),
        ("s3://bucket/data", 'default="s3://bucket/data"'),
        (None, "type=os.path.abspath, required=True"),
    ],
)
def test_data_locations_are_resolved_against_the_source_project(default: object, expected: str) -> None:
    text = render(job_spec(conversion(arguments=data("--data-dir", default))))
    assert expected in " ".join(text.split())


def client_arguments(text: str, **args: object) -> list[str]:
    """What a job.py tells its client."""
    function = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == "client_args")
    names = {"os": os, "shlex": shlex}
    exec(ast.unparse(function), names)
    return shlex.split(names["client_args"](argparse.Namespace(**args)))


def test_a_path_that_a_script_appends_to_keeps_its_last_slash() -> None:
    text = render(job_spec(conversion(arguments=data("--data-dir", "../data/"))))
    assert client_arguments(text, data_dir="/srv/data") == ["--data-dir=/srv/data/"]
    assert client_arguments(text, data_dir="/srv/data/") == ["--data-dir=/srv/data/"]


def test_a_script_that_stops_one_short_of_its_number_is_told_one_more() -> None:
    epochs = {"option": "--epochs", "default": 4, "beyond": 1}
    text = render(job_spec(conversion(arguments=arguments(epochs=epochs))))
    assert client_arguments(text, local_epochs=4) == ["--epochs=5"]


@pytest.mark.parametrize(("option", "name"), [("--clients", "client-clients"), ("--in", "client-in"), ("-d", "d")])
def test_an_option_of_the_client_never_hides_one_of_the_job(option: str, name: str) -> None:
    text = render(job_spec(conversion(arguments=data(option, "data"))))
    ast.parse(text)
    assert f'"--{name}"' in text


def test_what_the_conversion_says_gives_way_to_what_is_asked_for() -> None:
    spec = job_spec(conversion(job={"num_rounds": 7, "num_clients": 5}), num_rounds=9, num_clients=None)
    assert (spec.num_rounds, spec.num_clients, spec.local_epochs) == (9, 5, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_rounds": 0}, "num_rounds"),
        ({"num_clients": -1}, "num_clients"),
        ({"name": "../elsewhere"}, "name"),
        ({"recipe": "fedavg-he-pt"}, "homomorphic encryption"),
        ({"recipe": "fedavg-xy"}, "fedavg-pt, fedprox-pt"),
        ({"recipe": "fedprox-pt"}, "apply train.py --recipe fedprox-pt"),
        ({"recipe": "fedeval-pt"}, "--initial-ckpt"),
        ({"recipe": "fedopt-pt", "initial_ckpt": "a.pt"}, "cannot start from initial_ckpt"),
        ({"recipe": "fedeval-pt", "initial_ckpt": "a.pt", "key_metric": ""}, "the script has none"),
        ({"recipe": "scaffold-pt"}, "apply train.py --recipe scaffold-pt"),
        ({"patience": 3}, "stop_cond"),
        ({"style": "fedjob", "recipe": "cyclic-pt"}, "leave out cyclic-pt"),
        ({"style": "fedjob", "aggregator": "a:B"}, "leave out aggregator"),
        ({"stop_cond": "accuracy>=0.9"}, "'accuracy>=0.9' is not written like accuracy >= 0.9"),
        ({"stop_cond": "accuracy >= e"}, "'accuracy >= e' is not written like accuracy >= 0.9"),
        ({"aggregator": "Mean"}, "aggregator"),
        ({"recipe": "fedopt-pt", "optimizer_args": {"path": "Adam"}}, "'Adam' is not written like torch.optim.Adam"),
        ({"partition": "dirichlet", "alpha": 1e300}, "alpha"),
        ({"recipe": "cyclic-pt", "num_clients": 1}, "cyclic-pt passes the model .* at least 2, not 1"),
        ({"recipe": "swarm-pt", "num_clients": 1}, "at least 2, not 1"),
        ({"sites": {"a b": {}}}, "'a b' cannot be a site's name"),
        ({"sites": {"server": {}}}, "'server' cannot be a site's name"),
        ({"sites": {"a": {"local_epochs": 0}}}, "site a sets local_epochs to 0, which is no whole number from 1 on"),
        ({"sites": {"a": {"local_epochs": "two"}}}, "site a sets local_epochs to 'two'"),
        ({"sites": {"a": {}}, "partition": "even"}, "named sites have data of their own: leave out partition"),
        ({"script_arguments": ["--epochs=3"]}, "the job sets --epochs of client.py itself.*: use --local-epochs"),
        ({"script_arguments": ["--data-dir", "x"]}, "job.py has --data-dir for it"),
        ({"script_arguments": ["--partitions=2"]}, "use --partition"),
        ({"launch_external_process": True, "command": "python3 -u -m torch.distributed.run"}, "no init_process_group"),
        ({"sites": {"a": {"data": "/a"}}}, "site a sets data; it can set data_dir, local_epochs"),
        ({"sites": {"a": {"data_dir": "/a"}}, "recipe": "cyclic-pt"}, "no arguments per site"),
        ({"no_such_field": 1}, "no_such_field"),
    ],
)
def test_a_job_that_cannot_be_is_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        job_spec(conversion(), **settings)


def test_local_epochs_need_an_option_of_the_client() -> None:
    with pytest.raises(UserError, match="--local-epochs"):
        job_spec(conversion(arguments=arguments()), local_epochs=2)


@pytest.mark.parametrize(
    "split", [{"partition": "stratified"}, {"partition": "even"}, {"alpha": 0.1}, {"site_weights": [2, 1]}]
)
def test_a_client_that_cannot_split_its_data_is_told_no_split(split: dict[str, object]) -> None:
    alone = conversion(arguments=arguments())
    assert "--partition" not in render(job_spec(alone))
    with pytest.raises(UserError, match="cannot split its training data.*conversion.json say why"):
        job_spec(alone, **split)


def test_torchrun_starts_a_script_that_trains_in_several_processes() -> None:
    spec = job_spec(conversion(execution="external"), command="python3 -u -m torch.distributed.run --nproc_per_node=2")
    assert "--nproc_per_node=2" in recipe_keywords(render(spec))["command"]


def test_a_folder_that_apply_has_not_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.py").touch()
    with pytest.raises(UserError, match="give a folder that `apply` has written"):
        job_spec_from(tmp_path / "job.py")
    with pytest.raises(UserError, match="does not exist"):
        job_spec_from(tmp_path)
    (tmp_path / "conversion.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_conversion(tmp_path)
    for changes in ({"source": 3}, {"source": {}}, {"model": "Net"}, {"files": []}, {"job": []}):
        (tmp_path / "conversion.json").write_text(json.dumps({**conversion(), **changes}))
        with pytest.raises(UserError, match="is not what `apply` writes"):
            read_conversion(tmp_path)
    (tmp_path / "conversion.json").write_text("[]")
    with pytest.raises(UserError, match="is not what `apply` writes"):
        read_conversion(tmp_path)


def test_literals_are_the_values_they_stand_for() -> None:
    value = {"list": [1, 2.5, None, True], "text": 'quote " and \\ and é', "nested": {"empty": {}, "long": "x" * 60}}
    assert ast.literal_eval(literal(value)) == value
    narrow = literal(value, indent=20, used=10)
    assert ast.literal_eval(narrow) == value
    assert max(map(len, narrow.splitlines())) <= 120


def test_named_sites_get_arguments_of_their_own() -> None:
    text = render(job_spec(conversion(), sites=SITES))
    assert '"hospital-a": {"data_dir": str(SOURCE / "data/a"), "local_epochs": 2},' in text
    assert '"hospital-b": {"data_dir": "/data/b"},' in text
    assert recipe_keywords(text)["min_clients"] == "len(SITES)"
    assert "--partitions" not in text


def test_a_recipe_without_a_metric_gets_none() -> None:
    keywords = recipe_keywords(render(job_spec(conversion(), recipe="cyclic-pt")))
    assert "key_metric" not in keywords


def test_a_swarm_takes_the_arguments_of_the_client_as_flare_names_them() -> None:
    keywords = recipe_keywords(render(job_spec(conversion(), recipe="swarm-pt")))
    assert keywords["train_args"] == "{'script_args': train_args}"
    assert keywords["key_metric"] == "'accuracy'"
    assert recipe_keywords(render(job_spec(conversion(metric=None), recipe="swarm-pt")))["key_metric"] == "None"


def test_an_evaluation_has_a_model_to_measure_and_neither_rounds_nor_epochs() -> None:
    text = render(job_spec(conversion(), recipe="fedeval-pt", initial_ckpt="trained.pt", local_epochs=3))
    keywords = recipe_keywords(text)
    assert keywords["eval_ckpt"] == "'trained.pt'" and keywords["eval_script"] == "'client.py'"
    assert not {"num_rounds", "train_script", "key_metric"} & keywords.keys()
    assert "--rounds" not in text and "epochs" not in text


def test_fedopt_needs_a_class() -> None:
    model = {"class_path": "model.build_model", "args": {}}
    with pytest.raises(UserError, match="model.build_model is a function"):
        render(job_spec(conversion(model=model), recipe="fedopt-pt"))


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        ({}, "stratified"),
        ({"partition": "even", "site_weights": [3, 1]}, "even:weights=3,1"),
        ({"partition": "dirichlet", "alpha": 0.1}, "dirichlet:alpha=0.1"),
        ({"partition": "dirichlet", "site_weights": (1.5, 1)}, "dirichlet:alpha=0.5:weights=1.5,1"),
    ],
)
def test_the_split_of_a_simulation_reaches_the_client(settings: dict[str, object], split: str) -> None:
    text = render(job_spec(conversion(), **settings))
    assert f'"--partition",\n        default="{split}"' in text
    assert 'f"--partitions={args.clients}:{args.partition}"' in text


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({}, {"site_weights": [1, 1, 1]}, "3 site_weights for 2 sites"),
        ({}, {"partition": "dirichlet", "sites": SITES}, "named sites have data of their own"),
        ({"arguments": arguments()}, {"partition": "even"}, "the client cannot split its training data"),
        ({}, {"partition": "dirichlet", "alpha": -1}, "alpha of the job"),
        ({}, {"site_weights": [1, 0]}, "site_weights.1 of the job"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(
    changes: dict[str, object], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        job_spec(conversion(**changes), **settings)


def test_arguments_of_the_script_come_before_those_of_the_job() -> None:
    text = render(job_spec(conversion(), script_arguments=("50", "10", "--lr=0.1")))
    assert '            "50",\n            "10",\n            "--lr=0.1",\n            f"--epochs=' in text


def test_an_argument_with_a_space_puts_the_client_into_a_process_that_heeds_quotes() -> None:
    settings = {"arguments": arguments(), "files": {}}
    spaced = render(job_spec(conversion(**settings), script_arguments=("my run",)))
    assert recipe_keywords(spaced)["launch_external_process"] == "needs_quotes"
    plain = render(job_spec(conversion(**settings), script_arguments=("my-run",)))
    assert "launch_external_process" not in recipe_keywords(plain)
