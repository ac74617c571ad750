"""Mean field theory of whole networks at initialization: depth scales, criticality, the profile over layers.

The maps of one layer and the notation stand in :mod:`sim.theory.maps` and are offered from here too.
Everything holds for width → ∞ and before the first training step; after a few steps gradients
re-equilibrate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sim.catalog.registry import Part
from sim.theory.finite_width import random_walk_gain
from sim.theory.gaussian import Array
from sim.theory.maps import (
    Parameters,
    Phi,
    bound,
    correlation_factor,
    correlation_fixed_point,
    correlation_map,
    fixed_point,
    gradient_factor,
    mean_square,
    mean_square_slope,
    variance_factor,
    variance_map,
)

__all__ = [
    "Parameters",
    "Phi",
    "Prediction",
    "Profile",
    "bias_variance",
    "bound",
    "correlation_factor",
    "correlation_fixed_point",
    "correlation_map",
    "critical_weight_variance",
    "depth_scale",
    "fixed_point",
    "gradient_factor",
    "half_stable_point",
    "mean_square",
    "mean_square_slope",
    "predict",
    "predicted_profile",
    "variance_factor",
    "variance_map",
    "weight_variance",
    "weight_variances",
]


class Prediction(NamedTuple):
    """What mean field theory says of one activation, σw² and σb²; depths in layers."""

    variance: float
    gradient_factor: float
    correlation: float
    gradient_depth: float
    correlation_depth: float
    variance_depth: float
    trainable_depth: float


def depth_scale(factor: float) -> float:
    """ξ = −1/ln χ in layers: the depth over which a deviation falls by e; negative where it grows."""
    if factor <= 0.0:
        return 0.0
    logarithm = float(np.log(factor))
    return float("inf") if abs(logarithm) < 1e-13 else -1.0 / logarithm


def predict(
    activation: Part,
    parameters: Parameters,
    weight_variance: float,
    bias_variance: float = 0.0,
    start: float = 1.0,
) -> Prediction:
    """Fixed points and depth scales of an infinitely wide network (Schoenholz et al. 2017).

    ξ_grad = −1/ln χ₁, ξ_c from the correlation map's slope at c*, ξ_q from the variance map's slope at q*;
    networks train up to about 6 ξ_c layers.  Where ξ_c is negative (no finite q*, everything grows) the
    trainable depth is 6 |ξ_c|.
    """
    phi = bound(activation, parameters)
    q = fixed_point(phi, weight_variance, bias_variance, start)
    chi = gradient_factor(phi, weight_variance, q)
    c = correlation_fixed_point(phi, weight_variance, bias_variance, q)
    xi_c = depth_scale(correlation_factor(phi, weight_variance, q, c))
    xi_q = depth_scale(variance_factor(phi, weight_variance, q))
    return Prediction(q, chi, c, depth_scale(chi), xi_c, xi_q, 6 * abs(xi_c))


def critical_weight_variance(phi: Phi, bias_variance: float, low: float = 0.1, high: float = 10.0) -> float:
    """The σw² in [low, high] at which χ₁ = 1 for a given σb²; ValueError where χ₁ − 1 keeps its sign."""
    from scipy.optimize import brentq

    def excess(weight_variance: float) -> float:
        return gradient_factor(phi, weight_variance, fixed_point(phi, weight_variance, bias_variance)) - 1

    return float(brentq(excess, low, high, xtol=1e-13))


def half_stable_point(phi: Phi, low: float = 0.1, high: float = 100.0) -> tuple[float, float, float]:
    """(K*, σw², σb²) where variance and gradient are both kept, χ₁ = 1 and the variance map's slope = 1.

    K* solves E φφ'' = 0, then σw² = 1/E φ'² and σb² = K* − σw² E φ² (Roberts, Yaida and Hanin 2022, ch. 5).
    GELU and swish have one; it is stable from one side only.
    """
    from scipy.optimize import brentq

    def curvature(q: float) -> float:
        return variance_factor(phi, 1.0, q) - gradient_factor(phi, 1.0, q)

    q = float(brentq(curvature, low, high, xtol=1e-13))
    weight_variance = 1 / gradient_factor(phi, 1.0, q)
    return q, weight_variance, q - weight_variance * float(mean_square(phi, q))


Fans = Callable[[Mapping[str, Any], int, int], float]

_WEIGHT_VARIANCES: dict[str, Fans] = {
    "zeros": lambda given, fan_in, fan_out: 0.0,
    "normal": lambda given, fan_in, fan_out: fan_in * given["std"] ** 2,
    "uniform": lambda given, fan_in, fan_out: fan_in * given["limit"] ** 2 / 3,
    "glorot": lambda given, fan_in, fan_out: 2 * fan_in / (fan_in + fan_out),
    "he": lambda given, fan_in, fan_out: 2.0,
    "lecun": lambda given, fan_in, fan_out: 1.0,
    "standard": lambda given, fan_in, fan_out: 1 / 3,
    "orthogonal": lambda given, fan_in, fan_out: fan_in / max(fan_in, fan_out),
    "sparse": lambda given, fan_in, fan_out: float(min(given["connections"], fan_in)),
    "random_walk": lambda given, fan_in, fan_out: random_walk_gain(fan_in) ** 2,
}
_OTHER_NAMES = {"xavier": "glorot", "kaiming": "he"}


def weight_variance(initializer: str, parameters: Parameters, fan_in: int, fan_out: int) -> float | None:
    """σw² = fan_in·Var(W) that a catalog initializer gives one layer; no unit.

    zeros 0, normal std²·fan_in, uniform limit²·fan_in/3, Glorot 2·fan_in/(fan_in+fan_out) (Glorot and
    Bengio 2010), He 2 (He et al. 2015), LeCun 1, Glorot's "standard" U(±1/√fan_in) 1/3, orthogonal
    fan_in/max(fan_in, fan_out), sparse its number of connections, random walk g² (Sussillo and Abbott 2014);
    all times gain².  None for constant, whose weights are no draws, and LSUV, which depends on the data.
    """
    given = dict(parameters)
    family = initializer.removesuffix("_normal").removesuffix("_uniform")
    rule = _WEIGHT_VARIANCES.get(_OTHER_NAMES.get(family, family))
    return None if rule is None else rule(given, fan_in, fan_out) * given.get("gain", 1.0) ** 2


def bias_variance(bias: str, parameters: Parameters) -> float | None:
    """σb² of a catalog bias: zeros 0, normal std².  None for constant, which shifts every unit alike."""
    return {"zeros": 0.0, "normal": dict(parameters).get("std", 0.0) ** 2}.get(bias)


def weight_variances(initializer: str, parameters: Parameters, widths: Sequence[int]) -> Array | None:
    """σw² of each weight layer for ``widths`` = (features, hidden …, outputs); ``(depth+1,)`` or None."""
    given = dict(parameters)
    each = [weight_variance(initializer, given, *fans) for fans in pairwise(widths)]
    return None if None in each else np.array(each, dtype=np.float64)


class Profile(NamedTuple):
    """Predictions layer by layer; layers 1 … depth+1, the last is the output layer."""

    variance: Array
    log10_factor: Array
    log10_grad_pre: Array
    log10_grad_weight: Array


def predicted_profile(
    activation: Part,
    parameters: Parameters,
    weight_variance: ArrayLike,
    bias_variance: float,
    input_variance: float,
    depth: int,
    fan_in: ArrayLike = 1,
) -> Profile:
    """Variance and gradient norms of every layer of a network that starts at the data, not at q*.

    q¹ = σw² q0 + σb², q^{l+1} = σw² E φ(√q^l z)² + σb²; ‖δ^l‖²/‖δ^{l+1}‖² = σw² E φ'(√q^l z)², with the σw²
    of layer l+1; ‖∂L/∂W^l‖² = ‖δ^l‖² · fan_in · (mean square of the layer's inputs), for one sample or
    wherever samples correlate alike in all layers (Glorot and Bengio 2010; Schoenholz et al. 2017).

    ``weight_variance`` and ``fan_in`` are one number or one for each of the depth+1 layers; q0 is the mean of
    the squared inputs.  Returns ``variance`` (q^l, depth+1), ``log10_factor`` (depth; log10 of the NORM's
    factor from layer l+1 to l, half that of the squared gradient), and the log10 norms of ∂L/∂h^l and
    ∂L/∂W^l (depth+1 each) relative to the output layer's.  A zero norm is -inf.  At width 256 and 12
    layers the log of the mean squared gradient is within 0.02 a layer of this, within 0.05 near a half-stable
    point (GELU at σw²=2), where variances of single networks run apart.
    """
    phi = bound(activation, parameters)
    sigma = np.broadcast_to(np.asarray(weight_variance, dtype=np.float64), depth + 1)
    inputs, variance = np.empty(depth + 1), np.empty(depth + 1)
    for layer in range(depth + 1):
        inputs[layer] = mean_square(phi, variance[layer - 1]) if layer else input_variance
        variance[layer] = sigma[layer] * inputs[layer] + bias_variance
    with np.errstate(divide="ignore"):
        log10_factor = np.log10(sigma[1:] * mean_square_slope(phi, variance[:-1])) / 2
        log10_inputs = np.log10(inputs * np.broadcast_to(fan_in, depth + 1)) / 2
    grad_pre = np.append(np.cumsum(log10_factor[::-1])[::-1], 0.0)
    return Profile(variance, log10_factor, grad_pre, relative_to_last(grad_pre + log10_inputs))


def relative_to_last(log10_norm: Array) -> Array:
    """``log10_norm`` less its last entry; -inf where the entry itself is."""
    relative = np.full_like(log10_norm, -np.inf)
    return np.subtract(log10_norm, log10_norm[-1], out=relative, where=np.isfinite(log10_norm))
