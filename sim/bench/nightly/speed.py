"""What share of the peak the reference points reach: small samples of them, in turns, many times.

Every reading stands between two of the peak, in the same run, and kernels are compiled and warm before
the first. All points take turns in every round, so that a disturbance of some seconds spoils a
reading of many points and not many of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.bench.measure import Ours, Peak, Reading, in_turns, team_peak
from sim.bench.nightly.figures import NOTED, SPEED, Figure
from sim.bench.points import Point
from sim.bench.split import sample
from sim.bench.work import Team, work

REPEATS = 9
SHARE, BUSY, RATE = "share of the peak", "share of the peak while busy", "speed"


@dataclass(frozen=True)
class Entry:
    """A point that is ready to be measured."""

    point: Point
    ours: Ours
    peak: Peak


def entries(team: Team, points: Sequence[Point]) -> list[Entry]:
    """Compile and warm up each point's sample."""
    small = [sample(team, point) for point in points]
    return [Entry(point, Ours(team, work(point)), team_peak(team, point.precision)) for point in small]


def measure(contest: Sequence[Entry], repeats: int = REPEATS) -> list[Figure]:
    """So many rounds; the figures of all points."""
    readings: dict[str, list[Reading]] = {entry.point.name: [] for entry in contest}
    by_precision: dict[str, list[Entry]] = {}
    for entry in contest:
        by_precision.setdefault(entry.point.precision, []).append(entry)
    for _ in range(repeats):
        for group in by_precision.values():
            turns = in_turns({entry.point.name: entry.ours for entry in group}, group[0].peak, 1)
            for name, (reading,) in turns.items():
                readings[name].append(reading)
    return [figure for entry in contest for figure in of_point(entry.point, readings[entry.point.name])]


def of_point(point: Point, readings: Sequence[Reading]) -> list[Figure]:
    """The shares, by the clock on the wall and of the time the cores were busy, and the plain speed.

    The wall sees threads that wait for one another; busy time sees less of what else the machine does.
    """
    done = point.networks * point.steps
    flops = done * point.flops
    ceiling = point.flops / point.needed_flops  # the first layer's input gradient is counted, nobody needs it
    return [
        Figure(f"{point.name}: {SHARE}", SPEED, "", tuple(r.share(flops) for r in readings), 0.0, ceiling),
        Figure(
            f"{point.name}: {BUSY}", SPEED, "", tuple(r.busy_share(flops) for r in readings), 0.0, ceiling
        ),
        Figure(f"{point.name}: {RATE}", NOTED, "network-steps/s", tuple(done / r.seconds for r in readings)),
    ]


def point_of(name: str) -> str:
    """The name of the point that a figure of speed belongs to."""
    return name.partition(": ")[0]
