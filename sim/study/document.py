"""The structure of a study file as pydantic models, built from the table of factors and settings.

The models refuse unknown keys, missing keys and values that no reader accepts, and name the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from sim.study.factors import COMMON, GRID, SETTINGS, Key
from sim.study.surface_factors import DESCENT
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
DescentDefaultsTable = create_model("DescentDefaultsTable", __base__=Strict, **_fields(DESCENT))
DescentTable = create_model(
    "DescentTable",
    __base__=Strict,
    name=_field(identifier, ...),
    question=_field(text, ""),
    **_fields(DESCENT),
)


def _tables(kind: str, lost: str) -> Reader:
    """``[[grid]]`` or ``[[descent]]`` must be there, and be written with two brackets."""

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Trouble(value, f"is not a list of {kind}s: write [[{kind}]]")
        if not value:
            raise Trouble(value, f"is an empty list: it would leave no {lost}")
        return value

    return read


class Titled(Strict):
    """What every study has."""

    title: Annotated[str, BeforeValidator(text)] = ""
    question: Annotated[str, BeforeValidator(text)] = ""
    seed: Annotated[int, BeforeValidator(integer(0))] = 0


class StudyTable(Titled):
    """The whole file of a study of networks."""

    precision: Annotated[Any, BeforeValidator(SETTINGS["precision"].read)] = None
    defaults: DefaultsTable = Field(default_factory=DefaultsTable)  # type: ignore[valid-type]
    grid: Annotated[list[GridTable], BeforeValidator(_tables("grid", "network"))]  # type: ignore[valid-type]


class SurfaceStudyTable(Titled):
    """The whole file of a study of surfaces."""

    defaults: DescentDefaultsTable = Field(default_factory=DescentDefaultsTable)  # type: ignore[valid-type]
    descent: Annotated[list[DescentTable], BeforeValidator(_tables("descent", "start"))]  # type: ignore[valid-type]


def keys_in(table: BaseModel) -> dict[str, Any]:
    """What stands in a table of the file, without what does not."""
    return {name: getattr(table, name) for name in type(table).model_fields if name in table.model_fields_set}
