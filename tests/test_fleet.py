"""Fleets: many networks of one shape, and what is noted of them at checkpoints, as the slow twin has it."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import pytest
from cases import NORMALIZERS, Case


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
            weight_decay=case.weight_decay, table=number, order=number, **given,
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
        tables=fleets.sample_tables([inputs for inputs, *_ in arrays], targets, "float64"),
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
    from sim import train_arrays

    found = train_arrays(
        *arrays, np.array([[0], [1], [1]]), loss="half_squared_error", optimizer={"name": "sgd", "lr": 0.1}
    )
    assert found.losses[0] == 0.0
    assert np.isfinite(found.losses).all()
