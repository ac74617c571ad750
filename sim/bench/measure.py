"""Every measurement stands between two of the peak, and what counts is the median of several.

The clock of a processor changes with heat and neighbours; the share of a peak that was
measured just before and just after changes much less.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sim.bench.peak import Speed, loop_for
from sim.bench.points import Point
from sim.bench.work import Call, Team, Took, Work


@dataclass(frozen=True)
class Spread:
    """The median of several readings, the smallest and the largest."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def scaled(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(self.median * factor, self.minimum * factor, self.maximum * factor)


@dataclass(frozen=True)
class Reading:
    """What a piece of work took, and the peak loop's speed before and after it."""

    took: Took
    before: Speed
    after: Speed

    @property
    def seconds(self) -> float:
        """By the clock on the wall."""
        return self.took.seconds

    @property
    def peak(self) -> float:
        """The mean of the neighbouring peaks."""
        return (self.before.wall + self.after.wall) / 2

    def share(self, flops: float) -> float:
        """The part of the peak that so many operations in that time are."""
        return flops / self.seconds / self.peak

    def busy_share(self, flops: float) -> float:
        """The same of the time the cores were busy with it: what others take of the machine hurts less."""
        return flops / self.took.busy / ((self.before.busy + self.after.busy) / 2)


Contestant = Callable[[], Took]
"""Does its work once and says what it took."""
Peak = Callable[[], Speed]
"""A look at the peak."""


def in_turns(contestants: Mapping[Any, Contestant], peak: Peak, repeats: int) -> dict[Any, list[Reading]]:
    """Round after round all contestants once: peak, first, peak, second, peak …"""
    readings: dict[Any, list[Reading]] = {name: [] for name in contestants}
    before = peak()
    for _ in range(repeats):
        for name, contestant in contestants.items():
            took, after = contestant(), peak()
            readings[name].append(Reading(took, before, after))
            before = after
    return readings


def team_peak(team: Team, precision: str) -> Peak:
    """A look at the peak of the whole team."""
    loop = loop_for(precision)
    loop.peak(team)
    return lambda: loop.peak(team)


class Ours:
    """The kernels as a contestant: all networks of a point from their first weights, each time anew."""

    def __init__(self, team: Team, work: Work) -> None:
        self.team, self.work = team, work
        self.calls: list[Call] = []
        self.team.carry_out([call.fresh() for call in work.calls[: 2 * team.jobs]])

    def __call__(self) -> Took:
        """Train; the copies are made before the clock starts."""
        self.calls = self.work.fresh()
        return self.team.carry_out(self.calls)

    def accuracy(self) -> np.ndarray:
        """Share of the training rows that each network of the last training gets right."""
        return np.concatenate([call.accuracy() for call in self.calls])


def figures(
    point: Point, networks: int, readings: Sequence[Reading], steps: int | None = None
) -> dict[str, Any]:
    """Speeds and shares of so many networks of a point, as numbers for the report."""
    done = networks * point.steps
    rates = Spread.of([done / reading.seconds for reading in readings])
    shares = Spread.of([reading.share(done * point.flops) for reading in readings])
    busy = Spread.of([reading.busy_share(done * point.flops) for reading in readings])
    return {
        "seconds": [reading.seconds for reading in readings],
        "peak_gflops": asdict(Spread.of([reading.peak / 1e9 for reading in readings])),
        "network_steps_per_second": asdict(rates),
        "gflops": asdict(rates.scaled(point.flops / 1e9)),
        "share_of_peak": asdict(shares),
        "needed_share_of_peak": asdict(shares.scaled(point.needed_flops / point.flops)),
        "busy_share_of_peak": asdict(busy),
    }
