"""A point as calls of the kernels, carried out by a team of threads."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.bench.material import first_weights, material, order
from sim.bench.points import Point
from sim.catalog.activations import activation
from sim.catalog.losses import loss
from sim.catalog.normalizers import normalizer
from sim.catalog.optimizers import optimizer
from sim.kernels import fleet as fleets
from sim.kernels.arguments import Course, Data, Fleet, Notes
from sim.kernels.fleet import Architecture, Member

CALL_FLOPS = 1e9
"""Operations of one call, about ten milliseconds: Python costs little, no thread waits long at the end."""
CALL_NETWORKS = 64
"""Networks of one call at most: the orders of their samples take room."""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Took:
    """What some work took."""

    seconds: float
    """By the clock on the wall."""
    busy: float
    """Of the cores, all threads together."""


class Team:
    """Threads that stay, so that starting them is never measured; a context manager."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or cores()
        self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="bench")

    def __enter__(self) -> Team:
        list(self._pool.map(lambda _: time.sleep(0.01), range(self.jobs)))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def carry_out(self, tasks: Iterable[Callable[[], Any]]) -> Took:
        """Do all tasks, whichever thread takes which."""
        began, busy = time.perf_counter(), time.process_time()
        for _ in self._pool.map(lambda task: task(), tasks):
            pass
        return Took(time.perf_counter() - began, time.process_time() - busy)


def architecture(point: Point) -> Architecture:
    """What the point's networks are."""
    settings = optimizer[point.optimizer].bind(lr=point.lr)
    return Architecture.of(
        point.widths,
        point.batch,
        optimizer[point.optimizer],
        settings,
        activation=activation["tanh"],
        normalizer=normalizer[point.normalizer],
        loss=loss["softmax_cross_entropy"],
        residual=False,
        precision=point.precision,
    )


@dataclass(frozen=True, eq=False)
class Call:
    """One call of the kernels: some networks, trained to the end by one thread."""

    architecture: Architecture
    fleet: Fleet
    data: Data
    course: Course
    notes: Notes

    def __call__(self) -> None:
        """Train."""
        fleets.train(self.architecture, self.fleet, self.data, self.course, self.notes)

    def fresh(self) -> Call:
        """The same before it was trained: the networks' numbers copied, the notes empty."""
        copied = Fleet(*(array.copy() for array in self.fleet))
        return dataclasses.replace(self, fleet=copied, notes=Notes(*(array.copy() for array in self.notes)))

    def accuracy(self) -> np.ndarray:
        """Share of the training rows each network gets right now, (networks,)."""
        data = self.data._replace(evaluated=np.array([self.data.training, 0], np.int64))
        notes = fleets.notes_for(self.architecture, len(self.fleet.theta), 1, layers=False)
        course = Course(0, np.zeros(1, np.int64))
        fleets.train(self.architecture, self.fleet, data, course, notes)
        return notes.curves[:, 0, 3]


@dataclass(frozen=True, eq=False)
class Work:
    """A point's networks as calls, before they are trained."""

    point: Point
    calls: tuple[Call, ...]

    def fresh(self) -> list[Call]:
        """Calls to carry out: copies, for training changes them."""
        return [call.fresh() for call in self.calls]


def networks_a_call(point: Point) -> int:
    """How many networks one call trains."""
    return int(np.clip(CALL_FLOPS / (point.flops * point.steps), 1, CALL_NETWORKS))


def checkpoint_steps(point: Point) -> np.ndarray:
    """After how many updates statistics are taken: evenly, from none to all."""
    return np.unique(np.linspace(0, point.steps, point.checkpoints).round().astype(np.int64))


def _fleet(architecture: Architecture, point: Point, networks: Sequence[int]) -> Fleet:
    member = Member(
        optimizer=optimizer[point.optimizer].bind(lr=point.lr),
        normalizer=normalizer[point.normalizer].bind(),
    )
    members = [dataclasses.replace(member, order=place) for place in range(len(networks))]
    fleet = fleets.assemble(architecture, members)
    for theta, network in zip(fleet.theta, networks, strict=True):
        for layer, weight in zip(architecture.layout.layers, first_weights(point, network), strict=True):
            fleets.weights(theta, layer)[:] = weight
    return fleet


def work(point: Point, made: Architecture | None = None) -> Work:
    """The point's networks, compiled kernels included: all that is done before the clock starts.

    ``made`` is the architecture where it is there already.
    """
    made = made or architecture(point)
    made.kernels  # noqa: B018  (compiled on first access)
    known, size = material(), networks_a_call(point)
    tables = fleets.sample_tables([known.features], [known.one_hot], point.precision)
    sequence = np.arange(len(known.labels), dtype=np.int32)
    steps = checkpoint_steps(point)
    calls = []
    for begin in range(0, point.networks, size):
        networks = range(begin, min(begin + size, point.networks))
        data = Data(
            tables=tables,
            order=np.stack([order(point, network) for network in networks]),
            sequence=sequence,
            training=len(known.labels),
            evaluated=np.zeros(2, np.int64),
        )
        notes = fleets.notes_for(made, len(networks), len(steps), layers=len(steps) > 0)
        calls.append(Call(made, _fleet(made, point, networks), data, Course(point.steps, steps), notes))
    return Work(point, tuple(calls))
