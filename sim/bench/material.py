"""What the networks of a point learn from and start from: the same for every contestant.

Everything is drawn by the number of the network, so n networks are the first n of more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sim.bench.points import OUTPUTS, Point
from sim.catalog.datasets import dataset, load, prepare, split
from sim.catalog.draws import draw_normals
from sim.catalog.randomness import generator
from sim.catalog.scalings import scaling
from sim.catalog.tables import encode

SEED = 3


@dataclass(frozen=True, eq=False)
class Material:
    """The standardized digits that are trained on."""

    features: np.ndarray
    """(rows, 64) float64."""
    labels: np.ndarray
    """(rows,) int64."""

    @property
    def one_hot(self) -> np.ndarray:
        """(rows, 10) float64."""
        return encode(self.labels, OUTPUTS, OUTPUTS)


@lru_cache(maxsize=1)
def material() -> Material:
    """The training rows: 80 % of the digits."""
    table = load(dataset["digits"], {}, SEED, 0)
    prepared = prepare(table, *split(table, generator(SEED, "split", 0)), scaling["standardize"])
    return Material(prepared.train_features, prepared.train_targets)


def first_weights(point: Point, network: int) -> list[np.ndarray]:
    """Glorot's normal start, a (fan_out, fan_in) float64 array a layer; biases start at zero."""
    normals = draw_normals(SEED, network, point.shapes)
    return [normal * np.sqrt(2.0 / sum(normal.shape)) for normal in normals]


def order(point: Point, network: int) -> np.ndarray:
    """Rows of each step's mini-batch, (steps, batch) int32: epoch after epoch a permutation, cut up."""
    rows = len(material().labels)
    draws = generator(SEED, "order", network)
    an_epoch = rows // point.batch
    epochs = -(-point.steps // an_epoch)
    permuted = [draws.permutation(rows)[: an_epoch * point.batch] for _ in range(epochs)]
    return np.concatenate(permuted).astype(np.int32).reshape(-1, point.batch)[: point.steps]


def accuracy(weights: list[np.ndarray], biases: list[np.ndarray]) -> np.ndarray:
    """Share of the training rows each network gets right, (networks,).

    ``weights``: (networks, fan_out, fan_in) a layer, ``biases``: (networks, fan_out).
    """
    known = material()
    right = np.empty(len(weights[0]))
    for n in range(len(right)):
        values = known.features
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            values = np.tanh(values @ weight[n].T + bias[n])
        guesses = (values @ weights[-1][n].T + biases[-1][n]).argmax(axis=1)
        right[n] = np.mean(guesses == known.labels)
    return right
