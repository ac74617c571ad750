"""Rules that see a layer, against plain NumPy: the only oracle of Shampoo and SOAP here."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import pytest
from scipy import linalg
from trials import DEEP, network_arrays

Array = np.ndarray
STEPS = 60


def shampoo(kept: dict[str, Array], W: Array, g: Array, t: int, lr: float, epsilon: float) -> Array:
    """Gupta et al. 2018, algorithms 1 and 2, by matrix powers of SciPy."""
    kept["L"] = kept.get("L", epsilon * np.eye(len(g))) + g @ g.T
    if g.shape[1] == 1:
        return W - lr * linalg.fractional_matrix_power(kept["L"], -0.5) @ g
    kept["R"] = kept.get("R", epsilon * np.eye(g.shape[1])) + g.T @ g
    left, right = (linalg.fractional_matrix_power(kept[side], -0.25) for side in "LR")
    return W - lr * left @ g @ right


def soap(
    kept: dict[str, Array], W: Array, g: Array, t: int,
    lr: float, beta1: float, beta2: float, epsilon: float, shampoo_beta: float, every: int,
) -> Array:  # fmt: skip
    """Vyas et al. 2025, algorithm 3: Adam of the gradient turned into Shampoo's eigenbasis, and back.

    Where G Gᵀ is singular, and it is at first, the basis of its null space is whatever LAPACK finds.  No
    gradient of that step lies in it, so only a basis that is taken anew every step can be compared.
    """
    if g.shape[1] == 1:
        turn, back = (lambda x: x), (lambda x: x)
    else:
        for name, square in (("L", g @ g.T), ("R", g.T @ g)):
            kept[name] = shampoo_beta * kept.get(name, 0 * square) + (1 - shampoo_beta) * square
            if (t - 1) % every == 0:
                kept[f"Q{name}"] = linalg.eigh(kept[name])[1]
        Q, P = kept["QL"], kept["QR"]
        turn, back = (lambda x: Q.T @ x @ P), (lambda x: Q @ x @ P.T)
    kept["m"] = beta1 * kept.get("m", 0 * g) + (1 - beta1) * g
    kept["v"] = beta2 * kept.get("v", 0 * g) + (1 - beta2) * turn(g) ** 2
    step = turn(kept["m"]) / (1 - beta1**t) / (np.sqrt(kept["v"] / (1 - beta2**t)) + epsilon)
    return W - lr * back(step)


def muon(
    kept: dict[str, Array], W: Array, g: Array, t: int, lr: float, momentum: float, weight_decay: float
) -> Array:
    """PyTorch's form (momentum not corrected, Nesterov) in full precision, NS written by singular values."""
    kept["m"] = momentum * kept.get("m", 0 * g) + (1 - momentum) * g
    left, values, right = linalg.svd((1 - momentum) * g + momentum * kept["m"], full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    W = W - lr * weight_decay * W
    return W - lr * np.sqrt(max(1, W.shape[0] / W.shape[1])) * (left * values) @ right


def twin(rule: Any, **settings: Any) -> tuple[list[float], dict[str, list[Array]]]:
    """Losses and last parameters; ``rule`` moves every tensor, vectors as columns."""
    inputs, labels, weights, biases, order = network_arrays(DEEP)
    net = naive.Network()
    theta = naive.parameters(net, weights, biases)
    kept: dict[Any, dict[str, Array]] = {}
    losses = []
    for t, rows in enumerate(order[:STEPS], start=1):
        value, g, _, _ = naive.gradient(net, theta, inputs[rows], labels[rows])
        losses.append(value)
        for kind in ("weights", "biases"):
            for i, (p, slope) in enumerate(zip(theta[kind], g[kind], strict=True)):
                shape = (len(p), -1)
                memory = kept.setdefault((kind, i), {"hidden": np.array(kind == "weights" and i == 1)})
                moved = rule(memory, p.reshape(shape), slope.reshape(shape), t, **settings)
                theta[kind][i] = moved.reshape(p.shape)
    return losses, theta


def muon_or_adam(kept: dict[str, Array], W: Array, g: Array, t: int, **settings: Any) -> Array:
    if kept["hidden"]:
        return muon(kept, W, g, t, **settings)
    return naive.adam(W, g, kept, t, lr=settings["lr"], epsilon=1e-7)


RULES: dict[str, tuple[Any, dict[str, Any]]] = {
    "shampoo": (shampoo, {"lr": 0.1, "epsilon": 1e-4}),
    "shampoo_other": (shampoo, {"lr": 0.3, "epsilon": 0.1}),
    "soap": (
        soap,
        {"lr": 3e-3, "beta1": 0.95, "beta2": 0.95, "epsilon": 1e-6, "shampoo_beta": 0.95, "every": 1},
    ),
    "soap_other": (
        soap, {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-4, "shampoo_beta": 0.7, "every": 1}
    ),
    "muon": (muon_or_adam, {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_trains_as_plain_numpy(name: str) -> None:
    from sim import train_arrays

    rule, settings = RULES[name]
    losses, theta = twin(rule, **settings)
    *arrays, order = network_arrays(DEEP)
    choice = {"name": name.partition("_")[0], **settings}
    trained = train_arrays(*arrays, order[:STEPS], optimizer=choice)
    np.testing.assert_allclose(trained.losses, losses, rtol=1e-9)
    for found, expected in zip(
        trained.weights + trained.biases, theta["weights"] + theta["biases"], strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    single = train_arrays(*arrays, order[:50], optimizer=choice, precision="float32")
    np.testing.assert_allclose(single.losses, losses[:50], rtol=1e-3)


def test_soap_takes_its_basis_anew_as_often_as_asked() -> None:
    from sim import train_arrays

    *arrays, order = network_arrays(DEEP)
    often, seldom, never = (
        train_arrays(*arrays, order[:30], optimizer={"name": "soap", "every": every}).losses
        for every in (10, 20, 1000)
    )
    np.testing.assert_array_equal(often[:11], seldom[:11])  # step 11 changes what is seen before step 12
    assert often[11] != seldom[11]
    np.testing.assert_array_equal(seldom[:21], never[:21])
    assert seldom[21] != never[21]


def test_muons_hidden_step_has_singular_values_near_one() -> None:
    """Five Newton–Schulz steps leave them between 0.6 and 1.3; other layers take Adam's first step."""
    from sim import train_arrays

    inputs, labels, weights, biases, order = network_arrays(DEEP)
    choice = {"name": "muon", "lr": 0.01, "weight_decay": 0.0}
    after = train_arrays(inputs, labels, weights, biases, order[:1], optimizer=choice)
    step = (weights[1] - after.weights[1]) / 0.01 / np.sqrt(9 / 6)
    values = np.linalg.svd(step, compute_uv=False)
    assert values.max() < 1.3
    assert values[:3].min() > 0.6
    np.testing.assert_allclose(np.abs(weights[0] - after.weights[0]), 0.01, rtol=1e-3)
