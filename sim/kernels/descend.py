"""An optimizer walks down a surface from many starts at once.

The parameters θ of a *block* of W starts are one flat vector, coordinate after coordinate (dimensions × W):
the very kernel that updates the weights of a network updates all starts of a block together.  A rule that
is not elementwise gets blocks of one start, whose coordinates it takes as one vector, as it takes a bias:
LARS, LAMB and Shampoo look at the whole of it, Muon and SOAP give vectors to Adam.  Bare functions; every
loop over starts is short and reads few arrays, for LLVM gives up a loop whose arrays it would have to compare
with too many others.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from sim.catalog import mathematics
from sim.catalog.mathematics import where
from sim.kernels import jit
from sim.kernels.callables import ADDRESSES, kernels_at
from sim.kernels.dropout import SCALE, squares
from sim.kernels.parts import signatures
from sim.kernels.simd import borrowed
from sim.kernels.slopes import REAL, SLOPE, VECTOR

UNDER_WAY, SETTLED, DIVERGED = 0, 1, 2
"""What became of a start: not at rest when the steps were over, at rest, too far away or not finite."""


class Starts(NamedTuple):
    """Where blocks of starts stand; ``theta`` is moved to where they end."""

    theta: np.ndarray
    """(blocks, dimensions · W) float64."""
    key: np.ndarray
    """(blocks, W) uint64: keys of the starts' gradient noise."""


class Terrain(NamedTuple):
    """What is known of the surface."""

    settings: np.ndarray
    """Its parameters."""
    minima: np.ndarray
    """(M, dimensions): known minima."""
    center: np.ndarray
    """(dimensions,): the middle of the domain."""
    reach: np.ndarray
    """(dimensions,): how far from the middle a start may go before it counts as diverged."""


class Rules(NamedTuple):
    """Numbers of the walk."""

    hyperparameters: np.ndarray
    """The optimizer's."""
    checkpoints: np.ndarray
    """(C,) int64, ascending: numbers of updates after which positions are kept."""
    steps: int
    noise: float
    """Standard deviation of what is added to each partial derivative in each step."""
    radius: float
    """Within this distance of a minimum a start is there."""
    tolerance: float
    """Norm of the gradient, and length of the last step, up to which a start is at rest."""
    apart: bool
    """Whether the optimizer wants a start to be seen elsewhere than where its gradient is taken."""


class Ends(NamedTuple):
    """What became of each start, (blocks, W) float64 where nothing else is said."""

    value: np.ndarray
    slope: np.ndarray
    """Norm of the gradient at the end."""
    distance: np.ndarray
    """To the nearest known minimum; infinite where none is known."""
    length: np.ndarray
    """Of the path."""
    nearest: np.ndarray
    """Which known minimum that is, int64; −1 where none is known."""
    since: np.ndarray
    """The step from which on it stayed within the radius of a minimum, int64; past the end if it did not."""
    steps: np.ndarray
    """Updates made, int64."""
    status: np.ndarray
    """int64."""
    paths: np.ndarray
    """(C, blocks, dimensions · W) float64: positions kept."""


class Scratch(NamedTuple):
    """Vectors of a block for one thread's own use."""

    gradient: np.ndarray
    before: np.ndarray
    here: np.ndarray
    """Where the starts are seen, if that is not θ."""
    moving: np.ndarray
    """1 for a start under way, 0 for one at rest or diverged."""
    moved: np.ndarray
    """Squared length of the last step."""
    square: np.ndarray
    """A sum over coordinates."""
    state: np.ndarray
    """(slots, dimensions · W): the optimizer's."""
    constants: np.ndarray
    """What the optimizer prepares for a step."""
    table: np.ndarray
    """θ as the one vector of a layer, for rules that ask."""


class Kernels(NamedTuple):
    """The surface's kernel and the optimizer's three."""

    slope: Any
    constants: Any
    update: Any
    rest: Any


@jit.inlined
def copied(vector, target):
    """target = vector; written as a slice it would ask whether they overlap, and count references."""
    for i in range(vector.size):
        target[i] = vector[i]


@jit.inlined
def add_squares(vector, total):
    """total[i] = Σ over coordinates of vector²."""
    count = total.size
    for i in range(count):
        total[i] = 0.0
    for d in range(vector.size // count):
        part = vector[d * count : (d + 1) * count]
        for i in range(count):
            total[i] += part[i] * part[i]


@jit.inlined
def note_nearest(theta, minima, square, ends, b):
    """Distance to the nearest minimum, squared for now, and which one it is."""
    distance, nearest = ends.distance[b], ends.nearest[b]
    count = square.size
    for i in range(count):
        distance[i] = math.inf
        nearest[i] = -1
    for m in range(minima.shape[0]):
        for i in range(count):
            square[i] = 0.0
        for d in range(minima.shape[1]):
            x, at = theta[d * count : (d + 1) * count], minima[m, d]
            for i in range(count):
                square[i] += (x[i] - at) * (x[i] - at)
        for i in range(count):
            nearest[i] = m if square[i] < distance[i] else nearest[i]
        for i in range(count):
            distance[i] = where(square[i] < distance[i], square[i], distance[i])


@jit.inlined
def note_stay(distance, since, radius, step):
    """A start outside every radius can be there from the next step on at the earliest."""
    limit = radius * radius
    for i in range(since.size):
        since[i] = since[i] if distance[i] <= limit else step + 1


@jit.inlined
def note_strays(theta, terrain, square):
    """square[i] = 1 for a start that is too far away or not a number, else 0."""
    count = square.size
    for i in range(count):
        square[i] = 0.0
    for d in range(terrain.center.size):
        x, center, reach = theta[d * count : (d + 1) * count], terrain.center[d], terrain.reach[d]
        for i in range(count):
            square[i] = where(mathematics.absolute(x[i] - center) <= reach, square[i], 1.0)


@jit.inlined
def halt(step, rules, scratch, ends, b):
    """Stop starts that have diverged or come to rest after ``step`` updates; how many are under way.

    ``scratch.square`` marks the strays, ``ends.slope`` holds squared norms of the gradient.
    """
    moving, moved, strays = scratch.moving, scratch.moved, scratch.square
    slope, status, steps, value = ends.slope[b], ends.status[b], ends.steps[b], ends.value[b]
    limit = rules.tolerance * rules.tolerance
    left = 0
    for i in range(moving.size):
        if moving[i] == 0.0:
            continue
        steps[i] = step
        if strays[i] > 0.0 or not (slope[i] < math.inf and mathematics.absolute(value[i]) < math.inf):
            status[i], moving[i] = DIVERGED, 0.0
        elif step > 0 and slope[i] <= limit and moved[i] <= limit:
            status[i], moving[i] = SETTLED, 0.0
        else:
            left += 1
    return left


@jit.inlined
def disturb(gradient, key, deviation, step):
    """Add Gaussian noise to the gradient: two coordinates at a time from two uniform draws.

    A draw is a function of the start's key and the number of the step, so the noise of a start is the same
    for every optimizer.  Source: Box & Muller 1958.
    """
    count = key.size
    pairs = (gradient.size // count + 1) // 2
    for p in range(pairs):
        counter = np.uint64(2 * (step * pairs + p))
        first = gradient[2 * p * count : (2 * p + 1) * count]
        last = min(2 * p + 1, gradient.size // count - 1)
        second, both = gradient[last * count : (last + 1) * count], 1.0 if last > 2 * p else 0.0
        for i in range(count):
            radius = (np.float64(squares(counter, key[i])) + 1.0) / SCALE
            turn = np.float64(squares(counter + np.uint64(1), key[i])) / SCALE
            sine, cosine = mathematics.sincos(6.283185307179586 * turn)
            size = deviation * mathematics.sqrt(-2.0 * mathematics.log(radius))
            first[i] += size * cosine
            second[i] += both * size * sine


@jit.inlined
def take_step(theta, value, step, rules, scratch, kernels):
    """One update of all starts; those that have stopped are put back.

    A rule that asks for a loss gets that of the block's first start, for it has a block of one.
    """
    before, moving = scratch.before, scratch.moving
    count = moving.size
    for i in range(theta.size):
        before[i] = theta[i]
    kernels.constants(step + 1.0, rules.hyperparameters, scratch.constants)
    kernels.update(scratch.table, theta, scratch.gradient, scratch.state, scratch.constants, value[0])
    for d in range(theta.size // count):
        now, then = theta[d * count : (d + 1) * count], before[d * count : (d + 1) * count]
        for i in range(count):
            now[i] = where(moving[i] > 0.0, now[i], then[i])
        for i in range(count):
            then[i] = now[i] - then[i]


@jit.inlined
def follow(theta, scratch, kernels):
    """Move ``scratch.here`` to where the optimizer wants the starts seen; ``before`` becomes that step."""
    moving, count = scratch.moving, scratch.moving.size
    kernels.rest(theta, scratch.state, scratch.constants, scratch.before)
    for d in range(theta.size // count):
        now, then = scratch.before[d * count : (d + 1) * count], scratch.here[d * count : (d + 1) * count]
        for i in range(count):
            now[i] = where(moving[i] > 0.0, now[i] - then[i], 0.0)
        for i in range(count):
            then[i] += now[i]


@jit.inlined
def measure_step(theta, rules, scratch, kernels, length):
    """Add the length of the last step, which ``scratch.before`` holds, to that of the path."""
    add_squares(scratch.before, scratch.moved)
    taken = scratch.moved
    if rules.apart:
        follow(theta, scratch, kernels)
        add_squares(scratch.before, scratch.square)
        taken = scratch.square
    for i in range(length.size):
        length[i] += mathematics.sqrt(taken[i])


@jit.inlined
def walk(b, starts, terrain, rules, ends, scratch, kernels):
    """Walk block b; checkpoint c of a path is where its start is seen after ``checkpoints[c]`` updates."""
    theta, key, value = borrowed(starts.theta[b]), borrowed(starts.key[b]), borrowed(ends.value[b])
    squared, distance, checkpoints = ends.slope[b], ends.distance[b], rules.checkpoints
    scratch.state[:] = 0.0
    scratch.moving[:] = 1.0
    copied(theta, scratch.here)
    seen = scratch.here if rules.apart else theta
    c = 0
    for step in range(rules.steps + 1):
        kernels.slope(theta, value, scratch.gradient, terrain.settings)
        add_squares(scratch.gradient, squared)
        note_nearest(seen, terrain.minima, scratch.square, ends, b)
        note_stay(distance, ends.since[b], rules.radius, step)
        note_strays(theta, terrain, scratch.square)
        left = halt(step, rules, scratch, ends, b)
        while c < checkpoints.size and (left == 0 or checkpoints[c] <= step):
            copied(seen, ends.paths[c, b])
            c += 1
        if left == 0 or step == rules.steps:
            break
        if rules.noise > 0.0:
            disturb(scratch.gradient, key, rules.noise, step)
        take_step(theta, value, step, rules, scratch, kernels)
        measure_step(theta, rules, scratch, kernels, ends.length[b])
    if rules.apart:
        copied(seen, theta)
        kernels.slope(theta, value, scratch.gradient, terrain.settings)
        add_squares(scratch.gradient, squared)
    for i in range(value.size):
        squared[i] = math.sqrt(squared[i])
        distance[i] = math.sqrt(distance[i])


# Bound when the walk is specialised: what makes kernels to call of the addresses it gets.
kernels_of: Any = None


def _descend(starts, terrain, rules, ends, scratch, places):
    """Walk every block of starts; ``places`` are the addresses of its kernels."""
    kernels = kernels_of(places)
    for b in range(starts.theta.shape[0]):
        walk(b, starts, terrain, rules, ends, scratch, kernels)


@cache
def descend_kernel() -> Any:
    """The compiled walk."""
    vector, matrix, places = VECTOR, jit.matrix_of(REAL), jit.matrix_of(types.int64)
    arguments = (
        jit.struct(Starts, [matrix, jit.matrix_of(types.uint64)]),
        jit.struct(Terrain, [vector, matrix, vector, vector]),
        jit.struct(Rules, [vector, jit.vector_of(types.int64), types.intp, REAL, REAL, REAL, types.boolean]),
        jit.struct(Ends, [*[matrix] * 4, *[places] * 4, types.Array(REAL, 3, "C")]),
        jit.struct(Scratch, [VECTOR] * 6 + [matrix, VECTOR, places]),
    )
    parts = signatures(REAL)
    kernels_of = kernels_at(Kernels, (SLOPE, parts.constants, parts.update, parts.rest))
    loop = jit.specialised(_descend, "descend", kernels_of=kernels_of)
    return jit.kernel(loop, types.void(*arguments, ADDRESSES))
