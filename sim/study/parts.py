"""Readers of parts: a name or a table ``{name, parameter = value or list}``, checked against the registry."""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.registry import REQUIRED, Part
from sim.study.choices import Choice, family
from sim.study.own import is_own, own, prove
from sim.study.values import (
    LONGEST_RANGE,
    Reader,
    Trouble,
    flag,
    gathered,
    inside,
    integer,
    key,
    listed,
    number,
    text,
    word,
)

ANY_INTEGER = integer(-(2**53))
READERS: dict[type, Reader] = {bool: flag, int: ANY_INTEGER, float: number(), str: text}
NAMED = {"bool": bool, "int": int, "float": float, "str": str}


def choices(kind: str, special: str | None = None) -> Reader:
    """Reads a part, or a list of parts, into all Choices that the lists of parameters span.

    ``special`` is a name that stands for no part of its own, such as the loss ``auto``.
    """
    return gathered(lambda value: _expand(kind, value, special, complete=True))


def patterns(kind: str, special: str | None = None) -> Reader:
    """Reads parts of an ``exclude`` row: Choices with only the parameters that are written there."""
    return gathered(lambda value: _expand(kind, value, special, complete=False))


def matches(pattern: Choice, choice: Choice) -> bool:
    """Whether a choice is the part of the pattern and agrees with every parameter written there."""
    same_file = pattern.path in ("", choice.path)
    return pattern.name == choice.name and same_file and set(pattern.parameters) <= set(choice.parameters)


def _expand(kind: str, value: Any, special: str | None, complete: bool) -> tuple[Choice, ...]:
    """All Choices of one entry: the product of its parameters, in the order the part declares them."""
    if special is not None and value == special:
        return (Choice(kind, special),)
    part, naming = part_of(kind, value, special), ("path", "name") if is_own(kind, value) else ("name",)
    given = {} if isinstance(value, str) else {name: value[name] for name in value if name not in naming}
    for name in given:
        if name not in part.parameters:
            raise Trouble(name, f"is not a parameter of {part.name}", ["name", *part.parameters])
    for name, default in part.parameters.items():
        if complete and default is REQUIRED and name not in given:
            raise Trouble(name, f"is missing: {kind} {part.name} needs it", path=_below(name))
    values = {
        name: inside(_below(name), parameter(part, name), given[name]) if name in given else (default,)
        for name, default in part.parameters.items()
        if complete or name in given
    }
    if prod(len(entry) for entry in values.values()) > LONGEST_RANGE:
        raise Trouble(
            part.name, f"spans more than {LONGEST_RANGE:,} values: shorten a list of its parameters"
        )
    found = tuple(
        Choice(kind, part.name, tuple(zip(values, row, strict=True)), part.path, part.content)
        for row in itertools.product(*values.values())
    )
    if complete and part.content:
        prove(found)
    return found


def part_of(kind: str, value: Any, special: str | None = None) -> Part:
    """The part that an entry names: of the catalog, or the user's own."""
    if is_own(kind, value):
        return own(kind, value)
    return _named(kind, value, [special, *family(kind)] if special else [*family(kind)])


def _named(kind: str, value: Any, names: list[str]) -> Part:
    """The part that an entry names, by itself or in a table."""
    if not isinstance(value, (str, dict)):
        raise Trouble(value, "is neither the name of a part nor a table with one", names)
    if isinstance(value, dict) and "name" not in value:
        raise Trouble("name", f"is missing: which {kind}?", names)
    name, path = (value, "") if isinstance(value, str) else (value["name"], ".name")
    if not isinstance(name, str) or name not in list(family(kind)):
        raise Trouble(name, f"names no {kind}", names, path)
    return family(kind)[name]


def parameter(part: Part, name: str) -> Reader:
    """A reader for one parameter: a value, a list or a range of what the part's ``limits`` allow.

    The type is that of the default; without one it follows from the limit or the annotation.
    """
    limits = {"lr": Range(0.0, above=True), **part.traits.get("choices", {}), **part.traits.get("limits", {})}
    default, limit = part.parameters[name], limits.get(name)
    if isinstance(limit, tuple):
        return listed(word(*limit))
    kind = type(default)
    if default is REQUIRED or default is None:
        kind = int if getattr(limit, "whole", False) else NAMED.get(_annotation(part, name), float)
    reader = READERS.get(kind, READERS[float])
    return listed(reader if limit is None else _limited(reader, limit), whole=kind is int)


def _annotation(part: Part, name: str) -> str:
    return str(part.function.__annotations__.get(name, "float")).partition(" ")[0]


def _limited(reader: Reader, limit: Range) -> Reader:
    """Reads what ``reader`` reads, where it lies within the limit."""

    def read(value: Any) -> Any:
        taken = reader(value)
        if taken not in limit:
            raise Trouble(value, f"must be {limit}")
        return taken

    return read


def _below(name: str) -> str:
    """The path of a parameter below its part."""
    return f".{key(name)}"
