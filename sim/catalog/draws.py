"""The random numbers that a network's first weights are made of.

Every initializer works from the same standard normals: they depend on the study's seed,
the replicate, the layer and the layer's shape, and on nothing else. Networks of one
replicate therefore start as alike as their initializers, activations and optimizers
allow, and what they do is compared in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.catalog.randomness import generator
from sim.catalog.tables import Floats, Generator


@dataclass(frozen=True, eq=False)
class Draw:
    """What one layer's weights or biases are made of; layers are numbered from 0.

    Nothing is drawn before it is asked for. ``known`` holds the normals where they are drawn already.
    """

    shape: tuple[int, ...]
    """(fan_out, fan_in) for weights, (fan_out,) for biases."""
    seed: int = 0
    replicate: int = 0
    layer: int = 0
    purpose: str = "weights"
    known: Floats | None = None

    @property
    def normal(self) -> Floats:
        """Standard normals of the layer's shape, float64, read-only since others use them too."""
        if self.known is not None:
            return self.known
        values = generator(self.seed, self.purpose, self.replicate, self.layer).standard_normal(self.shape)
        values.flags.writeable = False
        return values

    @property
    def uniform(self) -> Floats:
        """Uniform on [−1, 1]: 2Φ(z) − 1 of the same normals, so in the same order."""
        from scipy.special import erf

        return erf(self.normal / np.sqrt(2.0))

    @property
    def generator(self) -> Generator:
        """This layer's own stream for choices beyond the normals, from its beginning on every call."""
        return generator(self.seed, f"{self.purpose}: choices", self.replicate, self.layer)

    @property
    def fan_out(self) -> int:
        """Units of this layer."""
        return self.shape[0]

    @property
    def fan_in(self) -> int:
        """Inputs of each unit."""
        return self.shape[1]


def draw_normals(seed: int, replicate: int, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
    """Standard normals for each layer's weights, float64, read-only: worth keeping for a whole replicate.

    Layer l has a stream of its own, so two networks that differ in depth share the draws of
    all layers that are of equal shape.
    """
    return [Draw(shape, seed, replicate, layer).normal for layer, shape in enumerate(shapes)]
