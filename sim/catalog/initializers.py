"""What a network starts from: the families of initializers and biases, and ``initialize``.

An initializer is a function of one layer's :class:`~sim.catalog.draws.Draw` that returns its
weights (fan_out, fan_in), float64. Each also has a ``gain`` (default 1) that multiplies
what it returns; the family adds it, no function needs to know. Trait ``data_dependent``:
the weights are then rescaled layer by layer with a batch of inputs. In formulas z is the
layer's standard normals and U(±r) the uniform distribution on [−r, r].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from sim.catalog.draws import Draw, draw_normals
from sim.catalog.limits import Range
from sim.catalog.probes import Probe
from sim.catalog.registry import Family, Part
from sim.catalog.tables import Floats

__all__ = ["Draw", "Probe", "bias", "draw_normals", "initialize", "initializer", "orthonormal"]


class _WithGain(Family):
    """A family whose every part has one parameter more, ``gain``, applied by :func:`initialize`."""

    def described(self, name: str, function: Any, traits: dict[str, Any]) -> Part:
        part = super().described(name, function, traits)
        return replace(part, parameters=MappingProxyType({**part.parameters, "gain": 1.0}))


initializer = _WithGain("initializer", supplied=1)
bias = Family("bias", supplied=1)

SPREAD = Range(0.0)


@initializer()
def zeros(draw: Draw) -> Floats:
    """W = 0: every unit of a layer is the same, and with a hidden layer no gradient passes.

    Source: Rumelhart, Hinton & Williams 1986, on breaking symmetry.
    """
    return np.zeros(draw.shape)


@initializer(limits={"value": Range()})
def constant(draw: Draw, value: float) -> Floats:
    """W = value: every unit of a layer is the same and stays so.

    Source: Rumelhart, Hinton & Williams 1986, on breaking symmetry.
    """
    return np.full(draw.shape, float(value))


@initializer(limits={"std": SPREAD})
def normal(draw: Draw, std: float) -> Floats:
    """W = std · z, whatever the layer's size.

    Source: Krizhevsky, Sutskever & Hinton 2012, with std = 0.01.
    """
    return std * draw.normal


@initializer(limits={"limit": SPREAD})
def uniform(draw: Draw, limit: float) -> Floats:
    """W ~ U(±limit), whatever the layer's size.

    Source: Rumelhart, Hinton & Williams 1986.
    """
    return limit * draw.uniform


@initializer()
def standard(draw: Draw) -> Floats:
    """W ~ U(±1/√fan_in), variance 1/(3 fan_in): the heuristic Glorot & Bengio (2010) began from.

    PyTorch's default for ``Linear``, which draws the biases from the same distribution too.
    """
    return np.sqrt(1.0 / draw.fan_in) * draw.uniform


@initializer()
def glorot_normal(draw: Draw) -> Floats:
    """W = √(2/(fan_in + fan_out)) · z (Glorot & Bengio 2010)."""
    return np.sqrt(2.0 / (draw.fan_in + draw.fan_out)) * draw.normal


@initializer()
def glorot_uniform(draw: Draw) -> Floats:
    """W ~ U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010, eq. 16)."""
    return np.sqrt(6.0 / (draw.fan_in + draw.fan_out)) * draw.uniform


@initializer()
def he_normal(draw: Draw) -> Floats:
    """W = √(2/fan_in) · z: keeps ReLU's second moments (He et al. 2015, eq. 10).

    Not truncated, as in PyTorch; Keras cuts the normal at two deviations.
    """
    return np.sqrt(2.0 / draw.fan_in) * draw.normal


@initializer()
def he_uniform(draw: Draw) -> Floats:
    """W ~ U(±√(6/fan_in)): the variance of ``he_normal``.

    PyTorch's ``kaiming_uniform_`` by its defaults. (Its ``Linear`` passes a = √5: that is ``standard``.)
    Source: He et al. 2015.
    """
    return np.sqrt(6.0 / draw.fan_in) * draw.uniform


@initializer()
def lecun_normal(draw: Draw) -> Floats:
    """W = √(1/fan_in) · z (LeCun et al. 1998); what SELU is made for (Klambauer et al. 2017)."""
    return np.sqrt(1.0 / draw.fan_in) * draw.normal


@initializer()
def lecun_uniform(draw: Draw) -> Floats:
    """W ~ U(±√(3/fan_in)): the variance of ``lecun_normal``.

    Source: LeCun et al. 1998.
    """
    return np.sqrt(3.0 / draw.fan_in) * draw.uniform


initializer("xavier_normal")(glorot_normal.function)
initializer("xavier_uniform")(glorot_uniform.function)
initializer("kaiming_normal")(he_normal.function)
initializer("kaiming_uniform")(he_uniform.function)


def orthonormal(matrix: Floats) -> Floats:
    """The orthogonal factor of a Gaussian matrix's QR decomposition, with R's diagonal made positive.

    Rows are orthonormal where the matrix is wide, columns where it is tall. The signs make it
    uniform over all such matrices (Mezzadri 2007). LAPACK's last bits depend on the number of BLAS threads
    from a few hundred columns on (equal for 1 and 2 threads at 512 × 512, not at 300 × 1000).
    """
    wide = matrix.shape[0] < matrix.shape[1]
    basis, triangle = np.linalg.qr(matrix.T if wide else matrix)
    basis = basis * np.where(np.diagonal(triangle) < 0.0, -1.0, 1.0)
    return np.ascontiguousarray(basis.T if wide else basis)


@initializer()
def orthogonal(draw: Draw) -> Floats:
    """W orthogonal, its singular values all 1 (Saxe, McClelland, Ganguli 2013).

    As PyTorch's ``orthogonal_``. ReLU halves the second moments; ``gain = 1.4142`` makes up for it.
    """
    return orthonormal(draw.normal)


@initializer(limits={"connections": Range(1, whole=True)})
def sparse(draw: Draw, connections: int = 15) -> Floats:
    """Each unit has ``connections`` weights z, on inputs chosen at random, and else zeros (Martens 2010).

    All inputs where there are fewer. PyTorch's ``sparse_`` zeroes a share of each column instead.
    """
    kept = min(connections, draw.fan_in)
    order = draw.generator.random(draw.shape).argsort(axis=1)
    weights = np.zeros_like(draw.normal)
    np.put_along_axis(
        weights, order[:, :kept], np.take_along_axis(draw.normal, order[:, :kept], axis=1), axis=1
    )
    return weights


@initializer()
def random_walk(draw: Draw) -> Floats:
    """W = g z / √n, g = √2 · exp(1.2 / (max(n, 6) − 2.4)), n = fan_in (Sussillo & Abbott 2014, ReLU).

    The logarithm of a back-propagated gradient's norm then walks without drift, where He's
    keeps the mean square and lets the logarithm fall.
    """
    g = np.sqrt(2.0) * np.exp(1.2 / (max(draw.fan_in, 6) - 2.4))
    return g / np.sqrt(draw.fan_in) * draw.normal


@initializer(data_dependent=True)
def lsuv(draw: Draw) -> Floats:
    """Orthogonal, then layer by layer scaled to unit variance of W a on a batch (Mishkin & Matas 2016).

    The published loop ends within 0.1 of 1; W a is linear in W, so one exact division does it here.
    Normalizers and dropout are left out of the forward pass.
    """
    return orthonormal(draw.normal)


@bias("zeros")
def zero_bias(draw: Draw) -> Floats:
    """b = 0.

    Source: Glorot & Bengio 2010.
    """
    return np.zeros(draw.shape)


@bias("constant", limits={"value": Range()})
def constant_bias(draw: Draw, value: float) -> Floats:
    """b = value.

    Source: Krizhevsky, Sutskever & Hinton 2012, with 1 before ReLU.
    """
    return np.full(draw.shape, float(value))


@bias("normal", limits={"std": SPREAD})
def normal_bias(draw: Draw, std: float) -> Floats:
    """b = std · z: σ_b of the mean-field theory.

    Source: Poole et al. 2016.
    """
    return std * draw.normal


def initialize(
    shapes: Sequence[tuple[int, int]],
    initializer: Part,
    initializer_parameters: Mapping[str, Any],
    bias: Part,
    bias_parameters: Mapping[str, Any],
    key: tuple[int, int],
    probe: Probe | None = None,
    normals: Sequence[Floats] | None = None,
) -> tuple[list[Floats], list[Floats]]:
    """Weights (fan_out, fan_in) and biases (fan_out,) of each layer, float64.

    ``key`` is the study's seed and the replicate; ``normals`` is ``draw_normals(*key, shapes)``
    where the caller keeps it. ``probe`` is needed by data-dependent initializers only; without it
    they raise ValueError.
    """
    parameters = initializer.bind(**initializer_parameters)
    gain = parameters.pop("gain")
    known: Sequence[Floats | None] = [None] * len(shapes) if normals is None else normals
    draws = [
        Draw(shape, *key, layer, known=z) for layer, (shape, z) in enumerate(zip(shapes, known, strict=True))
    ]
    weights = [initializer.function(draw, **parameters) for draw in draws]
    offsets = [Draw(shape[:1], *key, layer, "biases") for layer, shape in enumerate(shapes)]
    biases = [bias.function(draw, **bias.bind(**bias_parameters)) for draw in offsets]
    if initializer.traits.get("data_dependent"):
        if probe is None:
            raise ValueError(f"initializer {initializer.name!r} needs a batch of inputs to measure with")
        return probe.fit(weights, biases, gain), biases
    if gain != 1.0:
        weights = [gain * values for values in weights]
    return weights, biases
