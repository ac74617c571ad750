"""The cells of a grid: the product of its factors, without what is excluded, with what is included."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from sim.errors import StudyError, complaint
from sim.study.choices import Choice
from sim.study.model import Grid
from sim.study.parts import matches

Cell = tuple[Any, ...]
"""One value for each of ``grid.factors``, in their order."""


def cells(grid: Grid, where: str) -> list[Cell]:
    """All cells of a grid in the order of the product, the first factor slowest, then the included ones.

    ``exclude`` rows leave out what agrees with all their factors. An ``include`` row is the grid's product
    with its own values in place of the grid's; cells that are there already are not repeated. Raises
    StudyError where nothing is left of the grid or of an ``include`` row.
    """
    dropped = [_excluded(grid, row) for row in grid.exclude]
    _check_exclude(grid, dropped, where)
    found = _product(grid.factors, dropped)
    if grid.include:
        known = dict.fromkeys(found)
        for index, row in enumerate(grid.include):
            more = _product({**grid.factors, **row}, dropped)
            if not more:
                raise StudyError(
                    complaint(
                        f"{where}.include[{index}]", ", ".join(row), "is contradicted: exclude leaves nothing"
                    )
                )
            known.update(dict.fromkeys(more))
        found = list(known)
    if not found:
        raise StudyError(
            complaint(f"{where}.exclude", len(grid.exclude), "rows leave out every network of the grid")
        )
    return found


def _check_exclude(grid: Grid, dropped: list[Callable[[Cell], bool]], where: str) -> None:
    """Raise StudyError for an ``exclude`` row that leaves nothing out: mistyped, most likely."""
    rows = [grid.factors, *({**grid.factors, **row} for row in grid.include)]
    for index, (row, drop) in enumerate(zip(grid.exclude, dropped, strict=True)):
        if not any(drop(cell) for factors in rows for cell in itertools.product(*factors.values())):
            raise StudyError(complaint(f"{where}.exclude[{index}]", ", ".join(row), "leaves out no network"))


def _product(factors: Mapping[str, tuple[Any, ...]], dropped: list[Callable[[Cell], bool]]) -> list[Cell]:
    product = itertools.product(*factors.values())
    return [cell for cell in product if not any(drop(cell) for drop in dropped)] if dropped else list(product)


def _excluded(grid: Grid, row: Mapping[str, tuple[Any, ...]]) -> Callable[[Cell], bool]:
    """Whether a cell agrees with every factor of an ``exclude`` row."""
    names = list(grid.factors)
    tests = [(names.index(name), values) for name, values in row.items()]
    return lambda cell: all(any(_agrees(cell[place], value) for value in values) for place, values in tests)


def _agrees(value: Any, wanted: Any) -> bool:
    return matches(wanted, value) if isinstance(wanted, Choice) else bool(value == wanted)
