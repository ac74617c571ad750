"""Data sets made by a formula and a random generator, drawn anew for every replicate.

Labels are spread evenly over the rows. Lengths are in the units of the features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.catalog.limits import Range
from sim.catalog.preparation import standard_units
from sim.catalog.tables import Floats, Generator, Integers, Shape, Table, dataset

SAMPLES = {"samples": Range(4, whole=True), "noise": Range(0.0)}


def _by_samples(features: int, classes: int) -> Callable[..., Shape]:
    return lambda samples, **_: Shape(samples, features, classes)


def _classes_in_turn(samples: int, classes: int) -> Integers:
    """Labels 0, 1, …, classes − 1, 0, 1, …: as even as ``samples`` allows."""
    return np.arange(samples) % classes


def _around(generator: Generator, points: Floats, noise: float) -> Floats:
    return points + noise * generator.standard_normal(points.shape)


def _polar(radius: Floats, angle: Floats) -> Floats:
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


@dataset(shape=_by_samples(2, 2), limits=SAMPLES)
def moons(generator: Generator, samples: int = 1000, noise: float = 0.1) -> Table:
    """Two interleaved half circles of radius 1 with Gaussian noise, as scikit-learn's ``make_moons``.

    Source: scikit-learn's make_moons.
    """
    labels = _classes_in_turn(samples, 2)
    arc = _polar(np.ones(samples), generator.uniform(0.0, np.pi, samples))
    points = np.where(labels[:, None] == 0, arc, np.array([1.0, 0.5]) - arc)
    return Table(_around(generator, points, noise), labels, 2)


@dataset(shape=_by_samples(2, 2), limits={**SAMPLES, "ratio": Range(0.0, 1.0)})
def circles(generator: Generator, samples: int = 1000, noise: float = 0.1, ratio: float = 0.5) -> Table:
    """A circle of radius 1 around one of radius ``ratio``, with Gaussian noise.

    Source: scikit-learn's make_circles.
    """
    labels = _classes_in_turn(samples, 2)
    points = _polar(np.where(labels == 0, 1.0, ratio), generator.uniform(0.0, 2.0 * np.pi, samples))
    return Table(_around(generator, points, noise), labels, 2)


def _parity(generator: Generator, bits: int, samples: int, noise: float) -> Table:
    corners = np.resize(generator.permutation(2**bits), samples)
    ones = (corners[:, None] >> np.arange(bits)) & 1
    return Table(_around(generator, np.asarray(2.0 * ones - 1.0), noise), ones.sum(axis=1) % 2, 2)


@dataset(shape=_by_samples(2, 2), limits=SAMPLES)
def xor(generator: Generator, samples: int = 1000, noise: float = 0.2) -> Table:
    """The exclusive or of two signs: Gaussian clouds at (±1, ±1), class 1 where the signs differ.

    Source: Minsky & Papert 1969.
    """
    return _parity(generator, 2, samples, noise)


@dataset(
    shape=lambda bits, samples, **_: Shape(samples, bits, 2),
    limits={**SAMPLES, "bits": Range(2, 16, whole=True)},
)
def parity(generator: Generator, bits: int = 4, samples: int = 1000, noise: float = 0.1) -> Table:
    """Is the number of +1 among ``bits`` signs odd? Corners of {−1, 1}^bits with Gaussian noise.

    Every corner comes equally often, in random order; with fewer samples than corners each comes at
    most once. With noise 0 rows repeat, so training and test rows coincide.
    Source: Minsky & Papert 1969.
    """
    return _parity(generator, bits, samples, noise)


@dataset(
    shape=lambda classes, samples, **_: Shape(samples, 2, classes),
    limits={**SAMPLES, "classes": Range(2, whole=True)},
)
def spirals(
    generator: Generator, classes: int = 2, turns: float = 1.0, samples: int = 1000, noise: float = 0.05
) -> Table:
    """Arms of ``turns`` turns from the centre to radius 1, one a class (Lang & Witbrock 1988, two arms)."""
    labels = _classes_in_turn(samples, classes)
    along = np.sqrt(generator.random(samples))
    angle = 2.0 * np.pi * (turns * along + labels / classes)
    return Table(_around(generator, _polar(along, angle), noise), labels, classes)


@dataset(
    shape=lambda classes, dimensions, samples, **_: Shape(samples, dimensions, classes),
    limits={
        **SAMPLES,
        "classes": Range(2, whole=True),
        "dimensions": Range(1, whole=True),
        "spread": Range(0.0),
    },
)
def blobs(
    generator: Generator, classes: int = 3, dimensions: int = 2, spread: float = 1.0, samples: int = 1000
) -> Table:
    """Gaussian clouds of deviation ``spread`` around centres drawn uniformly in [−5, 5]^dimensions.

    Source: scikit-learn's make_blobs.
    """
    labels = _classes_in_turn(samples, classes)
    centres = generator.uniform(-5.0, 5.0, (classes, dimensions))
    return Table(_around(generator, centres[labels], spread), labels, classes)


def _teach(
    generator: Generator, inputs: Floats, width: int, depth: int, outputs: int, activation: str
) -> Floats:
    values = inputs
    for _ in range(depth):
        weights = generator.standard_normal((values.shape[1], width)) * np.sqrt(2.0 / values.shape[1])
        values = values @ weights
        values = np.tanh(values) if activation == "tanh" else np.maximum(values, 0.0)
    values = values @ generator.standard_normal((values.shape[1], outputs))
    mean, factor = standard_units(values)
    return (values - mean) * factor


def _teacher_shape(inputs: int, outputs: int, task: str, samples: int, **_: object) -> Shape:
    if task == "classification" and outputs < 2:
        raise ValueError(f"teacher: outputs = {outputs} must be at least 2 for classification")
    return Shape(samples, inputs, outputs if task == "classification" else 0)


@dataset(
    shape=_teacher_shape,
    limits={
        "samples": SAMPLES["samples"],
        "inputs": Range(1, whole=True),
        "width": Range(1, whole=True),
        "depth": Range(0, 128, whole=True),
        "outputs": Range(1, whole=True),
        "activation": ("tanh", "relu"),
        "task": ("classification", "regression"),
    },
)
def teacher(
    generator: Generator,
    inputs: int = 10,
    width: int = 20,
    depth: int = 1,
    outputs: int = 2,
    activation: str = "tanh",
    task: str = "classification",
    samples: int = 1000,
) -> Table:
    """What a random network says of Gaussian inputs (Saad & Solla 1995): a target a student can reach.

    ``depth`` hidden layers of ``width`` units, weights N(0, 2/fan_in), no biases. Each output is
    standardized over the rows; the label is the largest of them, the regression target all of them.
    """
    features = generator.standard_normal((samples, inputs))
    values = _teach(generator, features, width, depth, outputs, activation)
    if task == "regression":
        return Table(features, values)
    return Table(features, values.argmax(axis=1), outputs)


@dataset(shape=_by_samples(1, 0), limits=SAMPLES)
def sine(generator: Generator, frequency: float = 1.0, samples: int = 1000, noise: float = 0.1) -> Table:
    """Regression: y = sin(frequency · x) + noise for x uniform in [−π, π].

    Source: elementary.
    """
    x = generator.uniform(-np.pi, np.pi, (samples, 1))
    return Table(x, _around(generator, np.sin(frequency * x), noise))
