"""What the networks of a batch are, and what they start from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sim.catalog.initializers import Probe, draw_normals, initialize
from sim.catalog.randomness import generator
from sim.execute.data import prepared_for
from sim.kernels.arguments import Fleet
from sim.kernels.fleet import Architecture, Member, assemble, biases, weights
from sim.plan import Run
from sim.study import Choice
from sim.study.resolve import outputs, shape

PROBE_ROWS = 256
"""Rows that a data-dependent initializer measures with."""

normals = lru_cache(maxsize=64)(draw_normals)
"""Kept for the batches of a grid, which ask for the same ones (64 nets of 31 layers of 32 units: 16 MB)."""


def architecture_of(run: Run) -> Architecture:
    """What the networks of the run's batch have in common."""
    widths = [shape(run.dataset).features, *[run.width] * run.depth, outputs(run.dataset, run.loss)]
    return Architecture.of(
        widths,
        run.batch_size,
        run.optimizer.part,
        dict(run.optimizer.parameters),
        activation=run.activation.part,
        normalizer=run.normalizer.part,
        loss=run.loss.part,
        residual=run.residual,
        precision=run.settings.precision,
    )


def member_of(run: Run, seed: int, table: int, schedule: int) -> Member:
    """The numbers of one network; ``table`` and ``schedule``: where its samples and its schedule stand."""
    norm_limit, value_limit = run.clipping.part.function(**dict(run.clipping.parameters))
    key = generator(seed, "dropout", run.replicate).integers(2**63)
    return Member(
        optimizer=dict(run.optimizer.parameters),
        activation=dict(run.activation.parameters),
        normalizer=dict(run.normalizer.parameters),
        dropout=run.dropout,
        weight_decay=run.weight_decay if run.decay == "l2" else 0.0,
        decoupled_decay=run.weight_decay if run.decay == "decoupled" else 0.0,
        clip_norm=norm_limit,
        clip_value=value_limit,
        diverged_above=run.settings.diverged_above,
        table=table,
        order=table,
        key=int(key),
        schedule=schedule,
    )


def _first_parameters(
    run: Run, widths: Sequence[int], seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    shapes = tuple(zip(widths[1:], widths[:-1], strict=True))
    probe = None
    if run.initializer.part.traits.get("data_dependent"):
        activate, parameters = run.activation.part.function, dict(run.activation.parameters)
        rows = prepared_for(run, seed).train_features[:PROBE_ROWS]
        probe = Probe(rows, lambda x: activate(x, **parameters)[0], run.residual)
    return initialize(
        shapes,
        run.initializer.part,
        dict(run.initializer.parameters),
        run.bias.part,
        dict(run.bias.parameters),
        (seed, run.replicate),
        probe,
        normals(seed, run.replicate, shapes),
    )


def schedules_of(runs: Sequence[Run]) -> list[Choice]:
    """The different schedules of a batch, in the order of the rows of the course's factors."""
    return list(dict.fromkeys(run.schedule for run in runs))


def fleet_of(architecture: Architecture, runs: Sequence[Run], tables: dict[int, int], seed: int) -> Fleet:
    """The networks of a batch, initialized; ``tables`` maps a replicate to the place of its samples."""
    places = {schedule: place for place, schedule in enumerate(schedules_of(runs))}
    members = [member_of(run, seed, tables[run.replicate], places[run.schedule]) for run in runs]
    fleet = assemble(architecture, members)
    for theta, run in zip(fleet.theta, runs, strict=True):
        first = _first_parameters(run, architecture.widths, seed)
        for layer, weight, bias in zip(architecture.layout.layers, *first, strict=True):
            weights(theta, layer)[:] = weight
            biases(theta, layer)[:] = bias
    return fleet
