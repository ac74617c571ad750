"""One batch from plan to tables; and all kernels of a plan compiled before any thread starts."""

from __future__ import annotations

import time

import numpy as np

from sim.catalog.schedules import factors, plateaus
from sim.execute.data import data_for
from sim.execute.networks import architecture_of, fleet_of, schedules_of
from sim.execute.own import check
from sim.execute.records import MEASURED, Records, records_of
from sim.kernels import jit
from sim.kernels.fleet import Course, notes_for, train
from sim.plan import Batch, Plan


def prepare(plan: Plan) -> float:
    """Compile every kernel the plan names, or load it from the cache; the seconds that took.

    Raises StudyError where a part from outside the package does not compile.  Before any thread
    starts: Numba compiles one function at a time whatever the number of threads, and two processes
    that save the same kernel at once can harm the cache.
    """
    before = jit.compile_seconds()
    check(plan)
    for run in {batch.runs[0].kernel_key(): batch.runs[0] for batch in plan.batches}.values():
        architecture_of(run).kernels  # noqa: B018  (compiled and kept on first access)
    return jit.compile_seconds() - before


def train_batch(batch: Batch, seed: int) -> Records:
    """Train the networks of a batch; the same batch and seed give the same bytes anywhere."""
    first = batch.runs[0]
    architecture = architecture_of(first)
    replicates = list(dict.fromkeys(run.replicate for run in batch.runs))
    tables = {replicate: place for place, replicate in enumerate(replicates)}
    data = data_for(first, replicates, architecture.widths[-1], seed)
    fleet = fleet_of(architecture, batch.runs, tables, seed)
    checkpoints = np.array(first.settings.checkpoints.steps(first.steps), np.int64)
    layers = any(word in MEASURED for word in first.settings.measure)
    notes = notes_for(architecture, len(batch.runs), len(checkpoints), layers=layers)
    schedules = [(chosen.part, dict(chosen.parameters)) for chosen in schedules_of(batch.runs)]
    course = Course(first.steps, checkpoints, factors(schedules, first.steps), plateaus(schedules))
    before = time.thread_time()
    train(architecture, fleet, data, course, notes)
    seconds = time.thread_time() - before
    return records_of(batch.runs, notes, architecture.layout.parameters, seconds)
