"""The published JSON Schemas: ``python -m engine.trainer.schemas docs/schemas`` writes them anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from engine.trainer.document import OutputDocument
from engine.trainer.specification import Specification
from engine.trainer.torch_arguments import OPTIMIZERS, SCHEDULERS, TorchArguments, names_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def input_schema() -> dict[str, Any]:
    """The schema of a specification, the arguments of each optimizer and scheduler included."""
    schema = Specification.model_json_schema()
    training = schema["$defs"]["TrainingConfig"]
    training["allOf"] = [
        *_conditions("optimizer", OPTIMIZERS, schema["$defs"], absent="Adam"),
        *_conditions("scheduler", SCHEDULERS, schema["$defs"]),
    ]
    return {"$schema": DIALECT} | _without_null(schema)


def output_schema() -> dict[str, Any]:
    """The schema of the output document."""
    return {"$schema": DIALECT} | _without_null(OutputDocument.model_json_schema())


def _without_null(schema: Any) -> Any:
    """The schema without the titles made from names, and without the null of optional keys: those are left out."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        return _without_null(kinds[0] | rest)
    return {key: _without_null(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}


def _conditions(
    key: str, classes: dict[str, type[TorchArguments]], definitions: dict[str, Any], absent: str = ""
) -> list[dict[str, Any]]:
    """For each class: when it is chosen, the arguments under ``<key>Args`` are its own."""
    conditions = []
    for name, arguments in classes.items():
        definitions[arguments.__name__] = arguments.model_json_schema()
        chosen: dict[str, Any] = {"properties": {key: {"enum": names_of(name)}}}
        if name != absent:
            chosen["required"] = [key]
        then = {"properties": {f"{key}Args": {"$ref": f"#/$defs/{arguments.__name__}"}}}
        conditions.append({"if": chosen, "then": then})
    return conditions


def write(folder: Path) -> None:
    """Write both schemas into a folder."""
    for name, schema in (("training-input", input_schema()), ("training-output", output_schema())):
        text = json.dumps(schema, indent=2) + "\n"
        (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
