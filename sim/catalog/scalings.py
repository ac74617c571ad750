"""How inputs are brought to scale before a network sees them: the family of scalings.

A scaling is a function of the training features (rows, features), float64, that returns
``shift`` and ``factor``, each (features,), for x' = (x − shift) · factor. The test
features go through the same two numbers, so nothing of the test set leaks into training.
A feature that is constant among the training rows gets factor 1.
"""

from __future__ import annotations

import numpy as np

from sim.catalog.limits import Range
from sim.catalog.preparation import standard_units
from sim.catalog.registry import Family
from sim.catalog.tables import Floats

scaling = Family("scaling", supplied=1)


@scaling()
def none(train_features: Floats) -> tuple[Floats, Floats]:
    """x' = x.

    Source: elementary.
    """
    features = train_features.shape[1]
    return np.zeros(features), np.ones(features)


@scaling()
def standardize(train_features: Floats) -> tuple[Floats, Floats]:
    """x' = (x − mean) / σ for each feature, σ the population deviation (divided by n, not n − 1).

    Source: LeCun et al. 1998.
    """
    return standard_units(train_features)


@scaling()
def minmax(train_features: Floats) -> tuple[Floats, Floats]:
    """x' = (x − min) / (max − min) for each feature: the training rows fill [0, 1].

    Source: as scikit-learn's MinMaxScaler.
    """
    spread = np.ptp(train_features, axis=0)
    return train_features.min(axis=0), 1.0 / np.where(spread > 0.0, spread, 1.0)


@scaling(limits={"by": Range()})
def shift(train_features: Floats, by: float) -> tuple[Floats, Floats]:
    """x' = (x − mean) / σ + by: standardized, then pushed off centre.

    Shows what uncentred inputs do: the largest eigenvalue of the inputs' second moments
    grows with by², and with it the condition number of the problem (LeCun et al. 1998).
    """
    mean, factor = standard_units(train_features)
    return mean - by / factor, factor


@scaling(limits={"by": Range(0.0, above=True)})
def scale(train_features: Floats, by: float) -> tuple[Floats, Floats]:
    """x' = by · (x − mean) / σ: standardized, then inflated or shrunk.

    Shows what inputs of a wrong size do: they saturate the first layer or starve it.
    Source: LeCun et al. 1998.
    """
    mean, factor = standard_units(train_features)
    return mean, factor * by
