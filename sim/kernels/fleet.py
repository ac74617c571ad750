"""From named parts and lists of arrays to the flat arrays of the training loop, and back.

The one door to the kernels: whoever trains, from a study or from explicit arrays, says
what a network is (:class:`Architecture`), what each network's numbers are
(:class:`Member`), and gets a :class:`Crew` that trains them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sim.catalog.activations import largest_slope
from sim.catalog.registry import Part
from sim.kernels import jit
from sim.kernels.arguments import CONSTANTS, CURVE, Course, Data, Fleet, Notes, Numbers, Room
from sim.kernels.callables import addresses
from sim.kernels.dropout import key_of
from sim.kernels.layerwise import state_rows
from sim.kernels.layout import Layer, Layout, aligned_zeros, layout
from sim.kernels.matmul import gradient_kernel, product_kernel, scaling_product_kernel
from sim.kernels.measure import Column
from sim.kernels.network import Tools
from sim.kernels.parts import LINEAR, Parts, compiled, encoded
from sim.kernels.plateau import STATE
from sim.kernels.simd import lanes
from sim.kernels.train import train_kernel
from sim.kernels.transposes import gather_kernel, transpose_kernel

SATURATED_SHARE = 0.05
"""A slope of at most this share of the activation's largest counts as saturated."""
RUNNING_MOMENTUM = 0.1
"""Weight of the newest mini-batch in running statistics, PyTorch's default."""


@dataclass(frozen=True)
class Architecture:
    """What a network is: its shape, its parts, its precision."""

    widths: tuple[int, ...]
    """Inputs, hidden layers …, outputs."""
    batch: int
    activation: Part
    normalizer: Part
    loss: Part
    optimizer: Part
    slots: tuple[str, ...]
    """State slots of the optimizer's rule."""
    rule: Any
    residual: bool
    precision: str
    output: Part = LINEAR
    """Activation of the output layer."""
    output_settings: tuple[Any, ...] = ()
    """Its parameters, in their order: the same for all networks of a fleet."""

    @classmethod
    def of(
        cls, widths: Sequence[int], batch: int, optimizer: Part, settings: Mapping[str, Any], **given: Any
    ) -> Any:
        """An architecture; the optimizer's ``settings`` choose its rule."""
        rule = optimizer.rule(settings)
        return cls(tuple(widths), batch, optimizer=optimizer, rule=rule, slots=rule.slots, **given)

    @property
    def real(self) -> Any:
        """Numba's type of a number."""
        return jit.REAL[self.precision]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of a number."""
        return np.dtype(self.precision)

    @cached_property
    def layout(self) -> Layout:
        """Where everything lives."""
        return layout(
            self.widths, self.batch, self.real, normalized=self.normalizer.learnable, residual=self.residual
        )

    @cached_property
    def kernels(self) -> tuple[Any, Parts, Tools]:
        """The training loop, the parts and the tools, compiled."""
        real = self.real
        output = (self.output, self.output_settings)
        parts = compiled(
            self.activation, self.normalizer, self.loss, self.optimizer, self.rule, real, *output
        )
        return (
            train_kernel(real),
            parts,
            Tools(
                product_kernel(real),
                scaling_product_kernel(real),
                gradient_kernel(real),
                transpose_kernel(real),
                gather_kernel(real),
            ),
        )


@dataclass(frozen=True)
class Member:
    """The numbers of one network."""

    optimizer: Mapping[str, Any]
    activation: Mapping[str, Any] = field(default_factory=dict)
    normalizer: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.0
    weight_decay: float = 0.0
    decoupled_decay: float = 0.0
    clip_norm: float = math.inf
    clip_value: float = math.inf
    diverged_above: float = math.inf
    table: int = 0
    """Which table of the data."""
    order: int = 0
    """Which order of its samples."""
    key: int = 0
    """What the key of the dropout masks is made from."""
    schedule: int = 0
    """Which row of the course's factors."""


def _numbers(architecture: Architecture, member: Member) -> Numbers:
    return Numbers(
        dropout=member.dropout,
        weight_decay=member.weight_decay,
        decoupled_decay=member.decoupled_decay,
        clip_norm=member.clip_norm,
        clip_value=member.clip_value,
        diverged_above=member.diverged_above,
        saturated=SATURATED_SHARE * largest_slope(architecture.activation, member.activation),
        running_momentum=RUNNING_MOMENTUM,
        decision=architecture.loss.traits.get("decision", 0.0),
    )


def _with_own_decay(optimizer: Part, member: Member) -> Member:
    """The member with its decay among the hyperparameters of a rule that must see it (trait ``decays``)."""
    amounts = {"l2": "weight_decay", "decoupled": "decoupled_decay"}
    changes: dict[str, Any] = {}
    settings = dict(member.optimizer)
    for kind, name in optimizer.traits.get("decays", {}).items():
        settings[name] += getattr(member, amounts[kind])
        changes[amounts[kind]] = 0.0
    return replace(member, optimizer=settings, **changes)


def _rows(rows: Sequence[Any], dtype: Any) -> np.ndarray:
    """A C-contiguous matrix; at least one column, since Numba reads none of an empty one anyway."""
    matrix = np.array(rows, dtype).reshape(len(rows), -1)
    return matrix if matrix.shape[1] else np.zeros((len(rows), 1), dtype)


def assemble(architecture: Architecture, members: Sequence[Member]) -> Fleet:
    """A fleet whose parameters are still zero, scales and running variances one."""
    members = [_with_own_decay(architecture.optimizer, member) for member in members]
    count, plan, dtype = len(members), architecture.layout, architecture.dtype
    rows = state_rows(architecture.rule, plan.layers, plan.parameters)
    fleet = Fleet(
        theta=np.zeros((count, plan.parameters), dtype),
        state=np.zeros((count, rows, plan.stride), dtype),
        running=np.zeros((count, plan.running), dtype),
        table=np.array([m.table for m in members], np.int64),
        order=np.array([m.order for m in members], np.int64),
        optimizer=_rows([encoded(architecture.optimizer, m.optimizer) for m in members], np.float64),
        activation=_rows([encoded(architecture.activation, m.activation) for m in members], dtype),
        normalizer=_rows([encoded(architecture.normalizer, m.normalizer) for m in members], dtype),
        numbers=_rows([_numbers(architecture, m) for m in members], np.float64),
        key=np.array([key_of(m.key) for m in members], np.uint64),
        schedule=np.array([m.schedule for m in members], np.int64),
        frozen=np.empty(0, np.int64),
        held=np.empty((count, 0), dtype),
    )
    if architecture.normalizer.learnable:
        for layer in plan.layers[:-1]:
            fleet.theta[:, layer.scale : layer.scale + layer.fan_out] = 1.0
            fleet.running[:, layer.running + layer.fan_out : layer.running + 2 * layer.fan_out] = 1.0
    return fleet


def freeze(fleet: Fleet, places: Sequence[int]) -> Fleet:
    """The same fleet with the parameters at ``places`` of θ held at what they are now."""
    frozen = np.array(places, np.int64)
    return fleet._replace(frozen=frozen, held=np.ascontiguousarray(fleet.theta[:, frozen]))


def weights(theta: np.ndarray, layer: Layer) -> np.ndarray:
    """The view W (fan_out, fan_in) of a layer into a flat vector of parameters."""
    size = layer.fan_out * layer.fan_in
    return theta[layer.weight : layer.weight + size].reshape(layer.fan_out, layer.fan_in)


def biases(theta: np.ndarray, layer: Layer) -> np.ndarray:
    """The view b (fan_out,) of a layer into a flat vector of parameters."""
    return theta[layer.bias : layer.bias + layer.fan_out]


def sample_tables(
    features: Sequence[np.ndarray], targets: Sequence[np.ndarray], precision: str
) -> np.ndarray:
    """Tables as :class:`Data` has them, of (rows, features) and (rows, outputs) each."""
    (rows, inputs), outputs, step = features[0].shape, targets[0].shape[1], lanes(jit.REAL[precision])
    second = -(-inputs // step) * step
    shape = (len(features), rows, second + -(-outputs // step) * step)
    tables = aligned_zeros(math.prod(shape), np.dtype(precision)).reshape(shape)
    for table, *pair in zip(tables, features, targets, strict=True):
        table[:, :inputs], table[:, second : second + outputs] = pair
    return tables


def notes_for(
    architecture: Architecture, members: int, checkpoints: int, *, layers: bool, steps: int = 0
) -> Notes:
    """Empty notes of every checkpoint, of the layers if wanted, of every one of ``steps``."""
    measured = len(architecture.widths) - 1 if layers else 0
    return Notes(
        losses=np.full((members, steps), np.nan),
        norms=np.full((members, steps), np.nan),
        curves=np.full((members, max(checkpoints, 1), len(CURVE)), np.nan),
        layers=np.full((members, max(checkpoints, 1), measured, len(Column)), np.nan),
        recorded=np.zeros(members, np.int64),
        diverged=np.full(members, -1, np.int64),
    )


def train(architecture: Architecture, fleet: Fleet, data: Data, course: Course, notes: Notes) -> Room:
    """Train the whole fleet in place, in the calling thread, without holding Python's lock.

    Returns the thread's scratch: the last network's latest gradient, and what its layers did.
    """
    loop, parts, tools = architecture.kernels
    plan, dtype = architecture.layout, architecture.dtype
    rows = 2 + fleet.state.shape[1]
    theta, gradient, *_ = learning = aligned_zeros(rows * plan.stride, dtype).reshape(rows, plan.stride)
    room = Room(
        aligned_zeros(plan.work, dtype),
        theta[: plan.parameters],
        gradient[: plan.parameters],
        learning[2:],
        np.zeros(CONSTANTS, dtype),
        np.zeros(fleet.optimizer.shape[1]),
        np.zeros(STATE),
        np.zeros(plan.addresses, np.intp),
    )
    loop(plan.space, fleet, data, course, notes, room, addresses((*parts, *tools)))
    return room
