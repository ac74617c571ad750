"""DeepOBS's quadratic_deep: a hundred parameters in a random quadratic bowl, ℓ = ½ (θ − x)ᵀ Q (θ − x).

Ninety of Q's eigenvalues lie in [0, 1] and ten in [30, 60]; its axes are rotated at random. Source:
Schneider, Balles & Hennig 2019 (DeepOBS), after Chaudhari et al. 2017; the numbers are drawn as published,
with seed 42.

As a network: no hidden layer, one input that is always 0, so that the outputs are the biases, θ; the targets
are the points x; the loss is :func:`sim.catalog.losses.quadratic_deep`.
"""

from __future__ import annotations

import numpy as np

from sim.catalog.tables import Floats, Generator, Shape, Table, dataset

DIMENSIONS, ROWS = 100, 1000
SEED, TEST_SEED = 42, 43
DEVIATION = 0.6


def _curvature() -> Floats:
    """Q = Rᵀ Λ R, (100, 100)."""
    draws = np.random.RandomState(SEED)  # the published generator
    eigenvalues = np.concatenate([draws.uniform(0, 1, DIMENSIONS - 10), draws.uniform(30, 60, 10)])
    rotation = _rotation(draws)
    return rotation.T @ np.diag(eigenvalues) @ rotation


def _rotation(draws: np.random.RandomState) -> Floats:
    """A random rotation, uniform over all of them, by the subgroup algorithm (Diaconis & Shahshahani 1987):
    a rotation of n dimensions and a reflection that takes the first axis to a random direction.
    """
    angle = 2 * np.pi * draws.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for dimensions in range(3, DIMENSIONS + 1):
        direction = draws.normal(size=dimensions)
        normal = -direction / np.linalg.norm(direction)
        normal[0] += 1.0
        normal /= np.linalg.norm(normal)
        larger = np.eye(dimensions)
        larger[1:, 1:] = rotation
        rotation = larger - 2 * np.outer(normal, normal @ larger)
    return rotation


CURVATURE = _curvature()
"""Q, which the loss takes for a constant."""


def _points(seed: int) -> Floats:
    draws = np.random.RandomState(seed)  # the published generator
    return draws.normal(0, DEVIATION, (ROWS, DIMENSIONS)).astype(np.float32).astype(np.float64)


@dataset(fixed=True, shape=Shape(2 * ROWS, 1, 0), training=ROWS, outputs=DIMENSIONS)
def quadratic_deep(generator: Generator) -> Table:
    """DeepOBS's quadratic_deep: points in 100 dimensions around 0, and one input that is always 0.

    Comes split, 1000 points to train on and 1000 to test on. Source: Schneider, Balles & Hennig 2019.
    """
    points = np.concatenate([_points(SEED), _points(TEST_SEED)])
    return Table(np.zeros((2 * ROWS, 1)), points, training=ROWS)
