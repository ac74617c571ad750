"""Claims: a sentence, two selections of runs, and what must come out for the sentence to hold.

    [[claim]]
    name = "deeper_vanishes_more"
    sentence = "Deeper networks vanish more."
    on = "depth"                          # the grid or descent its runs come from, or "comparison"
    a = { depth = 20 }                    # factor -> value or list; a part may leave parameters open
    b = { depth = 5 }
    where = { activation = ["sigmoid", "tanh"] }   # what holds for both sides
    quantity = "log10_gradient_ratio"     # see sim.study.quantities
    direction = "lower"                   # a is lower | higher than b; or "neither" of them
    matters = 0.5                         # the smallest effect that matters, in units of the quantity
    by = ["activation"]                   # does it depend on this?

``a`` and ``b`` may hold an ``on`` of their own.  In place of ``b``, ``than`` is a number that a is told
against.  ``paired`` (true): runs are paired over replicate and all that the sides share.  What
``compare = "wins"`` counts is not the difference, but in how many pairs a beats every one of b, above one
half.  ``tuned``: true, or the quantity by which each side's best learning rate is chosen, on replicates of
its own.  ``misset``: what is lost when that rate is missed by this factor.  ``relative_to``: what changes
against the same runs with these factors.  ``checkpoint``: where gradients and updates are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sim.study.factors import Key
from sim.study.values import Trouble, flag, identifier, integer, number, text, word

DIRECTIONS = ("higher", "lower", "neither")
COMPARISONS = ("difference", "wins")


@dataclass(frozen=True)
class Claim:
    """A claim as written; the selections are checked against the study by :mod:`sim.study.claim_cells`."""

    name: str
    sentence: str
    on: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    where: Mapping[str, Any]
    quantity: str
    direction: str
    matters: float
    paired: bool
    compare: str
    tuned: bool | str
    misset: float | None
    relative_to: Mapping[str, Any]
    checkpoint: int | None
    by: tuple[str, ...]
    than: float | None

    @property
    def sides(self) -> tuple[str, ...]:
        """Names of the selections: a and b, or a alone where it is told against a number."""
        return ("a", "b") if self.than is None else ("a",)

    def __post_init__(self) -> None:
        for name in ("a", "b", "where", "relative_to"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:
        values = (getattr(self, name) for name in self.__dataclass_fields__)
        return Claim, tuple(dict(value) if isinstance(value, Mapping) else value for value in values)

    def as_dict(self) -> dict[str, Any]:
        """The table of the file, without what is not written in it."""
        kept = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in kept.items() if v is not None}
        if self.than is not None:
            del plain["b"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def _selection(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Trouble(value, "is not a selection of runs like {depth = [10, 20]}")
    return value


def _words(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    for index, entry in enumerate(listed):
        if not isinstance(entry, str):
            raise Trouble(entry, "is not the name of a factor", path=f"[{index}]")
        if entry in listed[:index]:
            raise Trouble(entry, "is listed twice", path=f"[{index}]")
    return tuple(listed)


def _sentence(value: Any) -> str:
    if not text(value).strip():
        raise Trouble(value, "is empty: what is claimed?")
    return str(value)


def _tuned(value: Any) -> bool | str:
    if not isinstance(value, (bool, str)):
        raise Trouble(value, "is neither true nor false nor a quantity")
    return value


CLAIM: Mapping[str, Key] = {
    "name": Key(identifier),
    "sentence": Key(_sentence),
    "on": Key(text, ""),
    "a": Key(_selection),
    "b": Key(_selection, {}),
    "where": Key(_selection, {}),
    "quantity": Key(text),
    "direction": Key(word(*DIRECTIONS)),
    "matters": Key(number(0, above=True)),
    "paired": Key(flag, True),
    "compare": Key(word(*COMPARISONS), "difference"),
    "tuned": Key(_tuned, False),
    "misset": Key(number(1, above=True), None),
    "relative_to": Key(_selection, {}),
    "checkpoint": Key(integer(-1, 9_999), None),
    "by": Key(_words, []),
    "than": Key(number(), None),
}
"""The keys of ``[[claim]]``: how each is read; those without a default must be written."""


def claim_of(written: Mapping[str, Any]) -> Claim:
    """The claim of a table whose values have been read; what is not written gets its default."""
    defaults = {"by": ()}
    return Claim(**{name: written.get(name, defaults.get(name, key.default)) for name, key in CLAIM.items()})
