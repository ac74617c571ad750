"""Training from explicit arrays: nothing drawn, nothing hidden, everything returned.

The same kernels as in every study, with inputs, first weights and the order of samples
given by the caller, so that anyone can check them against another library or by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import given
from sim.given import Named

if TYPE_CHECKING:
    from sim.kernels.fleet import Architecture


@dataclass(frozen=True)
class Trained:
    """What training leaves: lists have an entry a layer, input side first."""

    weights: list[np.ndarray]
    """(fan_out, fan_in) each."""
    biases: list[np.ndarray]
    """(fan_out,) each."""
    scales: list[np.ndarray]
    """(units,) of each normalized layer, as are the next three."""
    shifts: list[np.ndarray]
    running_mean: list[np.ndarray]
    running_variance: list[np.ndarray]
    state: dict[str, dict[str, list[np.ndarray]]]
    """Optimizer state: slot → "weights", "biases", "scales", "shifts" → an array a layer."""
    losses: np.ndarray
    """(steps,) float64: mean loss of each mini-batch before its update; NaN after divergence."""
    gradient_norms: np.ndarray
    """(steps,) float64: Euclidean norm of each step's whole gradient, before clipping and decay."""


def train_arrays(  # noqa: PLR0913  (what a network is, by keyword)
    inputs: Any,
    targets: Any,
    weights: Sequence[Any],
    biases: Sequence[Any],
    order: Any,
    *,
    activation: Named = "tanh",
    output: Named = "linear",
    normalizer: Named = "none",
    loss: Named = "softmax_cross_entropy",
    optimizer: Named = "sgd",
    residual: bool = False,
    dropout: float = 0.0,
    dropout_key: int = 0,
    schedule: Named = "constant",
    weight_decay: float = 0.0,
    decay: str = "l2",
    clipping: Named = "none",
    frozen: Sequence[str] = (),
    precision: str = "float64",
) -> Trained:
    """Train one fully-connected network and return all that came of it.

    ``inputs`` (rows, features); ``targets`` (rows,) class labels or numbers, or (rows, outputs);
    ``weights`` and ``biases`` a (fan_out, fan_in) and a (fan_out,) array a layer, the last the
    output layer; ``order`` (steps, batch) row numbers, a mini-batch a step.  Nothing given is
    changed.  A layer computes a = φ(normalizer(W a + b)), the last ψ(W a + b) with ψ the activation
    ``output``; with ``residual`` a hidden layer as wide as the hidden layer before it adds its input.
    ``frozen`` names tensors that are not trained, "biases" or "weights[0]" (the first layer's): they
    stay what they are to the bit and count in no gradient norm.  The loss is the mean
    over the mini-batch; ``decay`` is ``l2`` (λ θ joins the gradient) or ``decoupled`` (θ shrinks by
    lr λ θ, with the schedule's lr); scales start at 1, shifts and optimizer state at 0.

    Raises StudyError for an unknown part, a parameter that it does not have, shapes that do
    not fit together, rows that are not there, numbers that are not finite or out of range.
    """
    from sim.catalog.activations import activation as activations
    from sim.catalog.clippings import clipping as clippings
    from sim.catalog.losses import loss as losses
    from sim.catalog.normalizers import normalizer as normalizers
    from sim.catalog.optimizers import optimizer as optimizers
    from sim.catalog.schedules import factors as schedule_factors
    from sim.catalog.schedules import plateaus
    from sim.catalog.schedules import schedule as schedules
    from sim.kernels import fleet as fleets

    given.check_numbers(dropout, weight_decay, decay, precision)
    inputs = given.reals("inputs", inputs, 2, "(rows, features)")
    layers = given.layers_of(weights, biases, inputs.shape[1])
    order = given.order_of(order, len(inputs))
    given.check_finite("inputs", inputs[np.unique(order)])  # rows that no step asks for may hold anything
    part_of = {
        "activation": given.part_of(activations, activation),
        "normalizer": given.part_of(normalizers, normalizer),
        "loss": given.part_of(losses, loss),
    }
    last, last_settings = given.part_of(activations, output, "output")
    rule, settings = given.part_of(optimizers, optimizer)
    given.check_full_batch(rule, order, dropout)
    clip, limits = given.part_of(clippings, clipping)
    norm_limit, value_limit = clip.function(**limits)
    widths = [inputs.shape[1], *(len(b) for _, b in layers)]
    architecture = fleets.Architecture.of(
        widths,
        order.shape[1],
        rule,
        settings,
        residual=residual,
        precision=precision,
        output=last,
        output_settings=tuple(last_settings.values()),
        **{kind: part for kind, (part, _) in part_of.items()},
    )
    member = fleets.Member(
        optimizer=settings,
        activation=part_of["activation"][1],
        normalizer=part_of["normalizer"][1],
        dropout=dropout,
        weight_decay=weight_decay if decay == "l2" else 0.0,
        decoupled_decay=weight_decay if decay == "decoupled" else 0.0,
        clip_norm=norm_limit,
        clip_value=value_limit,
        key=dropout_key,
    )
    fleet = fleets.assemble(architecture, [member])
    for layer, (w, b) in zip(architecture.layout.layers, layers, strict=True):
        fleets.weights(fleet.theta[0], layer)[:] = w
        fleets.biases(fleet.theta[0], layer)[:] = b
    fleet = fleets.freeze(fleet, given.frozen_places(architecture.layout.layers, frozen))
    rows = given.target_rows(targets, widths[-1], len(inputs), part_of["loss"][0])
    data = fleets.Data(
        tables=fleets.sample_tables([inputs], [rows], precision),
        order=order[None],
        sequence=np.arange(len(inputs), dtype=np.int32),
        training=len(inputs),
        evaluated=np.zeros(2, np.int64),
    )
    notes = fleets.notes_for(architecture, 1, 0, layers=False, steps=len(order))
    chosen = [given.part_of(schedules, schedule)]
    factors = schedule_factors(chosen, len(order))
    course = fleets.Course(len(order), np.empty(0, np.int64), factors, plateaus(chosen))
    fleets.train(architecture, fleet, data, course, notes)
    return _trained(architecture, fleet, notes)


def _by_kind(architecture: Architecture, theta: np.ndarray) -> dict[str, list[np.ndarray]]:
    """A flat vector of parameters as lists of arrays."""
    from sim.kernels import fleet as fleets

    layers = architecture.layout.layers
    normalized = layers[:-1] if architecture.normalizer.learnable else []
    return {
        "weights": [fleets.weights(theta, layer) for layer in layers],
        "biases": [fleets.biases(theta, layer) for layer in layers],
        "scales": [theta[layer.scale : layer.scale + layer.fan_out] for layer in normalized],
        "shifts": [theta[layer.shift : layer.shift + layer.fan_out] for layer in normalized],
    }


def _trained(architecture: Architecture, fleet: Any, notes: Any) -> Trained:
    layers = architecture.layout.layers[:-1] if architecture.normalizer.learnable else []
    running = [fleet.running[0, layer.running :][: 2 * layer.fan_out].reshape(2, -1) for layer in layers]
    return Trained(
        **_by_kind(architecture, fleet.theta[0]),
        running_mean=[mean for mean, _ in running],
        running_variance=[variance for _, variance in running],
        state={
            slot: _by_kind(architecture, fleet.state[0, number])
            for number, slot in enumerate(architecture.slots)
        },
        losses=notes.losses[0],
        gradient_norms=notes.norms[0],
    )
