"""The twin itself: against finite differences, PyTorch's figures, closed forms and a hand-worked example."""

from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
TORCH = json.loads((GOLDEN / "torch_figures.json").read_text())
WORKED = json.loads((GOLDEN / "worked_example.json").read_text())
NORMALIZERS = ("none", "batch", "layer")


def close(a: Any, b: Any, tolerance: float = 1e-14) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Finite differences


def problem(
    net: naive.Network, seed: int = 5
) -> tuple[naive.Parameters, np.ndarray, np.ndarray, list[np.ndarray]]:
    """A net 3-4-4-4-2 with random parameters (scales and shifts too), seven samples, and dropout masks."""
    draw = np.random.default_rng(seed)
    widths = (3, 4, 4, 4, 2)
    weights = [draw.normal(size=(o, i)) / np.sqrt(i) for i, o in pairwise(widths)]
    theta = naive.parameters(net, weights, [draw.normal(size=o) for o in widths[1:]])
    theta["scales"] = [draw.uniform(0.5, 1.5, len(s)) for s in theta["scales"]]
    theta["shifts"] = [draw.normal(size=len(s)) for s in theta["shifts"]]
    targets = draw.integers(0, 2, 7 if net.loss == "softmax_cross_entropy" else (7, 2))
    masks = [(draw.random((7, w)) < 0.6).astype(float) for w in widths[1:-1]]
    return theta, draw.normal(size=(7, 3)), targets, masks


def slopes(net: naive.Network, theta: naive.Parameters, *batch: Any) -> naive.Parameters:
    """(L(θ + 1e-6) − L(θ − 1e-6)) / 2e-6 for every single parameter."""
    found: naive.Parameters = {kind: [np.zeros_like(p) for p in theta[kind]] for kind in naive.KINDS}
    for kind in naive.KINDS:
        for p, g in zip(theta[kind], found[kind], strict=True):
            for at in np.ndindex(p.shape):
                kept, sides = p[at], []
                for p[at] in (kept + 1e-6, kept - 1e-6):
                    sides.append(naive.gradient(net, theta, *batch)[0])
                p[at] = kept
                g[at] = (sides[0] - sides[1]) / 2e-6
    return found


def assert_gradient(net: naive.Network, use_masks: bool) -> None:
    theta, inputs, targets, masks = problem(net)
    batch = (inputs, targets, masks if use_masks else None)
    _, found, _, _ = naive.gradient(net, theta, *batch)
    expected = slopes(net, theta, *batch)
    for kind in naive.KINDS:
        for g, e in zip(found[kind], expected[kind], strict=True):
            close(g, e, 2e-8)


@pytest.mark.parametrize(("activation", "normalizer"), [*product(naive.ACTIVATIONS, NORMALIZERS)])
def test_gradient_is_the_slope_of_the_loss(activation: str, normalizer: str) -> None:
    assert_gradient(naive.Network(activation, normalizer), use_masks=False)


@pytest.mark.parametrize(
    ("normalizer", "loss", "residual", "use_masks"),
    [*product(NORMALIZERS, naive.LOSSES, (False, True), (False, True))],
)
def test_gradient_with_every_loss_skip_and_mask(
    normalizer: str, loss: str, residual: bool, use_masks: bool
) -> None:
    assert_gradient(naive.Network("sin", normalizer, loss, residual, 0.4 if use_masks else 0.0), use_masks)


def test_gradient_with_a_nonlinear_output() -> None:
    assert_gradient(naive.Network("tanh", "none", "half_squared_error", output="sigmoid"), use_masks=False)


def test_gradient_of_every_pre_activation() -> None:
    """∂L/∂h seen through the bias of the same layer: one sample at a time, the two are equal."""
    net = naive.Network("tanh", residual=True)
    theta, inputs, targets, _ = problem(net)
    _, g, _, d_pre = naive.gradient(net, theta, inputs[:1], targets[:1])
    for bias, d in zip(g["biases"], d_pre, strict=True):
        close(bias, d[0])


# PyTorch


@pytest.mark.parametrize("name", naive.ACTIVATIONS)
def test_activation_as_pytorch(name: str) -> None:
    value, slope = naive.function(name)
    points = np.array(TORCH["points"])
    close(value(points), TORCH["activations"][name]["value"])
    close(slope(points), TORCH["activations"][name]["slope"])


@pytest.mark.parametrize("case", TORCH["optimizers"], ids=lambda case: str(case["optimizer"]))
def test_optimizer_as_pytorch(case: dict[str, Any]) -> None:
    name, hyper = naive.split(case["optimizer"])
    theta, slots = np.array(TORCH["start"]), {}
    for t, g in enumerate(TORCH["gradients"], start=1):
        theta = naive.OPTIMIZERS[name](theta, np.array(g) + case["weight_decay"] * theta, slots, t, **hyper)
    close(theta, case["parameters"])


@pytest.mark.parametrize("case", TORCH["networks"], ids=lambda case: f"{case['normalizer']}-{case['loss']}")
def test_network_as_pytorch(case: dict[str, Any]) -> None:
    net = naive.Network("tanh", case["normalizer"], case["loss"], residual=True)
    inputs = np.array(TORCH["inputs"])
    targets = np.array(TORCH["labels" if case["loss"] == "softmax_cross_entropy" else "matrix"])
    start = (list(map(np.array, TORCH["start_weights"])), list(map(np.array, TORCH["start_biases"])))
    order = np.tile(np.arange(len(inputs)), (5, 1))
    found = naive.train(
        inputs, targets, *start, order, net=net, optimizer=case["optimizer"],
        clipping=case["clipping"], weight_decay=TORCH["weight_decay"],
    )  # fmt: skip
    for key in ("losses", "gradient_norms"):
        close(found[key], case[key], 1e-13)
    for kind in naive.KINDS:
        for p, expected in zip(found[kind], case.get(kind, []), strict=True):
            close(p, expected, 1e-12)
    statistics = found["running"] if case["normalizer"] == "batch" else None
    for (mean, variance), m, v in zip(
        statistics or [], case.get("running_mean", []), case.get("running_variance", []), strict=True
    ):
        close(mean, m, 1e-12)
        close(variance, v, 1e-12)
    close(naive.forward(net, found, inputs, running=statistics)[-1].output, case["evaluated"], 1e-11)


# Closed forms


def first_step(name: str, g: np.ndarray, **hyper: Any) -> np.ndarray:
    return naive.OPTIMIZERS[name](np.zeros_like(g), g, {}, 1, **hyper)


def test_first_steps() -> None:
    g = np.array([3.0, -0.02, 1e-6, 0.0])
    close(first_step("adam", g, lr=0.1), -0.1 * g / (np.abs(g) + 1e-8))
    raw = first_step("adam", g, lr=0.1, epsilon=1e-300, bias_correction=False)
    close(raw, -0.1 * np.sign(g) * 0.1 / np.sqrt(0.001))
    close(first_step("rmsprop", g, lr=0.1, epsilon=1e-300), -0.1 / np.sqrt(0.01) * np.sign(g))
    close(first_step("momentum", g, lr=0.1, beta=0.8, form="heavy_ball", dampening=0.5), -0.1 * g)
    close(first_step("momentum", g, lr=0.1, beta=0.8, form="ema"), -0.1 * 0.2 * g)


def test_ema_momentum_is_heavy_ball_with_a_smaller_rate() -> None:
    draw = np.random.default_rng(0)
    a = b = draw.normal(size=6)
    slots_a, slots_b = {}, {}
    for t in range(1, 30):
        g = draw.normal(size=6)
        a = naive.momentum(a, g, slots_a, t, lr=0.5, beta=0.7, form="ema")
        b = naive.momentum(b, g, slots_b, t, lr=0.5 * 0.3, beta=0.7, form="heavy_ball")
    close(a, b, 1e-13)


def test_centered_variance_never_falls_below_zero() -> None:
    """With equal gradients v − m² tends to 0 from above, by rounding below it; the step stays finite."""
    slots: dict[str, np.ndarray] = {}
    theta = np.zeros(3)
    for t in range(1, 200):
        theta = naive.rmsprop(theta, np.array([0.1, 0.7, 1 / 3]), slots, t, lr=1e-3, rho=0.5, centered=True)
    assert np.isfinite(theta).all()


def test_losses_of_an_undecided_network() -> None:
    """Equal outputs: ln K for K classes, K ln 2 for K independent yes-or-no answers."""
    o = np.full((3, 10), 0.25)
    close(naive.softmax_cross_entropy(o, np.eye(10)[:3])[0], np.log(10))
    close(naive.binary_cross_entropy(0 * o, np.eye(10)[:3])[0], 10 * np.log(2))
    close(naive.half_squared_error(o, o + 2.0)[0], 20.0)


def test_clipping() -> None:
    g: naive.Parameters = {kind: [] for kind in naive.KINDS}
    g |= {"weights": [np.array([[3.0, -4.0]])], "biases": [np.array([12.0])]}
    assert naive.global_norm(g) == 13.0
    assert naive.global_norm(naive.clip(g, {"name": "norm", "limit": 2.0})) == pytest.approx(2.0, rel=1e-6)
    assert naive.clip(g, {"name": "norm", "limit": 20.0})["weights"][0][0, 1] == -4.0
    close(naive.clip(g, {"name": "value", "limit": 3.5})["weights"][0], [[3.0, -3.5]])


def test_measure_counts_what_it_says() -> None:
    """A ReLU unit that is off on both samples is dead; one off on one of two is half saturated."""
    net = naive.Network("relu")
    weights = [np.array([[1.0], [-1.0], [0.0]]), np.zeros((2, 3))]
    theta = naive.parameters(net, weights, [np.array([0.0, 0.0, -1.0]), np.zeros(2)])
    _, g, trace, d_pre = naive.gradient(net, theta, np.array([[2.0], [-4.0]]), np.array([0, 1]))
    hidden, output = naive.measure(net, trace, g, d_pre)
    assert hidden["saturated"] == pytest.approx(4 / 6)
    assert hidden["dead"] == pytest.approx(1 / 3)
    assert hidden["activation_mean"] == pytest.approx(1.0)
    assert hidden["log10_grad_weight"] == -np.inf  # no weight leads to an output: nothing flows back
    assert hidden["grad_zero"] == 3
    assert output["layer"] == 2
    assert "dead" not in output  # the output layer has no activation
    close(10 ** output["log10_grad_weight"], np.linalg.norm(g["weights"][1]))


# The hand-worked example


@pytest.fixture(scope="module")
def epochs() -> dict[int, dict[str, float]]:
    """Every printed quantity by name, after each of 1000 epochs."""
    given, rule = WORKED["network"], WORKED["optimizer"]
    net = naive.Network("sigmoid", loss="half_squared_error", output="sigmoid")
    x, target = np.array([given["inputs"]]), np.array([given["target"]])
    theta = naive.parameters(
        net,
        [np.array(given["hidden_weights_by_input"]).T, np.array([given["output_weights"]])],
        [np.array(given["hidden_biases"]), np.array([given["output_bias"]])],
    )
    slots = {kind: [{}, {}] for kind in ("weights", "biases")}
    seen = {}
    for epoch in range(1000):
        value, g, _, _ = naive.gradient(net, theta, x, target)
        for kind, layer in product(slots, (0, 1)):
            theta[kind][layer] = naive.momentum(
                theta[kind][layer], g[kind][layer], slots[kind][layer], epoch + 1,
                lr=rule["alpha"], beta=rule["beta"], form="ema",
            )  # fmt: skip
        prediction = float(naive.forward(net, theta, x)[-1].output[0, 0])
        momenta = {kind: [slot["velocity"] for slot in slots[kind]] for kind in slots}
        seen[epoch] = {"loss": value, "prediction": prediction, **named(theta), **named(momenta, "momentum_")}
    return seen


def named(theta: Any, prefix: str = "") -> dict[str, float]:
    (hidden, output), (b, b3) = theta["weights"], theta["biases"]
    found = {f"w{i + 1}{j + 1}": hidden[j, i] for j, i in np.ndindex(hidden.shape)}
    found |= {"b1": b[0], "b2": b[1], "u1": output[0, 0], "u2": output[0, 1], "b3": b3[0]}
    return {prefix + name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("epoch", [0, 1, 900, 999])
def test_the_hand_worked_example(epochs: dict[int, dict[str, float]], epoch: int) -> None:
    """Within 2 ulp of the largest magnitude that the quantity has had so far.

    That is where its roundings were made: w12 starts at −0.3 and is −0.04 at the end, a momentum's early
    terms are 30 times its late ones.  Exact arithmetic is up to 109 ulp of the late figure from the print.
    """
    printed = WORKED["epochs"][str(epoch)]
    assert len(printed) >= 16
    for name, expected in printed.items():
        if (epoch, name) == (0, "loss"):  # printed with six decimals
            assert round(epochs[epoch][name], 6) == expected
        else:
            largest = max(abs(epochs[e][name]) for e in range(epoch + 1)) if epoch > 1 else abs(expected)
            assert abs(epochs[epoch][name] - expected) <= 2 * np.spacing(largest), name
