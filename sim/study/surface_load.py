"""From a ``[[descent]]`` table to a Descent whose surfaces exist and whose starts lie on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.catalog.surfaces import domain_of, is_separable
from sim.errors import StudyError, complaint
from sim.study.document import keys_in
from sim.study.model import Descent
from sim.study.surface_factors import DESCENT, DESCENT_FACTORS, STARTS, is_published

POSITIONS = {"start": 100, "map": 0}
"""How many positions of a path are kept where the file does not say: those of single starts are drawn."""


def descent_of(table: Any, shared: Mapping[str, Any], where: str, folder: Path) -> Descent:
    """The descent; its own ``start`` or ``map`` silences those of the defaults. Raises StudyError."""
    own = keys_in(table)
    starts = _starts(own, where) or _starts(shared, where)
    if starts is None:
        raise StudyError(complaint(where, "start", "is missing: write start or map", STARTS))
    given = {**{name: value for name, value in shared.items() if name not in STARTS}, **own}
    if "steps" not in given:
        raise StudyError(complaint(where, "steps", "is missing"))
    given.setdefault("positions", POSITIONS[starts])
    source = own if starts in own else shared
    values = {
        name: given[name] if name in given else key.read(key.default)
        for name, key in DESCENT.items()
        if name not in STARTS
    }
    descent = Descent(
        table.name,
        table.question,
        {name: values[name] for name in DESCENT_FACTORS},
        source[starts] if starts == "start" else (),
        source[starts] if starts == "map" else None,
        **{name: values[name] for name in DESCENT if name not in (*DESCENT_FACTORS, *STARTS)},
    )
    _check_starts(descent, where)
    _check_published(descent, where)
    return descent


def _starts(given: Mapping[str, Any], where: str) -> str | None:
    """Which of ``start`` and ``map`` is written."""
    found = [name for name in STARTS if name in given]
    if len(found) > 1:
        raise StudyError(complaint(where, "map", "stands beside 'start': write exactly one of the two"))
    return found[0] if found else None


def _check_starts(descent: Descent, where: str) -> None:
    """Every start has the coordinates its surfaces take, and lies within their domains."""
    counts = {len(point) for _, point in descent.start}
    if len(counts) > 1:
        raise StudyError(
            complaint(f"{where}.start", sorted(counts), "coordinates: starts must have equally many")
        )
    for choice in descent.factors["surface"]:
        part = choice.part
        if descent.dimensions != 2 and not is_separable(part):
            problem = f"coordinates: {choice.label} has two"
            raise StudyError(complaint(f"{where}.start", descent.dimensions, problem))
        box = domain_of(part, descent.dimensions)
        for name, point in descent.start:
            if not all(low <= x <= high for x, (low, high) in zip(point, box, strict=True)):
                shown = " × ".join(f"[{low:g}, {high:g}]" for low, high in dict.fromkeys(box))
                problem = f"lies outside the domain {shown} of {choice.label}"
                raise StudyError(complaint(f"{where}.start.{name}", list(point), problem))


def _check_published(descent: Descent, where: str) -> None:
    """A published share must have an optimizer to stand beside; its budget may be left out."""
    for index, row in enumerate(descent.published):
        if not any(is_published(row, choice, row.steps) for choice in descent.factors["optimizer"]):
            problem = "with these settings is not among the optimizers of this descent"
            raise StudyError(complaint(f"{where}.published[{index}]", row.optimizer.name, problem))
