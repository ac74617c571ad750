"""What no single key can tell: keys that contradict each other, products that are too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from sim.errors import StudyError, complaint
from sim.study.comparison import Problem
from sim.study.model import Descent, Grid, Study
from sim.study.values import key

MOST_NETWORKS = 10_000_000
MOST_STARTS = 100_000_000


def check_grid(grid: Grid, where: str) -> None:
    """Raise StudyError where keys of a grid contradict each other."""
    _check_targets(grid, where)
    _check_residual(grid, where)
    for kind in ("exclude", "include"):
        for index, row in enumerate(getattr(grid, kind)):
            _check_row(grid, row, f"{where}.{kind}[{index}]")


def check_problem(problem: Problem, where: str) -> None:
    """Raise StudyError where a problem is more than one, or its metric is not measured."""
    for name, values in problem.grid.factors.items():
        if len(values) != 1:
            raise StudyError(complaint(f"{where}.{name}", len(values), "values: a problem has one of each"))
    split, measured = problem.metric.partition("_")[0], problem.settings.measure
    if split not in measured:
        wrong = f"is not measured: measure leaves out {split!r}"
        raise StudyError(complaint(f"{where}.metric", problem.metric, wrong, measured))
    if problem.rising and (problem.level or 0) > 1:
        raise StudyError(complaint(f"{where}.level", problem.level, "is no accuracy: it is above 1"))


def check_study(study: Study) -> None:
    """Raise StudyError for parts of one name, and for more networks or starts than a machine would finish."""
    seen: dict[str, str] = {}
    for where, name in _named(study):
        if name in seen:
            raise StudyError(
                complaint(f"{study.source}: {where}.name", name, f"is the name of {seen[name]} already")
            )
        seen[name] = where
    for index, descent in enumerate(study.descents):
        _check_size(descent, f"{study.source}: descent[{index}] {descent.name!r}")
    _check_founding(study)
    total = sum(networks_at_most(grid) for grid in study.grids)
    if total > MOST_NETWORKS:
        problem = f"networks are more than {MOST_NETWORKS:,}: shorten a list of values"
        raise StudyError(complaint(f"{study.source}: grid", total, problem))


def _named(study: Study) -> Iterator[tuple[str, str]]:
    """Place and name of every part of the study."""
    for sections in study.parts.values():
        for section, parts in sections.items():
            for index, part in enumerate(parts):
                yield f"{section}[{index}]", part.name


def _check_founding(study: Study) -> None:
    """Raise StudyError where no optimizer is there to set a problem's target."""
    for index, problem in enumerate(study.problems):
        if study.comparison and not study.comparison.founding and problem.level is None:
            where = f"{study.source}: problem[{index}] {problem.name!r}.level"
            wrong = "is missing, and comparison.founding names no optimizers to set it"
            raise StudyError(complaint(where, "level", wrong))


def _check_size(descent: Descent, where: str) -> None:
    runs = descent.replicates * prod(len(values) for values in descent.factors.values())
    if runs * descent.starts > MOST_STARTS:
        problem = f"starts are more than {MOST_STARTS:,}: shorten a list of values or the map"
        raise StudyError(complaint(where, runs * descent.starts, problem))


def networks_at_most(grid: Grid) -> int:
    """How many networks the product has before rows are excluded."""
    products = [grid.factors, *({**grid.factors, **row} for row in grid.include)]
    return grid.replicates * sum(prod(len(values) for values in factors.values()) for factors in products)


def _check_targets(grid: Grid, where: str) -> None:
    measured = grid.settings.measure
    for index, target in enumerate(grid.settings.targets):
        if target.split not in measured:
            problem = f"is not measured: measure leaves out {target.split!r}"
            raise StudyError(complaint(f"{where}.target[{index}].metric", target.metric, problem, measured))


def _check_residual(grid: Grid, where: str) -> None:
    """A residual connection joins two hidden layers, so fewer than two leave it nothing to do."""
    depths = set(grid.factors["depth"]).union(*(row.get("depth", ()) for row in grid.include))
    if True in grid.factors["residual"] and max(depths) < 2:
        problem = f"needs two hidden layers, but depth is at most {max(depths)}"
        raise StudyError(complaint(f"{where}.residual", True, problem))


def _check_row(grid: Grid, row: Mapping[str, tuple[Any, ...]], where: str) -> None:
    for name in row:
        if name not in grid.factors:
            problem = "is not a factor of this grid, which counts the other of steps and epochs"
            raise StudyError(complaint(where, name, problem, [key(factor) for factor in grid.factors]))
