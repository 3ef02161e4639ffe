"""What a specification may say, and the sentence for what it may not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from engine.result import UserError
from engine.trainer import schemas
from engine.trainer.reading import load, parse, read_document

ROOT = Path(__file__).parents[3]
EXAMPLE = {  # the usage example that the schema came with
    "modelPath": "models/resnet.py",
    "dataConfig": {"trainPath": "data/train", "valPath": "data/val", "batchSize": 32, "numWorkers": 4},
    "trainingConfig": {
        "epochs": 100,
        "learningRate": 0.001,
        "optimizer": "AdamW",
        "scheduler": "cosine",
        "mixedPrecision": True,
        "gradientClipping": 1.0,
    },
}
BAD = [
    ({"modelPath": 3}, "$.modelPath is 3, but it must be a valid string"),
    ({"modelpath": "a.py"}, "$.modelpath is not a key of a specification: write modelPath instead"),
    ({"dataConfig": []}, "$.dataConfig is [], but it must be an object with the keys trainPath"),
    ({"dataConfig": {"trainPath": "a.csv", "shuffle": True}}, "$.dataConfig.shuffle is not a key"),
    ({"dataConfig": {}}, "$.dataConfig.trainPath is missing: add it"),
    ({"trainingConfig": {"epochs": -1}}, "$.trainingConfig.epochs is -1, but it must be greater than or equal to 1"),
    ({"trainingConfig": {"epochs": "ten"}}, '$.trainingConfig.epochs is "ten", but it must be a valid integer'),
    ({"trainingConfig": {"epochs": 1.5}}, "$.trainingConfig.epochs is 1.5"),
    ({"trainingConfig": {"epochs": True}}, "$.trainingConfig.epochs is true"),
    ({"trainingConfig": {"optimizer": "Adamm"}}, "allowed are 'SGD', 'Adam', 'AdamW'"),
    ({"trainingConfig": {"scheduler": "linear"}}, "$.trainingConfig.scheduler cannot be"),
    ({"trainingConfig": {"learningRate": 0}}, "$.trainingConfig.learningRate is 0"),
    ({"trainingConfig": {"gradientClipping": -1}}, "$.trainingConfig.gradientClipping is -1"),
    ({"trainingConfig": {"gradientAccumulation": 0}}, "$.trainingConfig.gradientAccumulation is 0"),
    ({"trainingConfig": {"optimizerArgs": {"momentum": 0.9}}}, "$.trainingConfig.optimizerArgs.momentum is not a key"),
    ({"trainingConfig": {"scheduler": "step", "schedulerArgs": {"step_size": 0}}}, "schedulerArgs.step_size is 0"),
    ({"trainingConfig": {"earlyStopping": {}}}, "$.trainingConfig.earlyStopping.patience is missing"),
    ({"checkpointConfig": {"saveEvery": 0}}, "$.checkpointConfig.saveEvery is 0"),
    ({"checkpointConfig": {"saveDir": None}}, "$.checkpointConfig.saveDir is null"),
    ({"device": "gpu"}, "$.device cannot be"),
    ({"task": "clustering"}, "allowed are 'classification', 'regression' or 'binary'"),
]
CONTRADICTIONS = [
    ({"dataConfig": {"trainPath": "a", "valPath": "b", "validationFraction": 0.1}}, "dataConfig.validationFraction"),
    ({"dataConfig": {"trainPath": "a", "persistentWorkers": True}}, "set numWorkers to 1 or more"),
    ({"task": "regression"}, "$.task cannot be regression with an image folder"),
    ({"trainingConfig": {"schedulerArgs": {"gamma": 0.1}}}, "name one in trainingConfig.scheduler"),
    ({"trainingConfig": {"optimizer": "SGD", "optimizerArgs": {"nesterov": True}}}, "needs momentum"),
    ({"trainingConfig": {"epochs": 2, "scheduler": "warmup_cosine", "schedulerArgs": {"warmup_epochs": 3}}}, "warmup"),
    ({"modelArgs": {"class": 1}}, "$.modelArgs.class"),
]


def refusal(document: object) -> str:
    with pytest.raises(UserError) as refused:
        parse(document)
    return refused.value.message


def test_the_usage_example_is_a_specification():
    specification = parse(EXAMPLE)
    assert specification.training_config.scheduler_class == "CosineAnnealingLR"
    assert specification.data_config.format == "images"


def test_an_empty_document_is_told_what_it_needs():
    assert refusal(None) == "The specification is empty: give it modelPath, dataConfig and trainingConfig."
    assert refusal({}).startswith("$.modelPath is missing")


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_what_the_schema_forbids_is_told_with_its_path(changes, sentence):
    document = EXAMPLE | changes
    assert sentence in refusal(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas.input_schema())


@pytest.mark.parametrize(("changes", "sentence"), CONTRADICTIONS)
def test_keys_that_contradict_each_other(changes, sentence):
    assert sentence in refusal(EXAMPLE | changes)


@pytest.mark.parametrize("key", ["modelPath", "dataConfig", "trainingConfig"])
def test_required_keys(key):
    assert f"$.{key} is missing" in refusal({name: value for name, value in EXAMPLE.items() if name != key})


@pytest.mark.parametrize("document", [[], "text", 3])
def test_a_document_that_is_no_object(document):
    assert refusal(document).startswith("$ is ")


def test_every_fault_is_told_at_once():
    sentence = refusal({"modelPath": 1, "dataConfig": {}, "trainingConfig": {"epochs": 0}})
    assert re.findall(r"\$\.[A-Za-z.]+", sentence) == [
        "$.modelPath",
        "$.dataConfig.trainPath",
        "$.trainingConfig.epochs",
    ]


def test_yaml_and_json_say_the_same(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(EXAMPLE))
    (tmp_path / "a.yaml").write_text(
        "modelPath: models/resnet.py\n"
        "dataConfig: {trainPath: data/train, valPath: data/val, batchSize: 32, numWorkers: 4}\n"
        "trainingConfig: {epochs: 100, learningRate: 1e-3, optimizer: AdamW, scheduler: cosine, mixedPrecision: true,\n"
        "  gradientClipping: 1.0}\n"
    )
    assert load(tmp_path / "a.yaml") == load(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", b'{"a": 1,\n}', "is not valid JSON, see its line 2"),
        ("a.yaml", b"a: 1\nb: [", "is not valid YAML, see its line 2"),
        ("a.yaml", b"\xff\xfe\x00", "it is not UTF-8 text"),
    ],
)
def test_files_that_hold_no_document(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_document(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_document(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["input", "output"])
def test_the_published_schemas_are_those_of_the_code(tmp_path, name):
    schemas.write(tmp_path)
    file = f"training-{name}.schema.json"
    assert (ROOT / "docs/schemas" / file).read_text() == (tmp_path / file).read_text()
    jsonschema.Draft202012Validator.check_schema(json.loads((tmp_path / file).read_text()))


def test_the_schema_knows_the_arguments_of_each_optimizer():
    training = {"optimizer": "sgd", "optimizerArgs": {"momentum": 0.9}}
    jsonschema.validate(EXAMPLE | {"trainingConfig": training}, schemas.input_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(EXAMPLE | {"trainingConfig": training | {"optimizer": "Adagrad"}}, schemas.input_schema())
