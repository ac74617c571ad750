"""The slow, obvious twin of every kernel: textbook equations in float64 NumPy, nothing shared with ``sim``.

Rows are samples, columns are units.  A network of L hidden layers is

    a⁰ = inputs;   hˡ = aˡ⁻¹ Wˡᵀ + bˡ  (W is (fan_out, fan_in));   nˡ = γˡ ĥˡ + βˡ;   yˡ = φ(nˡ);
    dˡ = yˡ · maskˡ / (1 − p);   aˡ = dˡ, or dˡ + aˡ⁻¹ with residual connections, l ≥ 2 and equal widths;
    outputs = ψ(hᴸ⁺¹), ψ the identity unless ``output`` names another activation.

A part is a name or {"name": ..., parameter: value}.  Parameters are a dict of four lists of arrays, one
array a layer: weights, biases and, where there is a normalizer, scales γ and shifts β of the hidden layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray
Parameters = dict[str, list[Array]]
KINDS = ("weights", "biases", "scales", "shifts")
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


# Activations: name -> (value, slope), each a function of x and the activation's parameters.
def phi(x: Array) -> Array:
    """Density of the standard normal."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def Phi(x: Array) -> Array:
    """Distribution function of the standard normal; erfc keeps the digits of the lower tail."""
    return special.erfc(-x / math.sqrt(2)) / 2


def swish_slope(x: Array) -> Array:
    s = special.expit(x)
    return s + x * s * (1 - s)


SWISH = (lambda x: x * special.expit(x), swish_slope)
ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "linear": (lambda x: x, lambda x: np.ones_like(x)),
    "sigmoid": (special.expit, lambda x: special.expit(x) * (1 - special.expit(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky_relu": (
        lambda x, slope=0.01: np.where(x > 0, x, slope * x),
        lambda x, slope=0.01: np.where(x > 0, 1.0, slope),
    ),
    "elu": (
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x, alpha=1.0: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
    ),
    "selu": (
        lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(x, 0))),
    ),
    "gelu": (lambda x: x * Phi(x), lambda x: Phi(x) + x * phi(x)),
    "silu": SWISH,
    "swish": SWISH,
    "softplus": (lambda x: np.logaddexp(0, x), special.expit),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "erf": (special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "sin": (np.sin, np.cos),
}


# Losses: name -> function of (outputs, targets as a matrix) that returns each sample's loss and slope.
def half_squared_error(o: Array, t: Array) -> tuple[Array, Array]:
    """½ Σₖ (o − t)²."""
    return ((o - t) ** 2).sum(axis=1) / 2, o - t


def softmax_cross_entropy(o: Array, t: Array) -> tuple[Array, Array]:
    """−Σₖ t log softmax(o), t one-hot."""
    log_p = o - special.logsumexp(o, axis=1, keepdims=True)
    return -(t * log_p).sum(axis=1), np.exp(log_p) - t


def binary_cross_entropy(o: Array, t: Array) -> tuple[Array, Array]:
    """−Σₖ [t log σ(o) + (1 − t) log(1 − σ(o))] = Σₖ [log(1 + eᵒ) − t o]."""
    return (np.logaddexp(0, o) - t * o).sum(axis=1), special.expit(o) - t


LOSSES = {f.__name__: f for f in (half_squared_error, softmax_cross_entropy, binary_cross_entropy)}


def target_matrix(targets: Array, outputs: int, loss: str) -> Array:
    """(rows, outputs) as it is; (rows,) as one-hot labels, or as a column where one output is no class."""
    if targets.ndim == 2:
        return targets.astype(float)
    if outputs == 1 and loss != "softmax_cross_entropy":
        return targets.astype(float)[:, None]
    return np.eye(outputs)[targets.astype(int)]


# Optimizers: name -> one update of one array; ``slots`` keeps what is remembered between steps t = 1, 2, …
def sgd(theta: Array, g: Array, slots: dict[str, Array], t: int, lr: float) -> Array:
    return theta - lr * g


def momentum(
    theta: Array, g: Array, slots: dict[str, Array], t: int, lr: float,
    beta: float = 0.9, form: str = "ema", dampening: float = 0.0,
) -> Array:  # fmt: skip
    v = slots.get("velocity", np.zeros_like(g))
    if form == "ema":
        v = beta * v + (1 - beta) * g
    else:
        v = g if t == 1 else beta * v + (1 - dampening) * g
    slots["velocity"] = v
    return theta - lr * v


def rmsprop(
    theta: Array, g: Array, slots: dict[str, Array], t: int, lr: float = 0.01,
    rho: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0, centered: bool = False,
) -> Array:  # fmt: skip
    zero = np.zeros_like(g)
    square = slots["square_average"] = rho * slots.get("square_average", zero) + (1 - rho) * g**2
    if centered:
        mean = slots["average"] = rho * slots.get("average", zero) + (1 - rho) * g
        square = np.maximum(square - mean**2, 0)
    move = momentum * slots.get("buffer", zero) + g / (np.sqrt(square) + epsilon)
    if momentum:
        slots["buffer"] = move
    return theta - lr * move


def adam(
    theta: Array, g: Array, slots: dict[str, Array], t: int, lr: float = 0.001,
    beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, bias_correction: bool = True,
) -> Array:  # fmt: skip
    zero = np.zeros_like(g)
    m = slots["first_moment"] = beta1 * slots.get("first_moment", zero) + (1 - beta1) * g
    v = slots["second_moment"] = beta2 * slots.get("second_moment", zero) + (1 - beta2) * g**2
    if bias_correction:
        m, v = m / (1 - beta1**t), v / (1 - beta2**t)
    return theta - lr * m / (np.sqrt(v) + epsilon)


OPTIMIZERS = {f.__name__: f for f in (sgd, momentum, rmsprop, adam)}


def split(part: Any) -> tuple[str, dict[str, Any]]:
    """("adam", {"lr": 0.1}) of {"name": "adam", "lr": 0.1}, and ("tanh", {}) of "tanh"."""
    if isinstance(part, str):
        return part, {}
    return part["name"], {key: value for key, value in part.items() if key != "name"}


@dataclass(frozen=True)
class Network:
    """What a network is apart from its parameters; ``normalizer`` is none, batch or layer."""

    activation: Any = "tanh"
    normalizer: Any = "none"
    loss: str = "softmax_cross_entropy"
    residual: bool = False
    dropout: float = 0.0
    output: Any = "linear"


@dataclass
class Layer:
    """What one layer did to one batch; the arrays are (batch, units)."""

    input: Array
    pre: Array  # h
    normal: Array | None  # ĥ
    deviation: Array | None  # √(variance + ε)
    argument: Array  # n, what φ is taken of
    activation: Array  # y = φ(n)
    slope: Array  # φ′(n)
    mask: Array | float  # mask / (1 − p)
    skip: bool
    output: Array  # a


def function(part: Any) -> tuple[Any, Any]:
    """φ and φ′ of an activation, its parameters filled in."""
    name, given = split(part)
    value, slope = ACTIVATIONS[name]
    return (lambda x: value(x, **given)), (lambda x: slope(x, **given))


def normalized_axis(normalizer: Any) -> int | None:
    """The axis of (batch, units) that a normalizer takes its statistics over."""
    return {"none": None, "batch": 0, "layer": 1}[split(normalizer)[0]]


def normalize(
    h: Array, axis: int, running: tuple[Array, Array] | None, epsilon: float = 1e-5
) -> tuple[Array, Array]:
    """ĥ = (h − mean) / √(variance + ε), over the batch (or by running statistics) or over the units."""
    mean, variance = h.mean(axis=axis, keepdims=True), h.var(axis=axis, keepdims=True)  # biased
    if running is not None:
        mean, variance = running
    deviation = np.sqrt(variance + epsilon)
    return (h - mean) / deviation, deviation


def forward(
    net: Network, theta: Parameters, inputs: Array, masks: list[Array] | None = None,
    running: list[tuple[Array, Array]] | None = None,
) -> list[Layer]:  # fmt: skip
    """All layers, the output layer last.  ``masks`` (0 or 1, one a hidden layer) drop units;
    ``running`` (mean and variance a hidden layer) stands in for the statistics of the batch."""
    trace: list[Layer] = []
    a = np.asarray(inputs, float)
    depth = len(theta["weights"]) - 1
    axis = normalized_axis(net.normalizer)
    for i, (W, b) in enumerate(zip(theta["weights"], theta["biases"], strict=True)):
        hidden = i < depth
        value, slope = function(net.activation if hidden else net.output)
        h = n = a @ W.T + b
        normal = deviation = None
        if hidden and axis is not None:
            normal, deviation = normalize(
                h, axis, running[i] if running else None, **split(net.normalizer)[1]
            )
            n = theta["scales"][i] * normal + theta["shifts"][i]
        y = value(n)
        mask = masks[i] / (1 - net.dropout) if hidden and masks is not None else 1.0
        skip = hidden and net.residual and i >= 1 and W.shape[0] == W.shape[1]
        out = y * mask + a if skip else y * mask
        trace.append(Layer(a, h, normal, deviation, n, y, slope(n), mask, skip, out))
        a = out
    return trace


def backward(
    net: Network, theta: Parameters, trace: list[Layer], d_out: Array
) -> tuple[Parameters, list[Array]]:
    """Gradients of all parameters and ∂L/∂h of every layer, from ∂L/∂outputs, by the chain rule."""
    gradient: Parameters = {kind: [np.zeros_like(p) for p in theta[kind]] for kind in KINDS}
    d_pre: list[Array] = []
    for i in reversed(range(len(trace))):
        layer = trace[i]
        d = d_out * layer.mask * layer.slope  # ∂L/∂n
        if layer.normal is not None:
            axis = normalized_axis(net.normalizer)
            gradient["scales"][i] = (d * layer.normal).sum(axis=0)
            gradient["shifts"][i] = d.sum(axis=0)
            d = d * theta["scales"][i]  # ∂L/∂ĥ
            along = (d * layer.normal).mean(axis=axis, keepdims=True)
            d = (d - d.mean(axis=axis, keepdims=True) - layer.normal * along) / layer.deviation
        gradient["weights"][i] = d.T @ layer.input
        gradient["biases"][i] = d.sum(axis=0)
        d_out = d @ theta["weights"][i] + (d_out if layer.skip else 0)
        d_pre.insert(0, d)
    return gradient, d_pre


def parameters(net: Network, weights: list[Array], biases: list[Array], shift: float = 0.0) -> Parameters:
    """Copies of weights and biases, scales 1 and shifts, 0 as a rule, where the network has a normalizer."""
    hidden = biases[:-1] if normalized_axis(net.normalizer) is not None else []
    return {
        "weights": [np.array(W, float) for W in weights],
        "biases": [np.array(b, float) for b in biases],
        "scales": [np.ones(len(b)) for b in hidden],
        "shifts": [np.full(len(b), shift) for b in hidden],
    }


def loss(net: Network, trace: list[Layer], targets: Array) -> tuple[float, Array]:
    """Mean loss of the batch and its gradient with respect to the outputs."""
    outputs = trace[-1].output
    each, slope = LOSSES[net.loss](outputs, target_matrix(np.asarray(targets), outputs.shape[1], net.loss))
    return float(each.mean()), slope / len(outputs)


def gradient(
    net: Network, theta: Parameters, inputs: Array, targets: Array, masks: list[Array] | None = None
) -> tuple[float, Parameters, list[Layer], list[Array]]:
    """Loss, ∂L/∂θ, the layers and ∂L/∂h of every layer, for one batch."""
    trace = forward(net, theta, inputs, masks)
    value, d_outputs = loss(net, trace, targets)
    g, d_pre = backward(net, theta, trace, d_outputs)
    return value, g, trace, d_pre


def global_norm(gradient: Parameters) -> float:
    """‖g‖ over every parameter of the network."""
    return math.sqrt(sum(float((g**2).sum()) for kind in KINDS for g in gradient[kind]))


def clip(gradient: Parameters, clipping: Any) -> Parameters:
    """norm: g · min(1, limit / (‖g‖ + 1e-6)); value: each entry held in [−limit, limit]."""
    name, given = split(clipping)
    if name == "none":
        return gradient
    if name == "value":
        return {k: [np.clip(g, -given["limit"], given["limit"]) for g in gradient[k]] for k in KINDS}
    factor = min(1.0, given["limit"] / (global_norm(gradient) + 1e-6))
    return {k: [g * factor for g in gradient[k]] for k in KINDS}


def log10_norm(x: Array) -> float:
    norm = math.sqrt(float((x**2).sum()))
    return math.log10(norm) if norm > 0 else -math.inf


def steepest(part: Any) -> float:
    """The largest |φ′|, searched on a grid; the grid's step of 1e-3 leaves a relative error below 1e-6."""
    _, slope = function(part)
    return float(np.abs(slope(np.linspace(-10, 10, 20_001))).max())


def measure(
    net: Network, trace: list[Layer], gradient: Parameters, d_pre: list[Array]
) -> list[dict[str, float]]:
    """One row a layer.  Activations, of hidden layers only, are y = φ(n), before dropout and the skip; one is
    saturated where |φ′| ≤ 5 % of its greatest value anywhere, a unit is dead where all of its are."""
    rows: list[dict[str, float]] = []
    for i, g in enumerate(gradient["weights"]):
        rows.append({
            "layer": i + 1,
            "log10_grad_weight": log10_norm(g),
            "log10_grad_pre": log10_norm(d_pre[i]),
            "grad_zero": int((g == 0).sum()),
            "grad_nonfinite": int((~np.isfinite(g)).sum()),
        })  # fmt: skip
    for row, layer in zip(rows, trace[:-1], strict=False):
        saturated = np.abs(layer.slope) <= 0.05 * steepest(net.activation)
        row["activation_mean"] = float(layer.activation.mean())
        row["activation_std"] = float(layer.activation.std())
        row["saturated"] = float(saturated.mean())
        row["dead"] = float(saturated.all(axis=0).mean())
    return rows


def update_ratio(before: Array, after: Array) -> float:
    """‖ΔW‖ / ‖W‖, W as the step left it."""
    return math.sqrt(((after - before) ** 2).sum() / (after**2).sum())


def train(
    inputs: Array, targets: Array, weights: list[Array], biases: list[Array], order: Array, *,
    net: Network, optimizer: Any = "sgd", masks: list[list[Array]] | None = None,
    weight_decay: float = 0.0, clipping: Any = "none", shift: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    """One update for each row of ``order``; masks[step][layer] drop units; shifts begin at ``shift``.

    Returns parameters and slots after the last step, the running statistics of batch normalization, the loss
    and the norm of its gradient (before clipping and decay) of every step.
    """
    rule, hyper = split(optimizer)
    theta = parameters(net, weights, biases, shift)
    slots: dict[str, list[dict[str, Array]]] = {k: [{} for _ in theta[k]] for k in KINDS}
    running = [(np.zeros(len(s)), np.ones(len(s))) for s in theta["scales"]]
    result: dict[str, Any] = {"losses": [], "gradient_norms": []}
    for t, rows in enumerate(order, start=1):
        kept = masks[t - 1] if masks else None
        value, g, trace, _ = gradient(net, theta, inputs[rows], targets[rows], kept)
        result["losses"].append(value)
        result["gradient_norms"].append(global_norm(g))
        g = clip(g, clipping)
        for kind in KINDS:
            for i, (p, d) in enumerate(zip(theta[kind], g[kind], strict=True)):
                theta[kind][i] = OPTIMIZERS[rule](p, d + weight_decay * p, slots[kind][i], t, **hyper)
        if normalized_axis(net.normalizer) == 0:
            running = [update_running(*old, layer) for old, layer in zip(running, trace[:-1], strict=True)]
    return {**result, **theta, "slots": slots, "running": running}


def update_running(mean: Array, variance: Array, layer: Layer) -> tuple[Array, Array]:
    """0.9 of the old and 0.1 of the batch's mean and unbiased variance (0 where the batch is one sample)."""
    n = len(layer.pre)
    unbiased = layer.pre.var(axis=0) * n / max(n - 1, 1)
    return 0.9 * mean + 0.1 * layer.pre.mean(axis=0), 0.9 * variance + 0.1 * unbiased
