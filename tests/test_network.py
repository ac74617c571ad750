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


# Fleets: many networks of one shape, and what is noted of them at checkpoints


def train_fleet(cases: list[Case], checkpoints: tuple[int, ...] = (), **given: Any) -> tuple[Any, Any, Any]:
    """Architecture, fleet and notes of cases that differ in their numbers only, trained together."""
    from sim.catalog.activations import activation
    from sim.catalog.losses import loss
    from sim.catalog.normalizers import normalizer
    from sim.catalog.optimizers import optimizer
    from sim.kernels import fleet as fleets

    def bound(family: Any, part: Any) -> tuple[Any, dict[str, Any]]:
        name, parameters = naive.split(part)
        return family[name], family[name].bind(**parameters)

    first = cases[0]
    rule, settings = bound(optimizer, first.optimizer)
    architecture = fleets.Architecture.of(
        first.widths, first.batch, rule, settings, residual=first.residual, precision="float64",
        activation=bound(activation, first.activation)[0],
        normalizer=bound(normalizer, first.normalizer)[0], loss=loss[first.loss],
    )  # fmt: skip
    fleet = fleets.assemble(architecture, [
        fleets.Member(
            optimizer=bound(optimizer, case.optimizer)[1],
            activation=bound(activation, case.activation)[1],
            normalizer=bound(normalizer, case.normalizer)[1],
            weight_decay=case.weight_decay, table=number, **given,
        )
        for number, case in enumerate(cases)
    ])  # fmt: skip
    arrays = [case.arrays() for case in cases]
    for theta, (_, _, weights, biases, _) in zip(fleet.theta, arrays, strict=True):
        for layer, W, b in zip(architecture.layout.layers, weights, biases, strict=True):
            fleets.weights(theta, layer)[:] = W
            fleets.biases(theta, layer)[:] = b
    targets = [naive.target_matrix(t, first.widths[-1], first.loss) for _, t, _, _, _ in arrays]
    data = fleets.Data(
        features=fleets.padded_rows(np.stack([inputs for inputs, *_ in arrays]), "float64"),
        targets=fleets.padded_rows(np.stack(targets), "float64"),
        order=np.stack([order for *_, order in arrays]).astype(np.int32),
        sequence=np.arange(first.rows, dtype=np.int32),
        training=first.rows - 10,
        evaluated=np.array([first.rows - 10, 10], np.int64),
    )
    notes = fleets.notes_for(architecture, len(cases), len(checkpoints), layers=True, steps=first.steps)
    course = fleets.Course(first.steps, np.array(checkpoints, np.int64))
    fleets.train(architecture, fleet, data, course, notes)
    return architecture, fleet, notes


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", {"name": "elu", "alpha": 0.4}], ids=str)
def test_what_is_noted_at_checkpoints_as_the_twin(activation: Any, normalizer: str) -> None:
    from sim.kernels.arguments import CURVE
    from sim.kernels.measure import Column

    steps = (0, 1, 7, 12)
    case = Case((5, 11, 11, 3), activation, normalizer, residual=True, batch=9, steps=12, seed=4)
    _, _, notes = train_fleet([case], steps)
    assert notes.recorded[0] == len(steps)
    for c, step in enumerate(steps):
        rows, curve = expected_notes(case, step)
        for row, found in zip(rows, notes.layers[0, c], strict=True):
            for column in Column:
                expected = row.get(column.name, np.nan)
                assert found[column] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), (
                    step,
                    row["layer"],
                    column.name,
                )
        for name, found in zip(CURVE, notes.curves[0, c], strict=True):
            assert found == pytest.approx(curve[name], rel=1e-10), name


def expected_notes(case: Case, step: int) -> tuple[list[dict[str, float]], dict[str, float]]:
    """The twin's layer rows and losses after so many updates, from the mini-batch that comes next."""
    inputs, targets, weights, biases, order = case.arrays()

    def after(count: int) -> dict[str, Any]:
        return naive.train(
            inputs, targets, weights, biases, order[:count], net=case.net, optimizer=case.optimizer
        )

    theta = after(step)
    batch = order[step % len(order)]
    value, g, trace, d_pre = naive.gradient(case.net, theta, inputs[batch], targets[batch])
    rows = naive.measure(case.net, trace, g, d_pre)
    for row, W, old in zip(rows, theta["weights"], after(max(step - 1, 0))["weights"], strict=True):
        row["weight_norm"] = float(np.linalg.norm(W))
        row["update_ratio"] = naive.update_ratio(old, W) if step else np.nan
    running = theta["running"] if case.normalizer == "batch" else None
    curve = {"batch_loss": value}
    for split, chosen in (("train", slice(0, case.rows - 10)), ("test", slice(case.rows - 10, None))):
        seen = naive.forward(case.net, theta, inputs[chosen], running=running)
        curve[f"{split}_loss"] = naive.loss(case.net, seen, targets[chosen])[0]
        curve[f"{split}_accuracy"] = float((seen[-1].output.argmax(axis=1) == targets[chosen]).mean())
    return rows, curve


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_measuring_changes_nothing(normalizer: str) -> None:
    case = Case((5, 8, 8, 3), "gelu", normalizer, batch=7)
    plain, watched = train_fleet([case])[1], train_fleet([case], (0, 1, 2, 10, 19, 20))[1]
    assert plain.theta.tobytes() == watched.theta.tobytes()
    assert plain.running.tobytes() == watched.running.tobytes()


def test_a_network_does_not_know_its_fleet() -> None:
    """Bytes are the same alone, in company, and after a network that blew up."""
    cases = [Case(seed=seed, activation="relu", optimizer={"name": "sgd", "lr": lr})
             for seed, lr in ((1, 0.1), (2, 1e200), (3, 0.05), (4, 0.2))]  # fmt: skip
    _, together, notes = train_fleet(cases, (0, 5, 20))
    assert notes.diverged[1] >= 1
    assert (notes.diverged[[0, 2, 3]] == -1).all()
    for number in (0, 2, 3):
        _, alone, own = train_fleet([cases[number]], (0, 5, 20))
        assert together.theta[number].tobytes() == alone.theta[0].tobytes()
        assert notes.layers[number].tobytes() == own.layers[0].tobytes()
        assert notes.curves[number].tobytes() == own.curves[0].tobytes()


def test_divergence_is_a_loss_above_the_stated_multiple_of_the_first() -> None:
    """The step it happens at is noted, and the run stops there; a checkpoint at that step is its last."""
    case = Case((5, 4), loss="half_squared_error", optimizer={"name": "sgd", "lr": 1.5}, batch=60)
    twin = np.array(case.twin()["losses"])
    left = int(np.argmax(twin > 50 * twin[0]))
    assert 2 < left < 19
    _, _, notes = train_fleet([case], (0, 1, left, 20), diverged_above=50.0)
    assert notes.diverged[0] == left
    assert notes.recorded[0] == 3
    np.testing.assert_allclose(notes.losses[0, :left], twin[:left], rtol=1e-10)
    assert np.isnan(notes.losses[0, left + 1 :]).all()
    assert np.isnan(notes.curves[0, 3]).all()


def test_a_first_loss_of_zero_is_no_divergence() -> None:
    """Nothing to learn at first, then a little: a multiple of zero bounds nothing."""
    arrays = (np.array([[1.0], [-1.0]]), np.array([[0.0], [1.0]]), [np.zeros((1, 1))], [np.zeros(1)])
    found = train(
        *arrays, np.array([[0], [1], [1]]), loss="half_squared_error", optimizer={"name": "sgd", "lr": 0.1}
    )
    assert found.losses[0] == 0.0
    assert np.isfinite(found.losses).all()
