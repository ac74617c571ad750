"""The keys of ``[[descent]]``: optimizers walking down surfaces, how each key is read and its default.

A surface is a part of the catalog, or the user's own: ``{path = "mine.py", name = "mine"}``.  Starts are
points with names, ``start = {far = [-1.5, 1.7]}``, or a ``map``: that many on each side of a grid over the
domain.  ``every`` stands for all parts of the catalog: ``{name = "every", lr = [0.01, 0.1]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.study.choices import Choice, family
from sim.study.factors import Key
from sim.study.model import Published
from sim.study.parts import choices, matches, patterns
from sim.study.values import Reader, Trouble, flag, gathered, identifier, inside, integer, key, listed, number

MOST_ON_A_SIDE = 2001


EVERY = "every"


def _each(kind: str) -> Reader:
    """Reads one entry as :func:`~sim.study.parts.choices`; ``every`` reads it for each part of the family."""
    read = choices(kind)

    def expand(value: Any) -> tuple[Choice, ...]:
        table = {"name": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or table.get("name") != EVERY:
            return tuple(read(value))
        return tuple(choice for name in family(kind) for choice in read({**table, "name": name}))

    return expand


def _starts(value: Any) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Points with their names; a bare list of points is numbered."""
    if isinstance(value, list):
        value = {f"start_{place}": point for place, point in enumerate(value, 1)}
    if not isinstance(value, dict) or not value:
        raise Trouble(value, "is no table of points like {far = [-1.5, 1.7]}")
    return tuple(
        (inside(f".{key(name)}", identifier, name), _point(name, point)) for name, point in value.items()
    )


def _point(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise Trouble(value, "is not a point like [-1.5, 1.7]", path=f".{key(name)}")
    return tuple(inside(f".{key(name)}[{place}]", number(), x) for place, x in enumerate(value))


def _published(value: Any) -> tuple[Published, ...]:
    """Rows of {optimizer, steps, share}: what others found, to stand beside what is found."""
    if not isinstance(value, list):
        raise Trouble(value, 'is not a list of rows like {optimizer = "sgd", steps = 500, share = 0.5}')
    return tuple(inside(f"[{place}]", _row, row) for place, row in enumerate(value))


def _row(value: Any) -> Published:
    keys = ("optimizer", "steps", "share")
    if not isinstance(value, dict) or set(value) != set(keys):
        raise Trouble(value, f"is not a row with the keys {', '.join(keys)}")
    found = inside(".optimizer", patterns("optimizer"), value["optimizer"])
    if len(found) != 1:
        raise Trouble(value["optimizer"], "is more than one optimizer", path=".optimizer")
    steps, share = (
        inside(".steps", integer(1), value["steps"]),
        inside(".share", number(0, 1), value["share"]),
    )
    return Published(found[0], steps, share)


def is_published(row: Published, optimizer: Choice, steps: int) -> bool:
    """Whether a published share belongs to this optimizer and budget."""
    return row.steps == steps and matches(row.optimizer, optimizer)


DESCENT_FACTORS: Mapping[str, Key] = {
    "surface": Key(gathered(_each("surface")), "two_wells"),
    "optimizer": Key(gathered(_each("optimizer")), {"name": "sgd", "lr": 0.01}),
    "noise": Key(listed(number(0)), 0.0),
    "steps": Key(listed(integer(1, 100_000_000), whole=True)),
}
"""The factors of a descent in the order of the product."""

STARTS = ("start", "map")

DESCENT: Mapping[str, Key] = {
    **DESCENT_FACTORS,
    "start": Key(_starts),
    "map": Key(integer(2, MOST_ON_A_SIDE)),
    "replicates": Key(integer(1, 1_000_000), 1),
    "positions": Key(integer(0, 10_000)),
    "radius": Key(number(0, above=True), 0.05),
    "tolerance": Key(number(0), 1e-12),
    "published": Key(_published, []),
    "animate": Key(flag, False),
}
"""What a descent may hold besides its name and its question."""
