"""One network in the kernels: symmetries, padding, dropout, and rows that are not asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import naive
import numpy as np
import pytest
from cases import NORMALIZERS, Case, difference


def train(*arrays: Any, **parts: Any) -> Any:
    from sim import train_arrays

    return train_arrays(*arrays, **parts)


def parts_of(case: Case) -> dict[str, Any]:
    return {
        "activation": case.activation,
        "normalizer": case.normalizer,
        "loss": case.loss,
        "optimizer": case.optimizer,
        "residual": case.residual,
    }


# Padding


@pytest.mark.parametrize("activation", ["linear", "relu", "silu", "gelu", "softplus", "sin"])
def test_padding_that_overflows_disturbs_nothing(activation: str) -> None:
    """Batch normalization keeps samples small whatever the weights; what pads the batch is not normalized.

    Weights of 1e30 in sixteen layers take anything that is not normalized beyond the largest float64.
    """
    case = Case(
        (5, *[6] * 16, 3), activation, "batch", batch=5, steps=2, optimizer={"name": "sgd", "lr": 1e-3}
    )
    inputs, targets, weights, biases, order = case.arrays()
    large = [W * 1e30 for W in weights[:-1]] + weights[-1:]
    found = train(inputs, targets, large, biases, order, **parts_of(case))
    twin = naive.train(inputs, targets, large, biases, order, net=case.net, optimizer=case.optimizer)
    assert np.isfinite(found.losses).all()
    np.testing.assert_allclose(found.losses, twin["losses"], rtol=1e-9)
    for a, b in zip(found.biases, twin["biases"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("batch", [1, 3, 5, 9])
def test_a_row_that_is_not_asked_for_does_not_matter(normalizer: str, batch: int) -> None:
    """Not even where it holds NaN: no row beside the mini-batch's is read."""
    case = Case((5, 7, 7, 3), "tanh", normalizer, batch=batch, steps=4)
    inputs, targets, weights, biases, order = case.arrays()
    spoilt = np.vstack([inputs, np.full((3, 5), np.nan)])
    more = np.concatenate([targets, [0, 1, 2]])
    found = train(spoilt, more, weights, biases, order, **parts_of(case))
    assert found.losses.tobytes() == case.kernel().losses.tobytes()


# Symmetries


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_order_within_a_mini_batch_does_not_matter(normalizer: str) -> None:
    case = Case((5, 7, 7, 3), "tanh", normalizer, batch=13)
    inputs, targets, weights, biases, order = case.arrays()
    turned = train(inputs, targets, weights, biases, order[:, ::-1], **parts_of(case))
    assert difference(turned, case.kernel()) <= 1e-13


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("residual", [False, True])
def test_hidden_units_may_be_renamed(normalizer: str, residual: bool) -> None:
    """The same permutation of every hidden layer's units permutes the trained parameters and nothing else."""
    case = Case((5, 9, 9, 9, 3), "gelu", normalizer, residual=residual, batch=6)
    inputs, targets, weights, biases, order = case.arrays()
    turn = np.random.default_rng(1).permutation(9)
    mixed = [weights[0][turn], *[W[turn][:, turn] for W in weights[1:-1]], weights[-1][:, turn]]
    found = train(
        inputs, targets, mixed, [*[b[turn] for b in biases[:-1]], biases[-1]], order, **parts_of(case)
    )
    plain = case.kernel()
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-12)
    np.testing.assert_allclose(found.weights[1], plain.weights[1][turn][:, turn], rtol=0, atol=1e-12)


def test_equal_units_stay_equal() -> None:
    """Constant weights: every unit of a layer sees and learns the same, so the symmetry is never broken."""
    case = Case((4, 6, 6, 2), "tanh", batch=7)
    inputs, targets, weights, biases, order = case.arrays()
    found = train(
        inputs,
        targets,
        [np.full_like(W, 0.3) for W in weights],
        [0 * b for b in biases],
        order,
        **parts_of(case),
    )
    np.testing.assert_allclose(found.weights[0], np.tile(found.weights[0][:1], (6, 1)), rtol=1e-12)


def test_all_zero_weights_leave_the_loss_at_ln_k_and_the_weights_at_zero() -> None:
    """tanh(0) = 0 passes nothing on, no zero weight passes anything back: only the output's bias learns."""
    case = Case((5, 8, 8, 10), "tanh", batch=60, steps=30, optimizer={"name": "sgd", "lr": 0.5})
    inputs, targets, weights, biases, order = case.arrays()
    found = train(inputs, targets, [0 * W for W in weights], [0 * b for b in biases], order, **parts_of(case))
    assert found.losses[0] == pytest.approx(np.log(10), rel=1e-14)
    assert all((W == 0).all() for W in found.weights)
    assert (found.biases[0] == 0).all()
    assert (found.biases[1] == 0).all()
    assert (found.biases[2] != 0).any()


def test_residual_connections_only_between_hidden_layers_of_equal_width() -> None:
    """Layers 2 and 4 add their input, layer 1 does not although the inputs are as wide, nor does layer 3.

    Layer l has the bias 10⁻ˡ; weights are zero but for the third layer's, a mean, and the output's, a sum.
    """
    widths = (4, 4, 4, 3, 3, 2)
    inputs = np.random.default_rng(0).normal(size=(1, 4))
    weights = [np.zeros((o, i)) for i, o in pairwise(widths)]
    biases = [np.full(o, 10.0**-layer) for layer, o in enumerate(widths[1:], start=1)]
    weights[2][:] = 0.25
    weights[4][0] = 1.0
    target = np.zeros((1, 2))
    for residual, arrives in ((False, 3e-4), (True, 3 * 0.1111)):
        found = train(
            inputs, target, weights, biases, np.zeros((1, 1), int), activation="linear",
            loss="half_squared_error", optimizer={"name": "sgd", "lr": 0.0}, residual=residual,
        )  # fmt: skip
        assert found.losses[0] == pytest.approx(((arrives + 1e-5) ** 2 + 1e-10) / 2, rel=1e-12)


# Dropout


def masks(
    batch: int, width: int, rate: float, key: int, steps: int = 1, precision: str = "float64"
) -> np.ndarray:
    """(steps, batch, width) of what one linear hidden layer of ones becomes, read off the output's gradient.

    There is one output a sample, and its target is such that output k has slope 1 for sample k and 0 for
    the others: a step with lr takes lr · (activation k) off row k of the output's weights.
    """
    arrays = (np.zeros((batch, 1)), -batch * np.eye(batch), [np.zeros((width, 1)), np.zeros((batch, width))])
    biases = [np.ones(width), np.zeros(batch)]
    lr, seen = 1e-6, [np.zeros((batch, width))]
    for step in range(1, steps + 1):
        order = np.tile(np.arange(batch), (step, 1))
        found = train(
            *arrays, biases, order, activation="linear", loss="half_squared_error",
            optimizer={"name": "sgd", "lr": lr}, dropout=rate, dropout_key=key,
            precision=precision,
        )  # fmt: skip
        seen.append(found.weights[-1] / -lr)
    return np.diff(seen, axis=0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_stated_share_and_makes_up_for_it(rate: float) -> None:
    (seen,) = masks(batch=40, width=250, rate=rate, key=3)
    kept = seen > 0.5
    assert seen[kept] == pytest.approx(1 / (1 - rate), rel=1e-12)
    assert (np.abs(seen[~kept]) < 1e-12).all()
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / kept.size)
    for axis in (0, 1):  # no row or column is out of the ordinary
        spread = kept.mean(axis=axis).std() / np.sqrt(rate * (1 - rate) / kept.shape[axis])
        assert 0.7 < spread < 1.3


def test_dropout_depends_on_key_and_step_and_on_nothing_else() -> None:
    one = masks(8, 50, 0.5, key=1, steps=3) > 0.5
    again = masks(8, 50, 0.5, key=1, steps=3) > 0.5
    other = masks(8, 50, 0.5, key=2, steps=3) > 0.5
    np.testing.assert_array_equal(one, again)
    for a, b in [(one[0], one[1]), (one[1], one[2]), (one[0], one[2]), (one[0], other[0])]:
        assert 0.35 < (a == b).mean() < 0.65  # unrelated: about half of the entries agree


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_dropout_forward_and_backward_as_the_twin(normalizer: str) -> None:
    """The masks that were read off a bare network, handed to the twin of a real one."""
    batch, width, rate = 8, 20, 0.3
    kept = (masks(batch, width, rate, key=11)[0] > 0.5).astype(float)
    case = Case(
        (5, width, batch), "tanh", normalizer, "half_squared_error", batch=batch, rows=batch, steps=1,
        optimizer={"name": "sgd", "lr": 1.0},
    )  # fmt: skip
    inputs, targets, weights, biases, _ = case.arrays()
    order = np.arange(batch)[None]
    found = train(inputs, targets, weights, biases, order, **parts_of(case), dropout=rate, dropout_key=11)
    net = replace(case.net, dropout=rate)
    twin = naive.train(
        inputs, targets, weights, biases, order, net=net, optimizer=case.optimizer, masks=[[kept]]
    )
    assert difference(found, twin) <= 1e-12


def test_the_same_units_drop_in_single_precision() -> None:
    """Seven samples are padded differently in the two precisions; a mask knows units and samples only."""
    wide = masks(7, 30, 0.5, key=5) > 0.5
    assert 0.3 < wide.mean() < 0.7
    np.testing.assert_array_equal(masks(7, 30, 0.5, key=5, precision="float32") > 0.5, wide)


def test_no_dropout_is_no_dropout() -> None:
    case = Case((5, 7, 7, 3))
    assert case.kernel(dropout=0.0, dropout_key=9).losses.tobytes() == case.kernel().losses.tobytes()
