"""Whether the runs of a study can answer its claims; what is wrong is found before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.study.claim_cells import Cell, Member, Pair, Pool, members_of, pools_of, rates_of
from sim.study.claim_load import error_of, place_of
from sim.study.claims import Claim
from sim.study.comparison import TARGET
from sim.study.model import Grid, Study
from sim.study.quantities import (
    COMPARISON,
    DESCENT,
    GRID,
    LOG_STEPS,
    OF_NETWORKS,
    OF_SURFACES,
    STEPS,
    SUCCESS,
    Quantity,
    quantity_of,
)
from sim.study.resolve import shape
from sim.study.values import Trouble

ON_A_SIDE = {"a": "b", "b": "a"}


def check_claims(study: Study) -> None:
    """Raise StudyError for the first claim that the study's runs cannot answer."""
    for place, claim in enumerate(study.claims):
        try:
            _check(study, claim)
        except Trouble as trouble:
            raise error_of(place_of(study.source, place, claim.name), trouble) from None


def _check(study: Study, claim: Claim) -> None:
    pools = pools_of(study, claim)
    _check_quantity(claim, claim.quantity, pools, ".quantity")
    members = members_of(study, claim)
    _check_measured(claim, pools, members)
    _check_sides(claim, pools, members)
    _check_by(claim, members)
    _check_rates(claim, pools, members)
    if claim.compare == "wins" and (
        claim.direction == "neither" or not claim.paired or claim.than is not None
    ):
        raise Trouble(claim.compare, "needs pairs, and a direction in which to win", path=".compare")


def _check_quantity(claim: Claim, name: str, pools: Mapping[str, Pool], path: str) -> None:
    """It must be known, and so must its target be to both sides."""
    for pool in pools.values():
        names = _targets(pool)
        known = [*(OF_SURFACES if pool.kind == DESCENT else OF_NETWORKS)]
        known += [prefix + target for prefix in (STEPS, LOG_STEPS, SUCCESS) for target in names]
        if name not in known:
            raise Trouble(name, f"is not a quantity of {pool.kind} {pool.name!r}", known, path=path)
        if name == "success" and pool.kind == GRID and not names:
            raise Trouble(name, f"needs a target, and grid {pool.name!r} has none", path=path)


def _targets(pool: Pool) -> list[str]:
    """Names of the targets that the networks of a pool have."""
    if pool.kind == COMPARISON:
        return [TARGET]
    return [target.name for target in pool.part.settings.targets] if pool.kind == GRID else []


def _check_measured(claim: Claim, pools: Mapping[str, Pool], members: list[Member]) -> None:
    for side, pool in pools.items():
        quantity = quantity_of(pool.kind, claim.quantity)
        assert quantity is not None
        if claim.checkpoint is not None and quantity.at is None:
            raise Trouble(claim.checkpoint, f"is of no use to {claim.quantity}", path=".checkpoint")
        if pool.kind == DESCENT:
            continue
        mine = [pool.cells[member.cell] for member in members if member.side == side]
        grids = [p.grid for p in pool.part] if pool.kind == COMPARISON else [pool.part]
        for grid in grids:
            _check_settings(claim, quantity, grid)
        if pool.kind == COMPARISON:
            wanted = {cell["problem"] for cell in mine}
            mine = [{k: v[0] for k, v in grid.factors.items()} for grid in grids if grid.name in wanted]
        _check_networks(claim, quantity, side, mine)


def _check_settings(claim: Claim, quantity: Quantity, grid: Grid) -> None:
    """The grid must measure what the claim is about, at the checkpoint it names."""
    settings = grid.settings
    for needed in quantity.needs:
        if needed not in settings.measure:
            problem = f"needs {needed!r}, which grid {grid.name!r} does not measure"
            raise Trouble(claim.quantity, problem, settings.measure, path=".quantity")
    if claim.checkpoint is not None and claim.checkpoint >= settings.checkpoints.num:
        problem = f"is more than grid {grid.name!r} has: 0 … {settings.checkpoints.num - 1}"
        raise Trouble(claim.checkpoint, problem, path=".checkpoint")


def _check_networks(claim: Claim, quantity: Quantity, side: str, cells: Sequence[Cell]) -> None:
    """The networks must be deep enough for the quantity, and their data have what it counts."""
    if quantity.hidden > min(cell["depth"] for cell in cells):
        problem = f"needs {quantity.hidden} hidden layers, and {side} has networks of fewer"
        raise Trouble(claim.quantity, problem, path=".quantity")
    regressions = [cell["dataset"] for cell in cells if not shape(cell["dataset"]).classes]
    if quantity.classes and regressions:
        problem = f"is measured for classes only, and {regressions[0].label} is a regression"
        raise Trouble(claim.quantity, problem, path=".quantity")


def _check_sides(claim: Claim, pools: Mapping[str, Pool], members: list[Member]) -> None:
    """The sides must be different runs, and pairs must be complete."""
    cells = {side: {(m.pool, m.cell) for m in members if m.side == side} for side in pools}
    if claim.than is None and cells["a"] == cells["b"]:
        raise Trouble(dict(claim.b), "selects the same runs as a", path=".b")
    both = cells["a"] & cells["b"] if claim.than is None else set()
    if both:
        raise Trouble(dict(claim.b), f"shares {len(both)} of its cells with a", path=".b")
    counts = {side: units(pool) for side, pool in pools.items()}
    if min(counts.values()) < 2:
        raise Trouble(min(counts.values()), "replicates: evidence needs two at least", path=".on")
    if not claim.paired or claim.than is not None:
        return
    if len(set(counts.values())) > 1:
        problem = f"cannot be kept: a has {counts['a']} replicates, b has {counts['b']}"
        raise Trouble(True, problem, path=".paired")
    for side, other in ON_A_SIDE.items():
        pairs = {s: {m.pair for m in members if m.side == s and not m.reference} for s in pools}
        alone = [pair for pair in pairs[side] if pair not in pairs[other]]
        if alone:
            lone = min(alone, key=repr)
            problem = (
                f"cannot be kept: {len(alone)} of the {len(pairs[side])} settings of {side} "
                f"have no partner in {other}, such as {_difference(lone, pairs[other])}"
            )
            raise Trouble(True, problem, path=".paired")


def units(pool: Pool) -> int:
    """How many independent pieces of evidence a pool holds: replicates of networks, starts on surfaces."""
    return int(pool.part.starts) if pool.kind == DESCENT else pool.replicates


def _difference(lone: Pair, others: set[Pair]) -> str:
    """What sets a setting apart from those of the other side."""
    common = {entry for other in others for entry in other}
    apart = [entry for entry in lone if entry not in common] or list(lone)
    return ", ".join(f"{name} = {value}" for name, value in apart)


def _check_by(claim: Claim, members: list[Member]) -> None:
    for place, name in enumerate(claim.by):
        shared = list(dict.fromkeys(key for member in members for key, _ in member.pair))
        levels = {m.levels[place] for m in members if not m.reference}
        if name not in shared:
            raise Trouble(name, "is not what the two sides have in common", shared, path=f".by[{place}]")
        if len(levels) < 2:
            (only,) = levels
            raise Trouble(name, f"has one level here, {only}: it needs two", path=f".by[{place}]")


def _check_rates(claim: Claim, pools: Mapping[str, Pool], members: list[Member]) -> None:
    """What ``tuned`` and ``misset`` need: a known way to choose, rates to choose from, their neighbours."""
    if claim.misset is not None and not claim.tuned:
        raise Trouble(claim.misset, "needs tuned: missed is the best rate", path=".misset")
    if not claim.tuned:
        return
    if pools["a"].kind == COMPARISON:
        raise Trouble(claim.tuned, "is what a comparison does by itself: setting = tuned", path=".tuned")
    criterion = claim.quantity if claim.tuned is True else str(claim.tuned)
    _check_quantity(claim, criterion, pools, ".tuned")
    quantity = quantity_of(pools["a"].kind, criterion)
    if quantity is None or not quantity.better:
        problem = f"does not say which rate is best: {criterion} is neither better higher nor lower"
        raise Trouble(claim.tuned, problem, path=".tuned")
    if min(units(pool) for pool in pools.values()) < 3:
        raise Trouble(claim.tuned, "needs 3 replicates: one to choose on, two to judge", path=".tuned")
    rates = rates_of(members)
    if max((len(found) for found in rates.values()), default=0) < 2:
        raise Trouble(claim.tuned, "finds one learning rate on each side: none to choose", path=".tuned")
    for (side, *_), found in rates.items():
        if claim.misset is not None and not missable(found, claim.misset):
            problem = (
                f"has no learning rate of {side} with neighbours {claim.misset:g} times lower and higher"
            )
            raise Trouble(claim.misset, problem, map(str, sorted(found)), path=".misset")


def missable(rates: set[float], factor: float) -> dict[float, tuple[float, float]]:
    """Rates that can be missed both ways -> the one ``factor`` times lower and higher, within 2 %."""
    found = {}
    for rate in rates:
        low, high = (
            next((other for other in rates if abs(other / wanted - 1) < 0.02), None)
            for wanted in (rate / factor, rate * factor)
        )
        if low is not None and high is not None:
            found[rate] = (low, high)
    return found
