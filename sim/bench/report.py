"""All that is measured, as one document of plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from numba import types

from sim.bench import bandwidth, forced, peak, reference, scaling, split, startup
from sim.bench.measure import Ours, Spread, figures, in_turns, team_peak
from sim.bench.peers.contest import contest
from sim.bench.points import POINTS, Point
from sim.bench.work import Team, work
from sim.kernels.simd import lanes
from sim.store.manifest import surroundings

SCHEMA = 1
"""Changes when the meaning of a number in the document does."""
QUICK = 8
"""A quick look trains so many times fewer networks."""
MEMORY_NETWORKS = (256, 4096)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What is to be measured."""

    points: tuple[str, ...] = tuple(POINTS)
    repeats: int = 3
    jobs: int | None = None
    peers: bool = False
    scaling: bool = False
    paths: bool = False
    """The code for lesser processors too."""
    quick: bool = False
    """A look: fewer networks, and neither start-up nor memory."""


def machine(team: Team) -> dict[str, Any]:
    """Versions, processor, system, kernel digest; the width of a vector; the threads used."""
    return {**surroundings(), "register_bytes": 4 * lanes(types.float32), "threads": team.jobs}


def peaks(team: Team, precisions: Sequence[str]) -> dict[str, Any]:
    """The peak of a core and of all, and two checks: instructions a cycle, and a C compiler's loop."""
    found = {}
    for precision in precisions:
        one, look = peak.one_core(precision), team_peak(team, precision)
        found[precision] = {
            "one_core_gflops": one.flops / 1e9,
            "all_cores_gflops": asdict(Spread.of([look().wall / 1e9 for _ in range(9)])),
            "clock_gigahertz": one.clock / 1e9,
            "multiply_adds_a_cycle": one.instructions,
            "chains": one.chains,
            "share_of_compiled_c": reference.compiled_ratio(peak.loop_for(precision)),
        }
    return found


def at_point(team: Team, point: Point, wishes: Wishes) -> dict[str, Any]:
    """Everything about one point; with peers, its speed is the one measured beside them."""
    look, ours = team_peak(team, point.precision), Ours(team, work(point))
    facts = {
        **asdict(point),
        "parameters": point.parameters,
        "flops": point.flops,
        "needed_share_of_flops": point.needed_flops / point.flops,
        "flops_a_byte": point.flops / point.traffic,
    }
    if wishes.peers and point.normalizer == "none":
        rivals = contest(point, ours, look, wishes.repeats)
        keys = ("name", "title", "networks")
        speed = {key: value for key, value in rivals[0].items() if key not in keys}
        facts["peers"] = rivals[1:]
    else:
        readings = in_turns({"ours": ours}, look, wishes.repeats)["ours"]
        speed = {
            **figures(point, point.networks, readings), "train_accuracy": float(ours.accuracy().mean())
        }  # fmt: skip
    parts = split.split(team, point, look, wishes.repeats)
    cost = split.statistics_cost(team, point, look, wishes.repeats)
    parts["statistics"] = parts["total"] * cost["share_of_training"]["median"]  # on top of the total
    return {**facts, **speed, "split_microseconds": parts, "statistics": cost}


def document(wishes: Wishes, say: Say = lambda _: None) -> dict[str, Any]:
    """Measure; ``say`` is told what is being done."""
    chosen = [POINTS[name] for name in wishes.points]
    if wishes.quick:
        chosen = [point.of(networks=max(point.networks // QUICK, 1)) for point in chosen]
    with Team(wishes.jobs) as team:
        say("peak of the processor")
        report: dict[str, Any] = {
            "schema": SCHEMA,
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "repeats": wishes.repeats,
            "quick": wishes.quick,
            "machine": machine(team),
            "peak": peaks(team, sorted({point.precision for point in chosen})),
            "bytes_a_second": bandwidth.roofs(team),
            "points": [],
        }
        for point in chosen:
            say(f"point {point.name}")
            report["points"].append(at_point(team, point, wishes))
        if wishes.scaling:
            say("scaling")
            report["scaling"] = scaling.scaling(team, wishes.repeats, wishes.quick)
    if wishes.paths:
        say("the code for lesser processors")
        report["paths"] = forced.paths(wishes.points, wishes.repeats, wishes.jobs)
    if not wishes.quick:
        say("starting, compiling, memory")
        report["starts"] = startup.starts(max(wishes.repeats, 5))
        report["compiling"] = startup.compiling(wishes.points)
        report["memory"] = startup.memory(wishes.points[0], *MEMORY_NETWORKS)
    return report
