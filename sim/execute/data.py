"""What the networks of a batch see: a table a replicate, and the order of its samples.

Both depend on the study's seed and the replicate alone, so that all networks of a
replicate, whatever else they are, learn from the same samples in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sim.catalog.datasets import load
from sim.catalog.preparation import Prepared, prepare, split
from sim.catalog.randomness import generator
from sim.catalog.tables import encode
from sim.kernels.fleet import Data, sample_tables
from sim.plan import Run
from sim.study import Choice


@lru_cache(maxsize=32)
def prepared(
    dataset: Choice, scaling: Choice, samples: int, test_fraction: float, seed: int, replicate: int
) -> Prepared:
    """A replicate's training and test rows, scaled; kept, for the batches of a grid ask for the same ones."""
    table = load(dataset.part, dict(dataset.parameters), seed, replicate)
    rows = split(table, generator(seed, "split", replicate), test_fraction, samples)
    return prepare(table, *rows, scaling.part, dict(scaling.parameters))


def prepared_for(run: Run, seed: int) -> Prepared:
    """The rows that a run's replicate trains and is tested on."""
    return prepared(run.dataset, run.scaling, run.samples, run.settings.test_fraction, seed, run.replicate)


@lru_cache(maxsize=128)
def order(samples: int, batch_size: int, mini_batches: int, seed: int, replicate: int) -> np.ndarray:
    """Row numbers of each step's mini-batch, (steps, batch) int32.

    Epoch after epoch a new permutation of the training rows, cut into mini-batches; what
    does not fill one is left for the next epoch's permutation to visit.  A full batch is
    the same every step: one row serves all.
    """
    if batch_size == samples:
        return np.arange(samples, dtype=np.int32)[None]
    draws = generator(seed, "order", replicate)
    in_epoch = samples // batch_size
    epochs = -(-mini_batches // in_epoch)
    rows = [draws.permutation(samples)[: in_epoch * batch_size] for _ in range(epochs)]
    return np.concatenate(rows).astype(np.int32).reshape(-1, batch_size)[:mini_batches]


def evaluated_rows(run: Run, prepared: Prepared) -> np.ndarray:
    """How many training and how many test rows are evaluated at a checkpoint."""
    most = run.settings.evaluate
    counts = {"train": len(prepared.train_features), "test": len(prepared.test_features)}
    asked = [
        (count if most is None else min(count, most)) if split in run.settings.measure else 0
        for split, count in counts.items()
    ]
    return np.array(asked, np.int64)


def data_for(run: Run, replicates: Sequence[int], outputs: int, seed: int) -> Data:
    """The samples of all ``replicates``, as the kernels take them; ``run`` is any run of the batch."""
    chosen = (run.dataset, run.scaling, run.samples, run.settings.test_fraction, seed)
    tables = [prepared(*chosen, replicate) for replicate in replicates]
    features = [np.concatenate([t.train_features, t.test_features]) for t in tables]
    targets = [encode(np.concatenate([t.train_targets, t.test_targets]), t.classes, outputs) for t in tables]
    # One mini-batch more than there are steps: the last checkpoint measures gradients after the last update.
    orders = [order(run.samples, run.batch_size, run.steps + 1, seed, replicate) for replicate in replicates]
    return Data(
        tables=sample_tables(features, targets, run.settings.precision),
        order=np.stack(orders),
        sequence=np.arange(len(features[0]), dtype=np.int32),
        training=run.samples,
        evaluated=evaluated_rows(run, tables[0]),
    )
