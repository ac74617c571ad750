"""What a peer is: a function that prepares, compiles and warms up, and returns what is to be timed."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.bench.bandwidth import l2_bytes
from sim.bench.material import first_weights, material, order
from sim.bench.points import Point
from sim.catalog.registry import Family, Part

peer = Family("peer", supplied=1)
"""Its function takes a :class:`Task` and returns a :data:`Training`. Traits: ``title``; ``libraries``, what
it imports; ``networks``, how many it trains at most (slow ones get few, every one trained to the end);
``process_a_core``, whether a process a core shares them; ``environment``, set before it starts."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's, the same for all."""

Parameters = tuple[list[np.ndarray], list[np.ndarray]]
"""Weights (networks, fan_out, fan_in) and biases (networks, fan_out), an array a layer."""
Training = Callable[[], Parameters]
"""Trains all networks from their first weights and returns what they have become; carried out repeatedly."""


@dataclass(frozen=True, eq=False)
class Task:
    """What one process of a peer is to train: networks ``begin`` … ``end`` − 1 of the point."""

    point: Point
    begin: int
    end: int
    threads: int
    """How many cores this process has for itself."""

    @property
    def networks(self) -> int:
        """How many."""
        return self.end - self.begin

    @property
    def features(self) -> np.ndarray:
        """(rows, 64)."""
        return material().features.astype(self.point.precision)

    @property
    def labels(self) -> np.ndarray:
        """(rows,) int64."""
        return material().labels

    @property
    def one_hot(self) -> np.ndarray:
        """(rows, 10)."""
        return material().one_hot.astype(self.point.precision)

    def weights(self) -> list[np.ndarray]:
        """First weights, a (networks, fan_out, fan_in) array a layer."""
        drawn = [first_weights(self.point, network) for network in range(self.begin, self.end)]
        return [np.stack(layer).astype(self.point.precision) for layer in zip(*drawn, strict=True)]

    def biases(self) -> list[np.ndarray]:
        """Zeros, a (networks, fan_out) array a layer."""
        return [np.zeros((self.networks, fan_out), self.point.precision) for fan_out, _ in self.point.shapes]

    def orders(self) -> np.ndarray:
        """Rows of each mini-batch, (networks, steps, batch) int32."""
        return np.stack([order(self.point, network) for network in range(self.begin, self.end)])

    def chunks(self, caches: float = 1.0) -> list[slice]:
        """The networks in equal chunks whose numbers fill so many second-level caches."""
        size = {"float32": 4, "float64": 8}[self.point.precision]
        values = 4 * self.point.parameters
        values += self.point.batch * (2 * self.point.widths[0] + 4 * self.point.width * self.point.depth)
        wanted = max(int(caches * l2_bytes() / (values * size)), 1)
        count = max(round(self.networks / wanted), 1)
        while self.networks % count:
            count += 1
        step = self.networks // count
        return [slice(begin, begin + step) for begin in range(0, self.networks, step)]


def library(name: str) -> Any:
    """A module by name: mypy need not know it."""
    return importlib.import_module(name)


def missing(part: Part) -> list[str]:
    """Libraries of the peer that are not installed."""
    return [name for name in part.libraries if importlib.util.find_spec(name) is None]


def peers() -> dict[str, Part]:
    """All peers by name, each file of this folder imported."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__package__}.{module.name}")
    return dict(peer.items())
