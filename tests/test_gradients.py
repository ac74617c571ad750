"""The kernels' gradient: the slope of their own loss, and the identities a gradient must obey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import naive
import numpy as np
import pytest
from cases import LOSSES, NORMALIZERS, Case

KINKED = ("relu", "leaky_relu", "selu")
EXACT_BATCH = {"name": "batch", "epsilon": 1e-30}  # the identities hold for ε = 0


def train(
    case: Case, weights: list[np.ndarray], biases: list[np.ndarray], optimizer: Any, steps: int = 1
) -> Any:
    """The case's training with other weights, biases, optimizer and number of steps."""
    from sim import train_arrays

    inputs, targets, _, _, order = case.arrays()
    return train_arrays(
        inputs, targets, weights, biases, order[:steps], activation=case.activation,
        normalizer=case.normalizer, loss=case.loss, residual=case.residual, optimizer=optimizer,
    )  # fmt: skip


def kernel_gradient(case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """∂L/∂W and ∂L/∂b of the first mini-batch: what one step of gradient descent with lr = 1 takes off."""
    _, _, weights, biases, _ = case.arrays()
    after = train(case, weights, biases, {"name": "sgd", "lr": 1.0})
    return (
        [a - b for a, b in zip(weights, after.weights, strict=True)],
        [a - b for a, b in zip(biases, after.biases, strict=True)],
    )


def away_from_kinks(case: Case) -> Case:
    """The case with the first seed whose activations' arguments all stay 1e-3 away from 0."""
    for seed in range(case.seed, case.seed + 200):
        found = replace(case, seed=seed)
        inputs, _, weights, biases, order = found.arrays()
        trace = naive.forward(found.net, naive.parameters(found.net, weights, biases), inputs[order[0]])
        if min(np.abs(layer.argument).min() for layer in trace[:-1]) > 1e-3:
            return found
    raise AssertionError("every seed comes near a kink")


def assert_slope(case: Case) -> None:
    """Along a random direction in each layer's weights and biases: ⟨g, u⟩ = (L(θ + hu) − L(θ − hu)) / 2h."""
    _, _, weights, biases, _ = case.arrays()
    draw = np.random.default_rng(case.seed + 2)
    for kind, gradients in enumerate(kernel_gradient(case)):
        for layer, g in enumerate(gradients):
            direction = draw.normal(size=g.shape)
            losses = []
            for h in (1e-5, -1e-5):
                moved = (list(weights), list(biases))
                moved[kind][layer] = moved[kind][layer] + h * direction
                losses.append(train(case, *moved, {"name": "sgd", "lr": 0.0}).losses[0])
            slope = (losses[0] - losses[1]) / 2e-5
            size = float(np.linalg.norm(g) * np.linalg.norm(direction))
            assert abs(slope - (g * direction).sum()) <= 1e-6 * max(size, 1e-3), (kind, layer)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_gradient_is_the_slope_of_the_loss(activation: str, normalizer: str) -> None:
    case = Case((5, 7, 7, 7, 3), activation, normalizer, residual=True, batch=9)
    assert_slope(away_from_kinks(case) if activation in KINKED else case)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_gradient_of_every_loss(loss: str, normalizer: str, residual: bool) -> None:
    assert_slope(Case((4, 6, 6, 5, 5, 3), "sin", normalizer, loss, residual=residual, batch=13, seed=3))


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_gradients_of_scales_and_shifts_as_the_twin(normalizer: str) -> None:
    """They start at 1 and 0 in every training, so the twin speaks for their slope."""
    case = Case((5, 7, 6, 3), "softsign", normalizer, optimizer={"name": "sgd", "lr": 1.0}, steps=1)
    found, twin = case.kernel(), case.twin()
    for kind in ("scales", "shifts"):
        assert len(getattr(found, kind)) == (0 if normalizer == "none" else 2)
        for a, b in zip(getattr(found, kind), twin[kind], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


def gradients_on_the_way(case: Case, steps: int) -> list[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Weights before, and ∂L/∂W at, each step: momentum that forgets at once keeps the gradient itself."""
    _, _, weights, biases, _ = case.arrays()
    optimizer = {"name": "momentum", "lr": 0.1, "beta": 0.0, "form": "ema"}
    found = []
    for step in range(1, steps + 1):
        after = train(case, case.arrays()[2], biases, optimizer, step)
        found.append((weights, after.state["velocity"]["weights"]))
        weights = after.weights
    return found


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_batch_norm_makes_each_unit_blind_to_its_scale(activation: str) -> None:
    """⟨w_k, ∂L/∂w_k⟩ = 0 for every hidden unit k, at every step: the loss does not see ‖w_k‖."""
    case = Case((6, 9, 8, 7, 3), activation, EXACT_BATCH, batch=17)
    for weights, gradients in gradients_on_the_way(case, 10):
        for W, g in zip(weights[:-1], gradients[:-1], strict=True):
            assert np.abs((W * g).sum(axis=1)).max() <= 1e-10
            assert np.linalg.norm(g) > 1e-4  # it is not that nothing flows
        assert (
            np.abs((weights[-1] * gradients[-1]).sum(axis=1)).max() > 1e-4
        )  # the output layer is not normalized


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["linear", "relu", {"name": "leaky_relu", "slope": 0.3}], ids=str)
def test_bias_free_homogeneous_nets_share_their_gradient_alike(activation: Any, loss: str) -> None:
    """⟨W_l, ∂L/∂W_l⟩ is the same for every layer (Euler: doubling any layer doubles the outputs)."""
    case = Case((6, 11, 4, 9, 13, 2), activation, "none", loss, batch=19, nonzero_biases=False)
    ((weights, gradients),) = gradients_on_the_way(case, 1)
    shares = [float((W * g).sum()) for W, g in zip(weights, gradients, strict=True)]
    assert abs(shares[0]) > 1e-3
    np.testing.assert_allclose(shares, shares[0], rtol=0, atol=1e-10)


def test_a_dead_network_has_no_gradient_below_its_output() -> None:
    """ReLU units that are off for every sample pass exactly nothing back; only the output's bias learns."""
    case = Case((4, 5, 5, 3), "relu")
    inputs, targets, weights, biases, order = case.arrays()
    weights[0] = -np.abs(weights[0])
    biases[0] = np.full_like(biases[0], -1e-3)
    from sim import train_arrays

    after = train_arrays(
        np.abs(inputs),
        targets,
        weights,
        biases,
        order[:1],
        activation="relu",
        optimizer={"name": "sgd", "lr": 1.0},
    )
    np.testing.assert_array_equal(after.weights[0], weights[0])
    np.testing.assert_array_equal(after.biases[0], biases[0])
