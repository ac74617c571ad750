"""What a study would do, how long it would take and how much disk it would fill, without doing any of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.costs import AGAIN, FLOPS_A_SECOND, cost_of, networks_cost
from sim.progress import duration

if TYPE_CHECKING:
    from sim.descents import DescentPlan
    from sim.examples import ExamplePlan
    from sim.plan import Plan
    from sim.study import Study

ROW_BYTES = 65  # a row of layers.parquet; measured: 61 with its share of the other records
END_BYTES = 80  # a row of ends.parquet or paths.parquet
SHARD_BYTES = 118  # the same row in a shard, uncompressed


def forecast(study: Study, only: Sequence[str], jobs: int, directory: Path) -> str:
    """The text of a dry run; raises StudyError for a study that cannot be planned."""
    from sim.kinds import planned

    told: dict[str, Callable[[Any, int, Path], list[str]]] = {
        "networks": _of_networks,
        "walks": _of_walks,
        "examples": _of_examples,
    }
    parts = [line for kind, plan in planned(study, only) for line in told[kind.noun](plan, jobs, directory)]
    return "\n".join([study.title, *parts])


def _of_networks(planned: Plan, jobs: int, directory: Path) -> list[str]:
    named = [f"{kind} {', '.join(names)}" for kind, names in planned.kernels.items()]
    count = sum(len(names) for kind, names in planned.kernels.items() if kind != "precision")
    count *= len(planned.kernels["precision"])
    from sim.trials import to_come

    following, beyond = to_come(planned)
    later = sum(networks for _, networks in following)
    cost = cost_of(planned.batches)
    for run, networks in following:  # each optimizer meets the samples of all seeds anew
        cost += networks_cost(run, networks, AGAIN * networks)
    share = 1 + later / planned.networks
    final, most = (int(share * number) for number in disk(planned))
    staged = f"then {later:,} to set targets and to report, and at most {beyond:,} beyond the edges of ranges"
    return [
        *grids(planned),
        f"{planned.networks:,} networks, {planned.steps:,} steps, in {len(planned.batches):,} batches",
        *[staged] * bool(later),
        f"{count} kernels to compile or to load: {'; '.join(named)}",
        f"about {duration(cost.seconds(jobs))} on {_threads(jobs)}, compiling and report aside",
        f"about {size(final)} in {directory}, {size(most)} on the way",
    ]


def _of_walks(planned: DescentPlan, jobs: int, directory: Path) -> list[str]:
    counts = Counter(run.grid for run in planned.runs)
    widest = max(map(len, counts))
    asked = [descent for descent in planned.study.descents if descent.name in counts]
    seconds = planned.flops / FLOPS_A_SECOND / jobs
    bytes_kept = sum(run.rows for run in planned.runs) * END_BYTES
    return [
        *(
            f"  {d.name:{widest}}  {counts[d.name]:>6,} × {d.starts:>7,}  {d.question}".rstrip()
            for d in asked
        ),
        f"{len(planned.runs):,} walks, {planned.starts:,} starts, in {len(planned.batches):,} batches",
        f"about {duration(seconds)} on {_threads(jobs)}, compiling and report aside",
        f"about {size(bytes_kept)} in {directory}, {size(2 * bytes_kept)} on the way",
    ]


def _of_examples(planned: ExamplePlan, jobs: int, directory: Path) -> list[str]:
    lines = [f"  {run.grid}  {run.optimizer.label}, {run.example.epochs:,} epochs" for run in planned.runs]
    seconds = planned.flops / FLOPS_A_SECOND / jobs
    return [*lines, f"about {duration(seconds)} on {_threads(jobs)}, compiling and report aside"]


def _threads(jobs: int) -> str:
    return f"{jobs} thread{'s' * (jobs > 1)}"


def grids(plan: Plan) -> list[str]:
    """A line for each grid: name, networks, question."""
    rows = plan.summary()
    widest = max(len(row.grid) for row in rows)
    return [f"  {row.grid:{widest}}  {row.networks:>9,}  {row.question}".rstrip() for row in rows]


def disk(plan: Plan) -> tuple[int, int]:
    """Bytes of the records when the study is done, and at most while shards stand beside them."""
    rows = sum(run.rows for run in plan.runs)
    return rows * ROW_BYTES, rows * (ROW_BYTES + SHARD_BYTES)


def size(number: float) -> str:
    """Bytes as a person would say them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:,.0f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"
