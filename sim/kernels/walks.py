"""The door to the kernel of surfaces: starts in, what became of each out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.catalog.optimizers import Rule
from sim.catalog.registry import Part
from sim.catalog.surfaces import domain_of, minima_of
from sim.kernels.arguments import CONSTANTS
from sim.kernels.callables import addresses
from sim.kernels.descend import (
    Ends,
    Rules,
    Scratch,
    Starts,
    Terrain,
    descend_kernel,
)
from sim.kernels.layerwise import state_rows, vector_table
from sim.kernels.layout import Layer
from sim.kernels.parts import encoded, optimizer_kernels
from sim.kernels.slopes import REAL, slope_kernel

BLOCK = 256
"""Starts of a block: with two state slots everything a step touches is 30 kB, what the first cache holds."""
STRAY = 100.0
"""A start this many half-widths of the domain from its middle has diverged."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Walk:
    """An optimizer with its settings on a surface with its settings, and for how long."""

    surface: Part
    surface_settings: Mapping[str, Any]
    optimizer: Part
    optimizer_settings: Mapping[str, Any]
    steps: int
    noise: float = 0.0
    radius: float = 0.01
    tolerance: float = 1e-12


@dataclass(frozen=True)
class Reached:
    """What became of N starts; the fields are those of :class:`~sim.kernels.descend.Ends`."""

    position: Floats
    """(N, dimensions), where each ended."""
    value: Floats
    slope: Floats
    distance: Floats
    length: Floats
    nearest: np.ndarray
    since: np.ndarray
    steps: np.ndarray
    status: np.ndarray
    path: Floats
    """(N, checkpoints, dimensions)."""


def compile_walk(walk: Walk) -> tuple[Any, ...]:
    """The kernels of a walk: the loop, the surface's, the optimizer's three."""
    rule = walk.optimizer.rule(walk.optimizer_settings)
    return (
        descend_kernel(),
        slope_kernel(walk.surface),
        *optimizer_kernels(walk.optimizer, rule, REAL),
    )


def slope_at(part: Part, settings: Mapping[str, Any], points: Floats) -> tuple[Floats, Floats]:
    """Values (N,) and gradients (N, dimensions) at points (N, dimensions), by the compiled surface."""
    theta = np.ascontiguousarray(points.T, np.float64)
    values, gradient = np.empty(len(points)), np.empty(theta.size)
    slope_kernel(part)(theta.reshape(-1), values, gradient, encoded(part, settings))
    return values, gradient.reshape(theta.shape).T


def descend(
    walk: Walk, starts: Floats, keys: Sequence[int] | np.ndarray = (), checkpoints: Sequence[int] = ()
) -> Reached:
    """Walk from every start (N, dimensions); ``keys`` (N,) make the noise, ``checkpoints`` ascend.

    In the calling thread, without holding Python's lock.  Equal arguments give equal bytes, whatever the
    other starts are.
    """
    loop, *kernels = compile_walk(walk)
    rule = walk.optimizer.rule(walk.optimizer_settings)
    count, dimensions = starts.shape
    width = min(BLOCK, count) if rule.elementwise else 1
    blocks = -(-count // width)
    fill = np.minimum(np.arange(blocks * width), count - 1)  # a last block that is not full repeats its last
    theta = _blocked(starts[fill], blocks)
    keys = np.zeros(count, np.uint64) if len(keys) == 0 else np.asarray(keys, np.uint64)
    ends = _ends(blocks, width, len(checkpoints), dimensions)
    loop(
        Starts(theta, keys[fill].reshape(blocks, width)),
        _terrain(walk, dimensions),
        _rules(walk, checkpoints),
        ends,
        _scratch(dimensions, width, rule),
        addresses(kernels),
    )
    path = ends.paths.reshape(-1, blocks, dimensions, width).transpose(1, 3, 0, 2)
    told = {name: getattr(ends, name).reshape(-1)[:count] for name in Ends._fields[:-1]}
    return Reached(
        position=_unblocked(theta, width, dimensions)[:count],
        path=path.reshape(blocks * width, -1, dimensions)[:count],
        **told,
    )


def _blocked(points: Floats, blocks: int) -> Floats:
    """(blocks · W, dimensions) as (blocks, dimensions · W), coordinate after coordinate."""
    split = points.reshape(blocks, -1, points.shape[1]).transpose(0, 2, 1)
    return np.array(split, np.float64, order="C").reshape(blocks, -1)


def _unblocked(theta: Floats, width: int, dimensions: int) -> Floats:
    return theta.reshape(-1, dimensions, width).transpose(0, 2, 1).reshape(-1, dimensions)


def _ends(blocks: int, width: int, checkpoints: int, dimensions: int) -> Ends:
    shape = (blocks, width)
    return Ends(
        **{name: np.zeros(shape) for name in ("value", "slope", "distance", "length")},
        **{name: np.zeros(shape, np.int64) for name in ("nearest", "since", "steps", "status")},
        paths=np.empty((checkpoints, blocks, dimensions * width)),
    )


def _rules(walk: Walk, checkpoints: Sequence[int]) -> Rules:
    return Rules(
        encoded(walk.optimizer, walk.optimizer_settings),
        np.array(checkpoints, np.int64),
        walk.steps,
        walk.noise,
        walk.radius,
        walk.tolerance,
        walk.optimizer.rule(walk.optimizer_settings).rest is not None,
    )


def _terrain(walk: Walk, dimensions: int) -> Terrain:
    low, high = np.array(domain_of(walk.surface, dimensions)).T
    minima = [minimum.at for minimum in minima_of(walk.surface, dimensions)]
    return Terrain(
        encoded(walk.surface, walk.surface_settings),
        np.array(minima, np.float64).reshape(-1, dimensions),
        (low + high) / 2,
        STRAY * (high - low) / 2,
    )


def _scratch(dimensions: int, width: int, rule: Rule) -> Scratch:
    size = dimensions * width
    table = vector_table(size)
    rows = state_rows(rule, [Layer(*map(int, table[0]))], size)
    sizes = {"gradient": size, "before": size, "here": size, "moving": width, "moved": width, "square": width}
    vectors = {name: np.zeros(length) for name, length in sizes.items()}
    return Scratch(**vectors, state=np.zeros((rows, size)), constants=np.zeros(CONSTANTS), table=table)
