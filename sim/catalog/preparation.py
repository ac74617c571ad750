"""From a table to what a network is given: the split by seed, the scaling by the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.catalog.registry import Part
from sim.catalog.tables import Floats, Generator, Integers, Table


def standard_units(columns: Floats) -> tuple[Floats, Floats]:
    """Mean and 1 / σ of each column of (rows, columns), σ divided by n; 1 for a constant column."""
    # A constant column's computed deviation may be a rounding error such as 1e-17, so ask the range.
    varies = np.ptp(columns, axis=0) > 0.0
    return columns.mean(axis=0), 1.0 / np.where(varies, columns.std(axis=0), 1.0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What one network is trained and tested on: scaled features, targets, contiguous, float64.

    Regression targets are standardized by the training rows (``target_shift`` and ``target_factor`` undo
    it; those of a table that comes split are not), so that a half squared error of 0.5 always means "no
    better than the mean" whatever the target's unit.
    """

    train_features: Floats
    train_targets: NDArray[Any]
    test_features: Floats
    test_targets: NDArray[Any]
    classes: int
    target_shift: Floats
    target_factor: Floats


def _balanced_order(labels: Integers, generator: Generator) -> Integers:
    """A random order in which every beginning is as stratified as it can be.

    The j-th row of a class with n rows stands at (j + u) / n, u uniform for the class, so
    classes advance at the same pace; each class's first row comes before all second ones.
    """
    shuffled = generator.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
        place[members[0]] -= 1.0
    return shuffled[np.argsort(place, kind="stable")]


def _apportion(counts: Integers, total: int) -> Integers:
    """Share ``total`` test rows among classes by largest remainders.

    Every class keeps at least one training row and, where ``total`` allows, sends one row.
    """
    quota = counts * total / counts.sum()
    most = counts - 1
    least = np.minimum(most, 1) if total >= len(counts) else np.zeros_like(counts)
    share = np.clip(np.floor(quota).astype(np.int64), least, most)
    while (missing := total - int(share.sum())) != 0:
        step = 1 if missing > 0 else -1
        movable = share < most if step > 0 else share > least
        need = np.where(movable, step * (quota - share), -np.inf)
        share[int(np.argmax(need))] += step
    return share


def split(
    table: Table, generator: Generator, test_fraction: float = 0.2, samples: int | None = None
) -> tuple[Integers, Integers]:
    """Row numbers for training and for testing, disjoint, both in random order.

    The test set depends on the generator and ``test_fraction`` alone; ``samples`` then takes
    the first so many training rows (None: all), so smaller training sets are subsets of
    larger ones. Classes are stratified by largest remainders, and every beginning of
    either list is stratified too. A table that comes split stays so, in its order. Raises
    ValueError where there are too few rows.
    """
    rows = len(table.targets)
    if not 0.0 < test_fraction < 1.0:
        raise ValueError(f"test_fraction = {test_fraction!r} must lie between 0 and 1")
    testing = min(max(round(test_fraction * rows), 1), rows - 1)
    if table.training:
        train, test = np.arange(table.training), np.arange(table.training, rows)
    elif table.classes:
        train, test = _stratified_split(table.targets, generator, testing)
    else:
        order = generator.permutation(rows)
        train, test = order[testing:], order[:testing]
    if samples is None:
        return train, test
    if not 1 <= samples <= len(train):
        raise ValueError(f"samples = {samples!r}, but {len(train)} of {rows} rows are there to train on")
    return train[:samples], test


def _stratified_split(labels: Integers, generator: Generator, testing: int) -> tuple[Integers, Integers]:
    counts = np.bincount(labels)
    if testing > int(np.maximum(counts - 1, 0).sum()):
        raise ValueError(f"{testing} test rows of {len(labels)} would leave a class without a training row")
    share = np.zeros_like(counts)
    share[counts > 0] = _apportion(counts[counts > 0], testing)
    order = _balanced_order(labels, generator)
    rank = np.empty_like(order)
    for label in np.flatnonzero(counts):
        members = labels[order] == label
        rank[members] = np.arange(counts[label])
    is_test = rank < share[labels[order]]
    train = order[~is_test]
    return train[_balanced_order(labels[train], generator)], order[is_test]


def prepare(
    table: Table,
    train_rows: Integers,
    test_rows: Integers,
    scaling: Part,
    parameters: Mapping[str, Any] | None = None,
) -> Prepared:
    """Scale the features, and a regression's targets, by what the training rows say.

    Test rows go through the training rows' numbers. Raises ValueError where scaling makes
    a feature non-finite.
    """
    train, test = table.features[train_rows], table.features[test_rows]
    shift, factor = scaling.function(train, **(parameters or {}))
    train, test = (train - shift) * factor, (test - shift) * factor
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise ValueError(
            f"scaling {scaling.name!r} makes features non-finite: their values are too large or too small"
        )
    train_targets, test_targets = table.targets[train_rows], table.targets[test_rows]
    target_shift, target_factor = np.zeros(1), np.ones(1)
    if not table.classes and not table.training:
        target_shift, target_factor = standard_units(train_targets)
        train_targets = (train_targets - target_shift) * target_factor
        test_targets = (test_targets - target_shift) * target_factor
    return Prepared(train, train_targets, test, test_targets, table.classes, target_shift, target_factor)
