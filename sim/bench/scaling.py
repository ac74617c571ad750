"""More threads, more networks, deeper, wider: how the speed follows.

Any number of networks is trained in the same memory: a call's numbers are copied when its
turn comes and forgotten after it. What they start from and the orders of their samples
repeat after some hundred networks, for drawing them is not training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from sim.bench.measure import figures, in_turns, team_peak
from sim.bench.points import POINTS, Point
from sim.bench.work import Call, Team, Took, networks_a_call, work

DISTINCT = 256
NETWORKS = (100, 1_000, 10_000, 100_000)
NETWORKS_QUICK = (100, 300, 1_000)
DEPTHS = (1, 2, 4, 8, 16, 32)
WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128)
STEPS = 30
"""Of each network where there are 10⁵ of them."""
FLOPS = 60e9
"""Operations of one measurement at other depths and widths: a third of a second on two fast cores."""


def _train_fresh(call: Call) -> None:
    call.fresh()()


class Stream:
    """A contestant that trains any number of networks, their numbers made as they are needed."""

    def __init__(self, team: Team, point: Point, networks: int) -> None:
        size = networks_a_call(point)
        self.team = team
        if networks <= DISTINCT:
            calls = work(point.of(networks=networks)).calls
            self.count, self.networks = len(calls), networks
        else:
            calls = work(point.of(networks=-(-DISTINCT // size) * size)).calls
            self.count = round(networks / size)
            self.networks = self.count * size
        self.point, self.calls = point, calls
        self.team.carry_out(partial(_train_fresh, call) for call in calls[: 2 * team.jobs])

    def _tasks(self) -> Iterator[partial[None]]:
        for number in range(self.count):
            yield partial(_train_fresh, self.calls[number % len(self.calls)])

    def __call__(self) -> Took:
        """Copy and train."""
        return self.team.carry_out(self._tasks())


def _rows(factor: str, streams: Mapping[Any, Stream], repeats: int) -> list[dict[str, Any]]:
    """One row a value of the factor; all values take turns."""
    team = next(iter(streams.values())).team
    readings = in_turns(streams, team_peak(team, "float32"), repeats)
    return [
        {
            factor: value,
            "trained": stream.networks,
            "steps": stream.point.steps,
            **figures(stream.point, stream.networks, readings[value]),
        }
        for value, stream in streams.items()
    ]


def _sized(team: Team, point: Point) -> Stream:
    """So many networks that a measurement takes its time."""
    short = point.of(steps=3 * STEPS)
    return Stream(team, short, max(round(FLOPS / (short.flops * short.steps)), 2 * team.jobs))


def by_networks(team: Team, base: Point, repeats: int, quick: bool) -> list[dict[str, Any]]:
    """10² … 10⁵ networks."""
    counts = NETWORKS_QUICK if quick else NETWORKS
    streams = {count: Stream(team, base.of(steps=STEPS), count) for count in counts}
    return _rows("networks", streams, repeats)


def by_shape(team: Team, base: Point, repeats: int, factor: str, values: tuple[int, ...]) -> list[Any]:
    """Other depths or widths."""
    streams = {value: _sized(team, base.of(**{factor: value})) for value in values}
    return _rows(factor, streams, repeats)


def by_threads(base: Point, jobs: int, repeats: int) -> list[dict[str, Any]]:
    """One thread, two, four … all; shares are those of the peak of as many threads."""
    rows = []
    for count in sorted({*(2**power for power in range(jobs.bit_length()) if 2**power < jobs), jobs}):
        with Team(count) as team:
            rows += _rows("threads", {count: _sized(team, base)}, repeats)
    return rows


def scaling(team: Team, repeats: int, quick: bool = False) -> dict[str, Any]:
    """All four, from point A."""
    base = POINTS["A"]
    return {
        "base": asdict(base),
        "threads": by_threads(base, team.jobs, repeats),
        "networks": by_networks(team, base, repeats, quick),
        "depth": by_shape(team, base, repeats, "depth", DEPTHS),
        "width": by_shape(team, base, repeats, "width", WIDTHS),
    }
