"""The structure of a study file as pydantic models, built from the table of factors and settings.

The models refuse unknown keys, missing keys and values that no reader accepts, and name the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from sim.study.factors import COMMON, GRID, SETTINGS, Key
from sim.study.values import Reader, Trouble, identifier, integer, text


class Strict(BaseModel):
    """A table of the file: no key may stand in it that the model does not name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _field(reader: Reader, default: Any = None) -> Any:
    """A field read by ``reader``; None stands for a key that is not written."""
    return Annotated[Any, BeforeValidator(reader)], Field(default=default)


def _fields(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {name: _field(key.read) for name, key in keys.items()}


DefaultsTable = create_model("DefaultsTable", __base__=Strict, **_fields(COMMON))
GridTable = create_model(
    "GridTable", __base__=Strict, name=_field(identifier, ...), question=_field(text, ""), **_fields(GRID)
)


def _grids(value: Any) -> Any:
    """``[[grid]]`` must be there, and be written with two brackets."""
    if not isinstance(value, list):
        raise Trouble(value, "is not a list of grids: write [[grid]]")
    if not value:
        raise Trouble(value, "is an empty list: it would leave no network")
    return value


class StudyTable(Strict):
    """The whole file."""

    title: Annotated[str, BeforeValidator(text)] = ""
    question: Annotated[str, BeforeValidator(text)] = ""
    seed: Annotated[int, BeforeValidator(integer(0))] = 0
    precision: Annotated[Any, BeforeValidator(SETTINGS["precision"].read)] = None
    defaults: DefaultsTable = Field(default_factory=DefaultsTable)  # type: ignore[valid-type]
    grid: Annotated[list[GridTable], BeforeValidator(_grids)]  # type: ignore[valid-type]
