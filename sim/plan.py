"""Study -> runs -> batches of runs that share kernels and shapes; pure: equal studies give equal plans.

A run's ``index`` and a batch's ``number`` count through the whole study, whatever ``only`` leaves out, so
records of a part of a study stay good when the rest is run later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, ClassVar

from sim.catalog.registry import nearest
from sim.errors import StudyError, complaint
from sim.study import Choice, Grid, Settings, Study
from sim.study.cells import cells
from sim.study.comparison import Problem
from sim.study.resolve import Resolver, outputs, shape, training_rows

BATCH_FLOPS = (
    1.2e10  # 0.6 s at 20 GFLOP/s: short enough to lose little when killed, long enough to be worth a file
)
BATCH_RUNS = 512
BATCH_STATE = 2**28  # 256 MiB of what optimizers remember
BATCH_BYTES = 2**25  # 32 MiB of samples, a table a replicate; a table that is larger stands alone


@dataclass(frozen=True)
class Run:
    """One network to train: every factor resolved to what is done.

    ``samples`` and ``batch_size`` are rows, ``steps`` parameter updates; ``epochs`` is None where the study
    counts steps. ``replicate`` names the draws: equal replicates share them in every cell of every grid.
    ``stage``, ``entrant``, ``setting`` and ``trial`` place it in a comparison, see :mod:`sim.trials`.
    """

    index: int
    grid: str
    replicate: int
    dataset: Choice
    samples: int
    scaling: Choice
    depth: int
    width: int
    activation: Choice
    initializer: Choice
    bias: Choice
    normalizer: Choice
    residual: bool
    dropout: float
    loss: Choice
    optimizer: Choice
    schedule: Choice
    weight_decay: float
    decay: str
    clipping: Choice
    batch_size: int
    steps: int
    epochs: int | None
    settings: Settings
    stage: str = ""
    entrant: str = ""
    setting: str = ""
    trial: int = -1

    def kernel_key(self) -> tuple[Any, ...]:
        """All that chooses kernels, shapes and data: runs of one batch have it in common."""
        network = (
            self.depth,
            self.width,
            self.activation.identity,
            self.normalizer,
            self.residual,
            self.loss,
        )
        length = (self.batch_size, self.steps, self.epochs)
        data = (self.dataset, self.samples, self.scaling)
        return data + network + (self.optimizer.identity, _rule(self.optimizer)) + length + (self.settings,)

    @property
    def rows(self) -> int:
        """Rows of the largest table that this run fills."""
        return self.settings.checkpoints.num * (self.depth + 1)

    def flops(self) -> float:
        """Estimated work: 6 a weight and row trained on, 2 a weight and row evaluated at a checkpoint."""
        trained, evaluated = self.samples_seen()
        weights = _weights(self.dataset, self.loss, self.depth, self.width)
        return (6.0 * trained + 2.0 * evaluated) * weights

    def samples_seen(self) -> tuple[int, int]:
        """Rows trained on in all steps together, and rows evaluated at all checkpoints together."""
        rows, training = shape(self.dataset).rows, self.dataset.part.traits.get("training", 0)
        most = rows if self.settings.evaluate is None else self.settings.evaluate
        test = rows - training_rows(rows, self.settings.test_fraction, training)
        sizes = {"train": min(self.samples, most), "test": min(test, most)}
        evaluated = sum(sizes[split] for split in sizes if split in self.settings.measure)
        return self.batch_size * self.steps, evaluated * self.settings.checkpoints.num


@dataclass(frozen=True)
class Batch:
    """Runs of one grid that share kernels and shapes, equal replicates next to each other (or walks of one
    descent, see :mod:`sim.descents`).

    ``flops`` estimates the work: multiplications and additions of all matrix products.
    """

    number: int
    runs: tuple[Any, ...]
    flops: float = 0.0


@dataclass(frozen=True)
class Summary:
    """A grid in numbers: networks, their steps together, the estimated work."""

    grid: str
    question: str
    networks: int
    steps: int
    flops: float


@dataclass(frozen=True)
class Plan:
    """The runs of a study, sorted by index, and the batches they are computed in."""

    study: Study
    runs: tuple[Run, ...]
    batches: tuple[Batch, ...]
    stage: str = ""
    """The latest stage of a comparison that has been planned (see :mod:`sim.trials`)."""

    noun: ClassVar = "networks"

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return len(self.runs)

    @cached_property
    def steps(self) -> int:
        """Steps of all networks together."""
        return sum(run.steps for run in self.runs)

    @cached_property
    def flops(self) -> float:
        """Estimated work of all networks together."""
        return sum(batch.flops for batch in self.batches)

    @property
    def kernels(self) -> dict[str, tuple[str, ...]]:
        """The parts to compile, by kind, and the precisions to compile them for."""
        first = [batch.runs[0] for batch in self.batches]
        kinds = ("activation", "normalizer", "loss", "optimizer")
        named = {kind: tuple(sorted({getattr(run, kind).name for run in first})) for kind in kinds}
        return {**named, "precision": tuple(sorted({run.settings.precision for run in first}))}

    def summary(self) -> tuple[Summary, ...]:
        """A row for each planned grid and problem, in the study's order."""
        planned = {batch.runs[0].grid for batch in self.batches}
        parts: tuple[Grid | Problem, ...] = (*self.study.grids, *self.study.problems)
        return tuple(self._summary(part) for part in parts if part.name in planned)

    def _summary(self, grid: Grid | Problem) -> Summary:
        batches = [batch for batch in self.batches if batch.runs[0].grid == grid.name]
        networks = sum(len(batch.runs) for batch in batches)
        steps = sum(len(batch.runs) * batch.runs[0].steps for batch in batches)
        return Summary(grid.name, grid.question, networks, steps, sum(batch.flops for batch in batches))


def plan(study: Study, only: Iterable[str] = ()) -> Plan:
    """All runs of a study in batches; ``only`` names the grids that are wanted, none means all.

    Runs are ordered by grid, then by the product of its factors in their declared order, replicates
    varying fastest. Raises StudyError for an unknown grid, for factors that do not fit the data set, for
    a grid of which nothing is left.
    """
    wanted = known_names(study, only)
    runs: list[Run] = []
    batches: list[Batch] = []
    for position, grid in enumerate(study.grids):
        where = f"{study.source}: grid[{position}] {grid.name!r}"
        more = _runs(grid, where, len(runs))
        batches += batches_of(more, len(batches))
        runs += more
    kept = tuple(batch for batch in batches if batch.runs[0].grid in wanted)
    return Plan(study, tuple(run for run in runs if run.grid in wanted), kept)


def known_names(study: Study, only: Iterable[str]) -> list[str]:
    """The names in ``only``, or all; raises StudyError for one that no part of the study has."""
    names, wanted = study.names, list(only)
    for name in wanted:
        if name not in names:
            kinds = " or ".join(
                name for kind in study.parts.values() for name, parts in kind.items() if parts
            )
            article = "an" if kinds[:1] in "aeiou" else "a"
            problem = f"is not {article} {kinds} of this study"
            raise StudyError(complaint(f"{study.source}: --only", name, problem, names, nearest(name, names)))
    return wanted or names


def _runs(grid: Grid, where: str, first: int) -> list[Run]:
    """The runs of a grid, numbered from ``first``."""
    resolved, names = Resolver(grid, where), tuple(grid.factors)
    found: list[Run] = []
    for cell in cells(grid, where):
        factors = resolved(dict(zip(names, cell, strict=True)))
        found += [
            Run(first + len(found) + replicate, grid.name, replicate, settings=grid.settings, **factors)
            for replicate in range(grid.replicates)
        ]
    return found


def batches_of(runs: list[Run], first: int) -> list[Batch]:
    """Runs of equal kernel key in batches of bounded work, in order of their first runs."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(run.kernel_key(), []).append(run)
    found: list[Batch] = []
    for group in groups.values():
        group.sort(key=lambda run: (run.replicate, run.index))
        flops = group[0].flops()
        size = min(max(int(BATCH_FLOPS / flops), 1), BATCH_RUNS, _held(group[0]))
        found += [
            Batch(first + len(found) + place, part, flops * len(part))
            for place, part in enumerate(_parts(group, size, _tables(group[0])))
        ]
    return found


def _held(run: Run) -> int:
    """How many networks' optimizer states a batch may hold: L-BFGS keeps hundreds of numbers a weight."""
    kept = run.optimizer.part.rule(dict(run.optimizer.parameters)).per_parameter
    weights = _weights(run.dataset, run.loss, run.depth, run.width)
    return max(BATCH_STATE // (8 * max(kept, 1) * weights), 1)


def _tables(run: Run) -> int:
    """How many replicates' tables a batch may hold."""
    rows, features, _ = shape(run.dataset)
    return max(BATCH_BYTES // (8 * rows * features), 1)


def _parts(group: list[Run], size: int, tables: int) -> Iterator[tuple[Run, ...]]:
    """The runs, sorted by replicate, in parts of at most ``size`` runs and ``tables`` replicates."""
    part: list[Run] = []
    replicates: set[int] = set()
    for run in group:
        if len(part) == size or len(replicates | {run.replicate}) > tables:
            yield tuple(part)
            part, replicates = [], set()
        part.append(run)
        replicates.add(run.replicate)
    yield tuple(part)


@lru_cache(maxsize=4096)
def _rule(optimizer: Choice) -> str:
    """The update rule that an optimizer's parameters select, and how much it keeps for each parameter."""
    rule = optimizer.part.rule(dict(optimizer.parameters))
    return f"{rule.update.__qualname__} {rule.per_parameter}"


@lru_cache(maxsize=4096)
def _weights(dataset: Choice, loss: Choice, depth: int, width: int) -> int:
    """How many weights a network has, biases aside."""
    widths = [shape(dataset).features, *[width] * depth, outputs(dataset, loss)]
    return sum(below * above for below, above in pairwise(widths))
