"""What a step's time goes to: each part replaced by a kernel that does nothing, one at a time.

The parts reach the training loop as functions, so the loop itself stays the compiled one.
What a replacement saves is what the part adds to the rest: the time that disappears when it
disappears. A processor works on several instructions at once, so where a part ran in
the shadow of another it saves less than it takes alone, and the sum of all savings may
differ from the whole; ``rest`` is the difference, which holds the loop, the
sums of the biases and that overlap; ``data`` is the gathering of mini-batches.
Arithmetic on values that a missing part did not write costs the same, for none of it
branches on them; that no replacement made a network diverge, which would end its
training early, is checked.

All variants take turns; a saving is the median of the differences within a turn. Times are those the
cores were busy, so that what others take of the machine does not count.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numba
from numba import types

from sim.bench.measure import Contestant, Peak, Reading, Spread, in_turns
from sim.bench.points import Point
from sim.bench.work import Call, Team, Took, architecture, networks_a_call, work
from sim.kernels import jit
from sim.kernels.fleet import Architecture

KINDS = {
    "product": "products", "scaling_product": "products", "gradient": "products", "transpose": "transposes",
    "gather": "data",
    "activate": "activations", "loss": "loss", "constants": "optimizer", "update": "optimizer", "rest": "",
    "normalize": "normalizer", "normalize_backward": "normalizer", "normalize_evaluate": "",
}  # fmt: skip
"""What each function of the training loop is part of; nothing at all: it does not run in a step."""

CALLS = 16
"""Calls of each thread in a measurement: a sixth of a second on a fast core."""
STATISTICS = 20
"""Checkpoints at which the cost of statistics is measured."""


@cache
def idle(signature: Any) -> Any:
    """A kernel of the signature that does nothing; a loss of 1 where it must return one."""
    names = ", ".join(f"_{place}" for place in range(len(signature.args)))
    body = "pass" if signature.return_type == types.void else "return 1.0"
    scope: dict[str, Any] = {}
    exec(f"def idle({names}): {body}", scope)
    return numba.njit(signature, **jit.FLAGS)(scope["idle"])


def without(made: Architecture, kind: str) -> Architecture:
    """The architecture with all functions of a kind replaced."""
    loop, *groups = made.kernels

    def changed(group: Any) -> Any:
        idling = {
            name: idle(kernel.nopython_signatures[0])
            for name, kernel in group._asdict().items()
            if KINDS.get(name, name) == kind
        }
        return group._replace(**idling)

    variant = replace(made)
    vars(variant)["kernels"] = (loop, *map(changed, groups))  # the cached property, filled before it is asked
    return variant


def kinds(made: Architecture) -> list[str]:
    """What the architecture's time can be split into."""
    names = [name for group in made.kernels[1:] for name in group._fields]
    return list(dict.fromkeys(kind for kind in (KINDS.get(name, name) for name in names) if kind))


def _contestant(team: Team, calls: Sequence[Call], made: Architecture) -> Contestant:
    def train() -> Took:
        fresh = [replace(call.fresh(), architecture=made) for call in calls]
        took = team.carry_out(fresh)
        if any((call.notes.diverged >= 0).any() for call in fresh):
            raise RuntimeError(
                "a network diverged with a part left out: the time measured would be too short"
            )
        return took

    train()
    return train


def _saving(whole: Sequence[Reading], reduced: Sequence[Reading]) -> float:
    pairs = zip(whole, reduced, strict=True)
    return statistics.median(one.took.busy - other.took.busy for one, other in pairs)


def sample(team: Team, point: Point) -> Point:
    """The point with so many networks as a short measurement takes, or as it has."""
    return point.of(networks=min(networks_a_call(point) * CALLS * team.jobs, point.networks))


def split(team: Team, point: Point, peak: Peak, repeats: int) -> dict[str, float]:
    """Microseconds of a network's step on one core by what they are spent on; ``total`` is the whole."""
    small = sample(team, point).of(checkpoints=0)
    made = architecture(small)
    calls = work(small, made).calls
    contestants = {"total": _contestant(team, calls, made)}
    for kind in kinds(made):
        contestants[kind] = _contestant(team, calls, without(made, kind))
    readings = in_turns(contestants, peak, repeats)
    scale = 1e6 / (small.networks * small.steps)
    total = scale * statistics.median(reading.took.busy for reading in readings["total"])
    parts = {kind: scale * _saving(readings["total"], readings[kind]) for kind in kinds(made)}
    return {"total": total, **parts, "rest": total - sum(parts.values())}


def statistics_cost(
    team: Team, point: Point, peak: Peak, repeats: int, checkpoints: int = STATISTICS
) -> dict[str, Any]:
    """How much longer training takes with all layers' statistics at so many checkpoints, as a share.

    With and without take turns; a share is that of neighbours.
    """
    small = sample(team, point)
    made = architecture(small)
    contestants = {
        name: _contestant(team, work(small.of(checkpoints=count), made).calls, made)
        for name, count in (("without", 0), ("with", checkpoints))
    }
    readings = in_turns(contestants, peak, repeats)
    pairs = zip(readings["with"], readings["without"], strict=True)
    shares = Spread.of([full.took.busy / bare.took.busy - 1 for full, bare in pairs])
    return {"checkpoints": checkpoints, "share_of_training": asdict(shares)}
