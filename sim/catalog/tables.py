"""A data set in memory: the table, its shape, and the family that data sets register in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.catalog.registry import Family

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Generator = np.random.Generator

dataset = Family("dataset", supplied=1)


class Shape(NamedTuple):
    """Rows, features and classes of a data set; no classes means regression."""

    rows: int
    features: int
    classes: int


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of features with their targets.

    ``features`` is (rows, features), float64. ``targets`` is (rows,) int64 with labels
    0 … classes − 1, or, with ``classes = 0``, (rows, outputs) float64 for regression. A benchmark that
    comes split says how many ``training`` rows it begins with; its regression targets are left as they are.
    """

    features: Floats
    targets: NDArray[Any]
    classes: int = 0
    training: int = 0

    def __post_init__(self) -> None:
        kind = np.int64 if self.classes else np.float64
        targets = np.ascontiguousarray(self.targets, dtype=kind)
        if not self.classes:
            targets = targets.reshape(len(targets), -1)
        features = np.ascontiguousarray(self.features, dtype=np.float64)
        for name, array in (("features", features), ("targets", targets)):
            kept = array.view()
            kept.flags.writeable = False  # one table is shared by every network that learns from it
            object.__setattr__(self, name, kept)

    @property
    def shape(self) -> Shape:
        """Rows, features and classes."""
        return Shape(len(self.features), self.features.shape[1], self.classes)

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return "classification" if self.classes else "regression"

    @property
    def natural_loss(self) -> str:
        """The loss that ``loss = "auto"`` stands for."""
        return "softmax_cross_entropy" if self.classes else "half_squared_error"

    @property
    def outputs(self) -> int:
        """How many outputs a network has under the natural loss."""
        return outputs_under(self.natural_loss, self.classes, 1 if self.classes else self.targets.shape[1])


def outputs_under(loss: str, classes: int, targets: int = 1) -> int:
    """How many outputs a network needs: one a class, one for binary cross-entropy, one a regression target.

    Raises ValueError where the loss does not fit the task: a cross-entropy needs classes,
    the binary one exactly two.
    """
    if loss == "binary_cross_entropy":
        if classes != 2:
            what = f"one of {classes} classes" if classes else "a regression"
            raise ValueError(f"binary_cross_entropy needs a data set of two classes, this is {what}")
        return 1
    if loss == "quadratic_deep" and (classes or targets > 100):
        raise ValueError("quadratic_deep needs a regression of at most 100 targets")
    if classes:
        return classes
    if loss == "softmax_cross_entropy":
        raise ValueError("softmax_cross_entropy needs a data set of classes, this is a regression")
    return targets


def encode(targets: NDArray[Any], classes: int, outputs: int) -> Floats:
    """Targets as the loss compares them with a network's outputs: (rows, outputs), float64.

    One-hot rows for ``outputs == classes``, a column of 0 and 1 for two classes on one
    output, the values themselves for regression.
    """
    if not classes:
        return np.asarray(targets, dtype=np.float64)
    if outputs == 1:
        return targets.astype(np.float64)[:, None]
    return np.eye(classes)[targets]
