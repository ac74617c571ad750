"""What the training loop is given: named tuples of arrays, and their Numba types."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from sim.catalog.schedules import WATCHED
from sim.kernels import jit


class Fleet(NamedTuple):
    """The R networks of a batch: one shape, one set of parts, different numbers."""

    theta: np.ndarray
    """(R, parameters): trained in place."""
    state: np.ndarray
    """(R, slots and what else its rule keeps, parameters and more): the optimizer's, in place."""
    running: np.ndarray
    """(R, places): running statistics of normalizers, in place."""
    table: np.ndarray
    """(R,) int64: which table of the data."""
    order: np.ndarray
    """(R,) int64: which order of its samples."""
    optimizer: np.ndarray
    """(R, hyperparameters) float64."""
    activation: np.ndarray
    """(R, parameters of the activation)."""
    normalizer: np.ndarray
    """(R, parameters of the normalizer)."""
    numbers: np.ndarray
    """(R, fields of Numbers) float64."""
    key: np.ndarray
    """(R,) uint64: keys of the dropout masks."""
    schedule: np.ndarray
    """(R,) int64: which row of the course's factors."""
    frozen: np.ndarray
    """(F,) int64: the places in θ of parameters that are not trained."""
    held: np.ndarray
    """(R, F): what stands there, from the beginning to the end."""


class Numbers(NamedTuple):
    """What else differs from network to network."""

    dropout: float
    weight_decay: float
    """λ of L2 decay: λ θ is added to the gradient."""
    decoupled_decay: float
    """λ of decoupled decay: θ shrinks by lr λ θ before the update."""
    clip_norm: float
    clip_value: float
    diverged_above: float
    saturated: float
    """Slopes up to this count as saturated."""
    running_momentum: float
    decision: float
    """A single output above it means class 1."""


class Data(NamedTuple):
    """The samples of a batch of runs: tables, and orders in which they are learnt from."""

    tables: np.ndarray
    """(S, rows, features and targets, each rounded up to whole vectors): first the training rows, then the
    test rows.  Targets are numbers, or classes as one-hot rows.
    """
    order: np.ndarray
    """(O, T, batch) int32: the training rows of each step's mini-batch; step t takes row t mod T."""
    sequence: np.ndarray
    """0, 1, 2 … rows−1, int32."""
    training: int
    """Number of training rows."""
    evaluated: np.ndarray
    """(2,) int64: how many training and how many test rows are evaluated at a checkpoint."""


class Course(NamedTuple):
    """How long, and when to measure."""

    steps: int
    checkpoints: np.ndarray
    """(C,) int64, ascending: numbers of updates after which a network is measured."""
    factors: np.ndarray = np.ones((1, 1))
    """(schedules, T) float64: what step t multiplies the learning rate by, in column t mod T."""
    plateaus: np.ndarray = np.zeros((1, WATCHED))
    """(schedules, numbers) float64: how a schedule watches the loss; zeros for one that does not."""


class Notes(NamedTuple):
    """What is written down; an array without columns asks for nothing."""

    losses: np.ndarray
    """(R, steps) float64: mini-batch loss before each update."""
    norms: np.ndarray
    """(R, steps) float64: norm of the whole gradient before clipping."""
    curves: np.ndarray
    """(R, C, fields of CURVE) float64, a row a checkpoint."""
    layers: np.ndarray
    """(R, C, layers, columns of measure.Column) float64."""
    recorded: np.ndarray
    """(R,) int64: checkpoints written."""
    diverged: np.ndarray
    """(R,) int64: the step whose loss left the range, or −1."""


CURVE = ("batch_loss", "train_loss", "test_loss", "train_accuracy", "test_accuracy")


class Room(NamedTuple):
    """Scratch of one thread."""

    work: np.ndarray
    theta: np.ndarray
    gradient: np.ndarray
    state: np.ndarray
    """The network's while it is trained, as in :class:`Fleet`."""
    constants: np.ndarray
    """What an optimizer prepares for a step."""
    hyperparameters: np.ndarray
    """float64: the optimizer's, with the learning rate of the step."""
    plateau: np.ndarray
    """float64: what a schedule that watches the loss remembers."""
    addresses: np.ndarray
    """intp: where the rows of a mini-batch lie, for every layer and the targets."""


CONSTANTS = 16
"""Length of ``Room.constants``."""


class Arguments(NamedTuple):
    """The Numba types of the above."""

    fleet: types.Type
    data: types.Type
    course: types.Type
    notes: types.Type
    room: types.Type


@cache
def argument_types(real: types.Type) -> Arguments:
    """The types in the given precision."""
    wide, index, places = types.float64, types.int64, types.int32

    def array(kind: types.Type, dimensions: int) -> Any:
        return types.Array(kind, dimensions, "C")

    return Arguments(
        fleet=jit.struct(
            Fleet,
            [
                array(real, 2),
                array(real, 3),
                array(real, 2),
                array(index, 1),
                array(index, 1),
                array(wide, 2),
                array(real, 2),
                array(real, 2),
                array(wide, 2),
                array(types.uint64, 1),
                array(index, 1),
                array(index, 1),
                array(real, 2),
            ],
        ),
        data=jit.struct(
            Data,
            [array(real, 3), array(places, 3), array(places, 1), types.intp, array(index, 1)],
        ),
        course=jit.struct(Course, [types.intp, array(index, 1), array(wide, 2), array(wide, 2)]),
        notes=jit.struct(
            Notes,
            [
                array(wide, 2),
                array(wide, 2),
                array(wide, 3),
                array(wide, 4),
                array(index, 1),
                array(index, 1),
            ],
        ),
        room=jit.struct(
            Room,
            [
                *[array(real, 1)] * 3,
                array(real, 2),
                array(real, 1),
                array(wide, 1),
                array(wide, 1),
                array(types.intp, 1),
            ],
        ),
    )
