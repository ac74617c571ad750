"""The runs a claim speaks of: which cells are on which side, and which belong together.

Cells are those of a grid or a descent; those of ``on = "comparison"`` are problem × optimizer (its name in
the comparison) × setting (tuned or default), as run on the seeds of the report.

Two cells are a pair where they agree in everything that the sides have in common.  A factor that ``a`` or
``b`` names is what the sides differ in; where both name the same part it is only the parameters written
there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.study.cells import cells
from sim.study.choices import HOMES, Choice
from sim.study.claims import Claim
from sim.study.factors import FACTORS
from sim.study.model import Study
from sim.study.parts import matches, patterns
from sim.study.quantities import COMPARISON
from sim.study.surface_factors import DESCENT_FACTORS
from sim.study.values import Trouble, inside, listed, text

Cell = Mapping[str, Any]
Pair = tuple[tuple[str, Any], ...]
"""Factor -> value of all that makes two cells partners."""
Values = Mapping[str, tuple[Any, ...]]
RATE = "optimizer.lr"
SETTINGS = ("tuned", "default")


@dataclass(frozen=True)
class Pool:
    """A grid, descent or comparison that claims may draw runs from: its cells in the order of the plan."""

    kind: str
    name: str
    part: Any
    cells: tuple[Cell, ...]
    replicates: int

    def values(self, factor: str) -> list[Any]:
        """The values a factor takes, in the order of the plan."""
        return list(dict.fromkeys(cell[factor] for cell in self.cells))


@dataclass(frozen=True)
class Member:
    """A cell on one side of a claim.

    ``pair``: all that pairs must have in common; ``base``: the same without the factors of ``relative_to``;
    ``arm``: what a side's cells of one pair differ in, learning rates aside; ``levels``: those of ``by``;
    ``reference``: what the others are told against; ``cell``: its place in the pool.
    """

    side: str
    pool: str
    cell: int
    pair: Pair
    base: Pair
    arm: Pair
    rate: float | None
    levels: tuple[Any, ...]
    reference: bool


def pool_of(study: Study, name: str) -> Pool:
    """The grid or descent of that name with its cells; raises Trouble where there is none."""
    known = [grid.name for grid in study.grids] + [descent.name for descent in study.descents]
    if study.comparison is not None:
        known.append(COMPARISON)
        if name == COMPARISON:
            return _comparison(study)
    if name not in known:
        raise Trouble(name, "is neither a grid nor a descent of this study", known)
    for place, grid in enumerate(study.grids):
        if grid.name == name:
            names = tuple(grid.factors)
            found = cells(grid, f"{study.source}: grid[{place}] {name!r}")
            dicts = tuple(dict(zip(names, cell, strict=True)) for cell in found)
            return Pool("grid", name, grid, dicts, grid.replicates)
    descent = next(descent for descent in study.descents if descent.name == name)
    product = itertools.product(*descent.factors.values())
    dicts = tuple(dict(zip(descent.factors, cell, strict=True)) for cell in product)
    return Pool("descent", name, descent, dicts, descent.replicates)


def _comparison(study: Study) -> Pool:
    """The last stage of the study's comparison."""
    rules = study.comparison
    assert rules is not None
    names = ([p.name for p in study.problems], [entrant.name for entrant in rules.entrants], SETTINGS)
    keys = ("problem", "optimizer", "setting")
    found = tuple(dict(zip(keys, cell, strict=True)) for cell in itertools.product(*names))
    return Pool(COMPARISON, COMPARISON, study.problems, found, rules.report_seeds)


def pools_of(study: Study, claim: Claim) -> dict[str, Pool]:
    """What each side draws its runs from; raises Trouble where they are not of one kind."""
    found = {}
    for side in claim.sides:
        own = "on" in getattr(claim, side)
        name = getattr(claim, side)["on"] if own else claim.on
        found[side] = inside(f".{side}.on" if own else ".on", lambda name: pool_of(study, name), name)
    if len({pool.kind for pool in found.values()}) > 1:
        raise Trouble(found["b"].name, f"is a {found['b'].kind}, a is of a {found['a'].kind}", path=".b.on")
    return found


def rates_of(members: Iterable[Member]) -> dict[tuple[Any, ...], set[float]]:
    """(side, pair, arm) -> the learning rates that can be chosen from."""
    found: dict[tuple[Any, ...], set[float]] = {}
    for member in members:
        if member.rate is not None:
            key = (member.side, member.pair, member.arm, member.reference)
            found.setdefault(key, set()).add(member.rate)
    return found


def members_of(study: Study, claim: Claim) -> list[Member]:
    """Every cell of both sides; raises Trouble for a selection that is empty or names what is not there."""
    pools, chosen = pools_of(study, claim), {}
    for side in claim.sides:
        selection = {name: value for name, value in getattr(claim, side).items() if name != "on"}
        chosen[side] = _read(pools[side], selection, f".{side}")
        if not chosen[side] and len({pool.name for pool in pools.values()}) == 1 < len(pools):
            raise Trouble(selection, "names no factor: it must say what is compared", path=f".{side}")
    found = {side: _selected(pools[side], chosen[side], claim, side) for side in claim.sides}
    differ = set()
    if claim.than is None:
        differ = _differing(chosen, pools, {side: found[side][0] for side in claim.sides})
    members = []
    for side in claim.sides:
        for cell, reference in [(c, False) for c in found[side][0]] + [(c, True) for c in found[side][1]]:
            members.append(_member(claim, side, pools[side], cell, reference, differ))
    return members


def told(value: Any) -> str:
    """A factor's value as a study writes it, with the learning rate of an optimizer."""
    if value is None or isinstance(value, bool):
        return "all" if value is None else str(value).lower()
    if not isinstance(value, Choice):
        return str(value)
    rate = dict(value.parameters).get("lr")
    return value.label if rate is None else f"{value.label}, lr={rate:g}"


def _read(pool: Pool, selection: Mapping[str, Any], path: str) -> Values:
    """Factor -> values of a selection, each of which some cell has."""
    known = [*pool.cells[0]]
    found = {}
    for name, value in selection.items():
        if name not in known:
            raise Trouble(name, f"is not a factor of {pool.kind} {pool.name!r}", known, path=path)
        found[name] = inside(f"{path}.{name}", _reader(pool.kind, name), value)
        for entry in found[name]:
            if not any(_agrees(value, entry) for value in pool.values(name)):
                choices = dict.fromkeys(told(value) for value in pool.values(name))
                problem = f"is no {name} of {pool.kind} {pool.name!r}"
                raise Trouble(told(entry), problem, choices, path=f"{path}.{name}")
    return found


def _reader(kind: str, name: str) -> Callable[[Any], Any]:
    if kind == COMPARISON:
        return listed(text)
    if name in HOMES:
        return patterns(name, "auto" if name == "loss" else None)
    return (FACTORS if kind == "grid" else DESCENT_FACTORS)[name].read


def _agrees(value: Any, wanted: Any) -> bool:
    return matches(wanted, value) if isinstance(wanted, Choice) else bool(value == wanted)


def _selected(pool: Pool, chosen: Values, claim: Claim, side: str) -> tuple[list[int], list[int]]:
    """Places of a side's cells, and of those that stand for ``relative_to``."""
    both = _read(pool, claim.where, ".where")
    twice = next((name for name in both if name in chosen), None)
    if twice is not None:
        raise Trouble(twice, f"is chosen by {side} already", path=".where")
    reference = _read(pool, claim.relative_to, ".relative_to")
    wanted = {**both, **chosen}
    selected = _having(pool, wanted)
    if not reference:
        references = []
    else:
        references = _having(pool, {**wanted, **reference})
        selected = [place for place in selected if place not in set(references)]
        if not references:
            raise Trouble(dict(claim.relative_to), f"leaves no run of {side}", path=".relative_to")
    if not selected:
        raise Trouble(", ".join([*chosen, *both]), f"leave no run of {pool.name!r}", path=f".{side}")
    return selected, references


def _having(pool: Pool, wanted: Values) -> list[int]:
    """Places of the cells that have one of the wanted values in every factor."""
    return [
        place
        for place, cell in enumerate(pool.cells)
        if all(any(_agrees(cell[name], value) for value in values) for name, values in wanted.items())
    ]


def _differing(
    chosen: Mapping[str, Values], pools: Mapping[str, Pool], places: Mapping[str, Iterable[int]]
) -> set[str]:
    """What the sides differ in: names of factors, and of parameters as ``optimizer.beta1``."""
    found: set[str] = set()
    for factor in dict.fromkeys([*chosen["a"], *chosen["b"]]):
        values = [pools[side].cells[place].get(factor) for side in pools for place in places[side]]
        names = {value.name if isinstance(value, Choice) else None for value in values}
        written = [entry for side in pools for entry in chosen[side].get(factor, ())]
        pinned = {name for entry in written if isinstance(entry, Choice) for name, _ in entry.parameters}
        if len(names) == 1 and None not in names and pinned:
            found |= {f"{factor}.{name}" for name in pinned}
        else:
            found.add(factor)
    return found


def described(cell: Cell) -> dict[str, Any]:
    """A cell with the parameters of its parts as factors of their own: ``optimizer``, ``optimizer.beta1``."""
    found: dict[str, Any] = {}
    for factor, value in cell.items():
        found[factor] = value.name if isinstance(value, Choice) else value
        if isinstance(value, Choice):
            found |= {f"{factor}.{name}": setting for name, setting in value.parameters}
    return found


def _member(claim: Claim, side: str, pool: Pool, place: int, reference: bool, differ: set[str]) -> Member:
    cell = pool.cells[place]
    values = described(cell)
    own = {key for key in values if key in differ or key.partition(".")[0] in differ}
    rate = values.get(RATE)
    if claim.tuned:
        own.add(RATE)
    apart = {key for key in values if key.partition(".")[0] in claim.relative_to}
    shared = {key: value for key, value in values.items() if key not in own}
    arm = {key: value for key, value in values.items() if key in own - apart - {RATE}}
    return Member(
        side,
        pool.name,
        place,
        tuple(shared.items()),
        tuple((key, value) for key, value in shared.items() if key not in apart),
        tuple(arm.items()),
        None if rate is None else float(rate),
        tuple(_level(cell, values, name) for name in claim.by),
        reference,
    )


def _level(cell: Cell, values: Mapping[str, Any], name: str) -> Any:
    """A level of a factor or of a parameter; None where the cell has no such thing."""
    if name in cell:
        value = cell[name]
        return value.label if isinstance(value, Choice) else told(value) if value is None else value
    return values.get(name)
