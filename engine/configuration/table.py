"""The keys of ``[tool.flare-codemods]``, and what may stand there. Apart, because pydantic takes time to import."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.result import UserError

NAME = "flare-codemods"
RULES = "a list of rules, each by its code, the beginning of its code, or its name"
PATTERNS = "a list of patterns as in .gitignore"
COUNT = "a whole number of at least 1"


class Keys(BaseModel):
    """A table whose keys have dashes and are all known; the description of a field says what is allowed there."""

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))

    @classmethod
    def allowed(cls) -> dict[str, str]:
        """What is allowed at each key."""
        return {field.alias: field.description for field in cls.model_fields.values()}


class Job(Keys):
    """``[tool.flare-codemods.apply]``: what ``apply`` takes where its options are not given."""

    clients: int | None = Field(None, ge=1, description=COUNT)
    rounds: int | None = Field(None, ge=1, description=COUNT)
    local_epochs: int | None = Field(None, ge=1, description=COUNT)


class Table(Keys):
    """``[tool.flare-codemods]``; see `Settings`."""

    select: list[str] = Field([], description=RULES)
    ignore: list[str] = Field([], description=RULES)
    exclude: list[str] = Field([], description=PATTERNS)
    per_file_ignores: dict[str, list[str]] = Field({}, description=f"a table of patterns, each with {RULES}")
    rules: list[str] = Field([], description="a list of TOML files with rewrite rules")
    apply: Job = Field(Job(), description=f"a table with the keys {', '.join(Job.allowed())}")


def checked(table: Any, file: str) -> Table:
    """The table of a ``pyproject.toml``.

    Args:
        table: what stands in it.
        file: the name of the file, for messages.

    Raises:
        UserError: it holds what is not allowed there.
    """
    try:
        return Table.model_validate(table, strict=True)
    except ValidationError as error:
        raise UserError(f"{file}: {_explained([str(key) for key in error.errors()[0]['loc']])}") from None


def _explained(keys: list[str]) -> str:
    """What is wrong at a key of a table inside others, and what is allowed there."""
    header, model = f"[tool.{NAME}]", Table
    if keys[:1] == ["apply"] and keys[1:]:
        header, model, keys = f"[tool.{NAME}.apply]", Job, keys[1:]
    allowed = model.allowed()
    if keys and keys[0] in allowed:
        return f"{keys[0]} in {header} has to be {allowed[keys[0]]}"
    trouble = f"does not know {keys[0]}" if keys else "has to be a table"
    return f"{header} {trouble}; its keys are {', '.join(allowed)}"
