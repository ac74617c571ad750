"""The split by seed, nested and stratified; what a network is given of a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalog.datasets import Table, dataset, load, prepare, split
from sim.catalog.randomness import generator
from sim.catalog.scalings import scaling


def labelled(labels: list[int] | np.ndarray) -> Table:
    return Table(np.zeros((len(labels), 1)), np.asarray(labels), int(max(labels)) + 1)


@given(
    labels=st.lists(st.integers(0, 3), min_size=6, max_size=80).filter(lambda x: len(set(x)) > 1),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 2**20),
)
def test_a_split_is_a_partition_that_keeps_every_class_in_training(
    labels: list[int], fraction: float, seed: int
) -> None:
    table = labelled(labels)
    counts = np.bincount(labels)
    testing = max(round(fraction * len(labels)), 1)
    if testing > np.maximum(counts - 1, 0).sum():
        with pytest.raises(ValueError, match="without a training row"):
            split(table, generator(seed, "split"), fraction)
        return
    train, test = split(table, generator(seed, "split"), fraction)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert len(test) == testing
    sent = np.bincount(table.targets[test], minlength=len(counts))
    kept = np.bincount(table.targets[train], minlength=len(counts))
    assert (kept[counts > 0] >= 1).all()
    if testing >= (counts > 0).sum():
        assert (sent[counts > 1] >= 1).all()


@given(seed=st.integers(0, 2**20), few=st.integers(1, 60), many=st.integers(1, 60))
def test_smaller_training_sets_are_nested_and_share_the_test_set(seed: int, few: int, many: int) -> None:
    few, many = sorted((few, many))
    table = labelled(np.arange(80) % 3)
    train, test = split(table, generator(seed, "split"), 0.25, few)
    more, same = split(table, generator(seed, "split"), 0.25, many)
    assert len(train) == few
    np.testing.assert_array_equal(train, more[:few])
    np.testing.assert_array_equal(test, same)


@given(seed=st.integers(0, 2**20), size=st.integers(4, 240))
def test_every_beginning_is_stratified(seed: int, size: int) -> None:
    counts = np.array([200, 100, 20, 10])
    table = labelled(np.repeat(np.arange(4), counts))
    train, test = split(table, generator(seed, "split"), 0.2)
    np.testing.assert_array_equal(np.bincount(table.targets[test]), counts * 0.2)
    taken = np.bincount(table.targets[train[:size]], minlength=4)
    assert (taken >= 1).all()
    assert np.abs(taken - counts / counts.sum() * size).max() < 3.0


def test_a_rare_class_is_tested_too() -> None:
    table = labelled([0] * 40 + [1] * 38 + [2] * 2)  # 2.0, 1.9 and 0.1 of 4 rows
    _, test = split(table, generator(1, "split"), 0.05)
    np.testing.assert_array_equal(np.bincount(table.targets[test]), [2, 1, 1])


def test_largest_remainders() -> None:
    table = labelled([0] * 7 + [1] * 6 + [2] * 7)  # quotas of 6 rows: 2.1, 1.8, 2.1
    _, test = split(table, generator(1, "split"), 0.3)
    np.testing.assert_array_equal(np.bincount(table.targets[test]), [2, 2, 2])


def test_splits_differ_by_seed_and_regressions_are_split_too() -> None:
    table = Table(np.zeros((30, 1)), np.arange(30.0))
    train, test = split(table, generator(1, "split", 0), 0.2)
    other, _ = split(table, generator(1, "split", 1), 0.2)
    assert sorted([*train, *test]) == list(range(30))
    assert len(test) == 6
    assert train.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("fraction", "samples", "message"),
    [
        (0.0, None, "between 0 and 1"),
        (1.0, None, "between 0 and 1"),
        (0.2, 25, "24 of 30"),
        (0.2, 0, "samples = 0"),
    ],
)
def test_splits_that_cannot_be(fraction: float, samples: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(Table(np.zeros((30, 1)), np.arange(30.0)), generator(1, "split"), fraction, samples)


def test_prepared_regression_targets_are_standardized_by_the_training_rows() -> None:
    table = load(dataset["diabetes"], {}, 0, 0)
    assert table.targets.max() == 346.0
    train, test = split(table, generator(0, "split"), 0.2)
    ready = prepare(table, train, test, scaling["standardize"])
    assert ready.train_targets.mean() == pytest.approx(0.0, abs=1e-12)
    assert ready.train_targets.std() == pytest.approx(1.0)
    assert abs(ready.test_targets.mean()) > 1e-6
    np.testing.assert_allclose(
        ready.test_targets / ready.target_factor + ready.target_shift, table.targets[test]
    )


def test_a_table_is_read_only() -> None:
    table = load(dataset["iris"], {}, 0, 0)
    with pytest.raises(ValueError, match="read-only"):
        table.features[0, 0] = 1.0
