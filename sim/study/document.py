"""The structure of a study file as pydantic models, built from the tables of keys of its sections.

Each section is checked by itself, with the defaults that it knows.  The models refuse unknown keys, missing
keys and values that no reader accepts, and name the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from sim.study.factors import Key
from sim.study.sections import SECTIONS, keys_of
from sim.study.values import Reader, Trouble, identifier, integer, text


class Strict(BaseModel):
    """A table of the file: no key may stand in it that the model does not name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _field(reader: Reader, default: Any = None) -> Any:
    """A field read by ``reader``; None stands for a key that is not written."""
    return Annotated[Any, BeforeValidator(reader)], Field(default=default)


def _fields(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {name: _field(key.read) for name, key in keys.items()}


def _tables(kind: str, lost: str) -> Reader:
    """``[[grid]]`` and its like must be there, and be written with two brackets."""

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


@cache
def _document(name: str) -> type[Titled]:
    """The model of a file whose only sections are those of this name."""
    section = SECTIONS[name]
    table = create_model(
        f"{name}_table",
        __base__=Strict,
        name=_field(identifier, ...),
        question=_field(text, ""),
        **_fields(section.keys),
    )
    defaults: Any = create_model(f"{name}_defaults", __base__=Strict, **_fields(section.defaults))
    tables: Any = list[table]  # type: ignore[valid-type]
    sections: Any = {name: (Annotated[tables, BeforeValidator(_tables(name, section.lost))], ...)}
    return create_model(
        f"{name}_study",
        __base__=Titled,
        **_fields(section.top),
        defaults=(defaults, Field(default_factory=defaults)),
        **sections,
    )


def read_section(table: Mapping[str, Any], name: str) -> Any:
    """The file as the sections of one name see it, every value read; raises pydantic's ValidationError."""
    return _document(name).model_validate(_seen_by(table, name))


def _seen_by(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The file without what is known and for other sections alone."""
    known, own = keys_of(table), keys_of({name: ()})
    seen = {key: value for key, value in table.items() if key in own["study"] or key not in known["study"]}
    if isinstance(seen.get("defaults"), dict):
        others = set(known["defaults"]) - set(own["defaults"])
        seen["defaults"] = {key: value for key, value in seen["defaults"].items() if key not in others}
    return seen


def keys_in(table: BaseModel) -> dict[str, Any]:
    """What stands in a table of the file, without what does not."""
    return {name: getattr(table, name) for name in type(table).model_fields if name in table.model_fields_set}
