"""The forward pass that a data-dependent initializer measures with, in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.catalog.tables import Floats


@dataclass(frozen=True, eq=False)
class Probe:
    """A batch of inputs and how it passes a hidden layer: a = φ(W a + b), normalizers and dropout left out.

    ``inputs`` is (rows, features), prepared as for training; ``activate`` gives the activation's
    values for an array; with ``residual`` a hidden layer's input is added to its output, from the
    second layer on and where the widths agree.
    """

    inputs: Floats
    activate: Callable[[Floats], Floats]
    residual: bool = False

    def fit(self, weights: Sequence[Floats], biases: Sequence[Floats], gain: float) -> list[Floats]:
        """The weights, layer after layer scaled so that W a has deviation ``gain`` over batch and units.

        A layer that nothing reaches, or whose deviation is not finite, is scaled by ``gain`` alone.
        """
        fitted, below = [], self.inputs
        for layer, (directions, offset) in enumerate(zip(weights, biases, strict=True)):
            products = below @ directions.T
            spread = products.std()
            factor = gain / spread if 0.0 < spread < np.inf else gain
            fitted.append(directions * factor)
            above = self.activate(products * factor + offset)
            skips = self.residual and layer > 0 and above.shape == below.shape
            below = above + below if skips else above
        return fitted
