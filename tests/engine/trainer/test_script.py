"""The scaffolded script: what stands in it, what does not, and where it may stand."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.specification_matrix import FACTORS, pairwise, specification
from engine import trainer
from engine.result import UserError
from engine.trainer.reading import parse
from engine.trainer.script import render
from engine.trainer.torch_arguments import OPTIMIZERS, SCHEDULERS

# What a script holds only when the specification asks for it.
MARKS = {
    "mixedPrecision": ["autocast", "scaler"],
    "gradientClipping": ["clip_norm"],
    "gradientAccumulation": ["accumulation"],
    "earlyStopping": ["patience", "bad_epochs", "min_delta", "break"],
    "saveEvery": ["save_every", "epoch_{"],
    "parallel": ["DataParallel", "model.module"],
    "deterministic": ["use_deterministic_algorithms"],
    "workers": ["num_workers", "pin_memory", "persistent_workers"],
    "scheduler": ["scheduler", "lr_scheduler", "T_max"],
}


def text_of(content: dict, folder: Path) -> str:
    return render(parse(content), folder / "specification.json", folder / "train.py")


def test_a_plain_specification_leaves_no_trace_of_the_options(workplace, document):
    text = text_of(document(), workplace)
    assert [mark for marks in MARKS.values() for mark in marks if mark in text] == []


@pytest.mark.parametrize("option", MARKS)
def test_an_option_leaves_only_its_own_traces(workplace, option):
    row = {name: values[0] for name, values in FACTORS.items()} | {option: FACTORS[option][-1]}
    row["scheduler"] = "CosineAnnealingLR" if option == "scheduler" else row["scheduler"]
    text = text_of(specification(row), workplace)
    own = MARKS[option]
    assert [mark for mark in own if mark not in text] == []
    others = [mark for name, marks in MARKS.items() if name != option for mark in marks if mark not in own]
    assert [mark for mark in others if mark in text] == []


def test_every_script_is_tidy(workplace, tmp_path_factory):
    """As a linter and a formatter see it: sorted imports, nothing unused, lines of 120 characters."""
    scripts = tmp_path_factory.mktemp("scripts")
    for number, row in enumerate(pairwise()):
        for suffix, extra in (("", {}), ("_ddp", {"parallel": "DistributedDataParallel"})):
            text = text_of(specification(row | extra), workplace)
            (scripts / f"s{number}{suffix}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "120"]
    imports = ["--config", 'lint.isort.known-first-party=["net"]']
    check = [*ruff, "check", *options, "--select", "B,C4,E,F,I,SIM,UP,W", *imports, str(scripts)]
    assert subprocess.run(check, capture_output=True, text=True).stdout == "All checks passed!\n"
    formatted = subprocess.run([*ruff, "format", *options, "--diff", str(scripts)], capture_output=True, text=True)
    assert formatted.stdout == ""


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_script_has_one_epoch_loop_and_the_usual_functions(workplace, document, optimizer, scheduler):
    text = text_of(document(trainingConfig={"optimizer": optimizer, "scheduler": scheduler}), workplace)
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert {"parse_args", "load_data", "train_one_epoch", "evaluate", "main"} <= functions.keys()
    loops = [node for node in ast.walk(functions["main"]) if isinstance(node, ast.For)]
    assert [ast.unparse(loop.iter) for loop in loops] == ["range(start_epoch, args.epochs + 1)"]
    assert "metrics = evaluate(model, val_loader, criterion, device)" in ast.unparse(loops[0])
    assert f"torch.optim.{optimizer}(model.parameters(), lr=args.lr" in text


def test_arguments_are_options_and_the_rest_is_written_out(workplace, document):
    training = {"optimizer": "SGD", "optimizerArgs": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}}
    text = text_of(document(trainingConfig=training, modelArgs={"inputs": 6, "names": ["a"]}), workplace)
    assert 'parser.add_argument("--weight-decay", type=float, default=0.0001' in text
    assert "weight_decay=args.weight_decay, momentum=args.momentum, nesterov=True" in text
    assert 'model = Net(inputs=6, names=["a"]).to(device)' in text


def test_plateau_and_early_stopping_do_not_share_an_option(run_script, workplace, document):
    stopping = {"scheduler": "plateau", "schedulerArgs": {"patience": 4}, "earlyStopping": {"patience": 2}}
    checkpoint = run_script(document(trainingConfig=stopping), workplace, "--lr-patience", "1", "--patience", "9")
    assert checkpoint["scheduler"]["patience"] == 1


@pytest.mark.parametrize(
    ("optimizer", "arguments", "cycles"),
    [("SGD", {}, False), ("SGD", {"momentum": 0.9}, True), ("Adam", {}, True), ("Adagrad", {}, False)],
)
def test_one_cycle_cycles_the_momentum_there_is(workplace, document, optimizer, arguments, cycles):
    training = {"optimizer": optimizer, "optimizerArgs": arguments, "scheduler": "onecycle"}
    assert ("cycle_momentum=False" not in text_of(document(trainingConfig=training), workplace)) is cycles


def test_the_script_depends_on_torch_only(workplace, document):
    lines = text_of(document(), workplace).splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported - set(sys.stdlib_module_names) == {"torch", "net"}


def test_scaffold_writes_beside_the_specification_and_keeps_what_it_did_not_write(write, document):
    path = write(document())
    script = trainer.scaffold(path)
    assert script == path.parent / "train.py"
    assert trainer.specification_name(script.read_text()) == "specification.json"
    assert trainer.scaffold(path) == script  # its own script may be written again
    script.write_text("print('mine')\n")
    with pytest.raises(UserError, match="--force"):
        trainer.scaffold(path)
    assert script.read_text() == "print('mine')\n"
    trainer.scaffold(path, force=True)
    assert "def train_one_epoch" in script.read_text()


def test_a_script_elsewhere_finds_model_and_data(write, document, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere") / "fit.py"
    trainer.scaffold(write(document()), out)
    command = [sys.executable, str(out), "--epochs", "1"]
    subprocess.run(command, cwd=out.parent, check=True, capture_output=True, timeout=120)
    assert len(json.loads((out.parent / "checkpoints/history.json").read_text())) == 1


def test_a_model_in_a_folder_below_is_imported_as_a_module(workplace, document):
    (workplace / "models").mkdir()
    (workplace / "models/net.py").write_text((workplace / "net.py").read_text())
    assert "from models.net import Net\n" in text_of(document(modelPath="models/net.py"), workplace)


def test_scripts_are_the_same_each_time(workplace):
    for row in pairwise()[:5]:
        assert text_of(specification(row), workplace) == text_of(specification(row), workplace)
