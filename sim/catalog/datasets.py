"""What networks learn from: the family of data sets. None is downloaded.

A data set is a function of a random generator and its own parameters that returns a
:class:`~sim.catalog.tables.Table`. Its traits: ``fixed=True`` where it does not use the
generator; ``shape``, a :class:`Shape` or a function of the parameters, so that a plan can
be made without loading anything; ``limits`` for its parameters; ``training``, how many
rows of one that comes split are there to train on. A data set of more than one regression target
has a parameter or a trait named ``outputs``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sim.catalog import (
    files,
    limits,
    quadratic,  # noqa: F401  (registers its data set)
    synthetic,  # noqa: F401  (registers the generated data sets)
)
from sim.catalog import mnist1d as published
from sim.catalog.preparation import Prepared, prepare, split
from sim.catalog.randomness import generator as stream
from sim.catalog.registry import Part
from sim.catalog.tables import Generator, Shape, Table, dataset, encode, outputs_under

__all__ = [
    "Prepared",
    "Shape",
    "Table",
    "dataset",
    "encode",
    "load",
    "natural_loss_of",
    "outputs_of",
    "outputs_under",
    "prepare",
    "shape_of",
    "split",
]


def shape_of(part: Part, parameters: Mapping[str, Any]) -> Shape:
    """The shape a data set will have, as a rule without loading it.

    Raises UnknownName or ValueError where a parameter is unknown, missing or out of range.
    """
    bound = part.bind(**parameters)
    limits.check(part, bound)
    shape = part.traits.get("shape")
    if shape is None:
        return load(part, bound, seed=0, replicate=0).shape
    return shape(**bound) if callable(shape) else shape


def outputs_of(part: Part, parameters: Mapping[str, Any], loss: str = "auto") -> int:
    """How many outputs a network for this data set has under ``loss``; ValueError where they do not fit."""
    classes = shape_of(part, parameters).classes
    if loss == "auto":
        loss = natural_loss_of(part, parameters)
    told = part.traits.get("outputs", part.bind(**parameters).get("outputs", 1))
    return outputs_under(loss, classes, 1 if classes else told)


def natural_loss_of(part: Part, parameters: Mapping[str, Any]) -> str:
    """The loss that ``loss = "auto"`` stands for with this data set."""
    return "softmax_cross_entropy" if shape_of(part, parameters).classes else "half_squared_error"


def load(part: Part, parameters: Mapping[str, Any], seed: int, replicate: int) -> Table:
    """The data set itself, drawn for the replicate; a fixed one is the same for all and kept in memory."""
    bound = part.bind(**parameters)
    limits.check(part, bound)
    if part.traits.get("fixed"):
        content = files.digest(bound["path"]) if "path" in bound else ""
        return _fixed(part, tuple(bound.items()), content)
    return part.function(stream(seed, "data", replicate), **bound)


@functools.lru_cache(maxsize=8)
def _fixed(part: Part, parameters: tuple[tuple[str, Any], ...], content: str) -> Table:
    # ``content`` is the file's digest: a file that changes between two studies of one session is read anew.
    return part.function(None, **dict(parameters))


def _scikit(name: str, classes: int) -> Table:
    from sklearn import datasets as collection

    bunch = getattr(collection, f"load_{name}")()
    return Table(bunch.data, bunch.target, classes)


@dataset(fixed=True, shape=Shape(1797, 64, 10))
def digits(generator: Generator) -> Table:
    """Handwritten digits of 8 × 8 pixels, 0 to 16 (Alpaydin & Kaynak 1998; scikit-learn's copy)."""
    return _scikit("digits", 10)


@dataset(fixed=True, shape=Shape(150, 4, 3))
def iris(generator: Generator) -> Table:
    """Three species of iris by four lengths in cm (Fisher 1936; scikit-learn's copy)."""
    return _scikit("iris", 3)


@dataset(fixed=True, shape=Shape(178, 13, 3))
def wine(generator: Generator) -> Table:
    """Three growers of wine by 13 chemical measurements (Forina 1991; scikit-learn's copy)."""
    return _scikit("wine", 3)


@dataset(fixed=True, shape=Shape(569, 30, 2))
def breast_cancer(generator: Generator) -> Table:
    """Benign or malignant by 30 measures of cell nuclei (Wolberg et al. 1995; scikit-learn's copy)."""
    return _scikit("breast_cancer", 2)


@dataset(fixed=True, shape=Shape(442, 10, 0))
def diabetes(generator: Generator) -> Table:
    """Regression: progression of diabetes after a year, 25 to 346, by ten measures (Efron et al. 2004).

    The table holds the raw target; ``prepare`` standardizes it by the training rows.
    """
    return _scikit("diabetes", 0)


@dataset(fixed=True, shape=Shape(published.ROWS, published.FEATURES, published.CLASSES))
def mnist1d(generator: Generator) -> Table:
    """MNIST-1D: ten one-dimensional digits of 40 points (Greydanus & Kobak 2024), as published.

    Rows 0 to 3999 are the published training set; a study splits all 5000 by its own seed.
    """
    return Table(*published.make(), published.CLASSES)


def _shape_in_file(path: str, target: str, task: str) -> Shape:
    return load(dataset["table"], {"path": path, "target": target, "task": task}, seed=0, replicate=0).shape


@dataset(fixed=True, shape=_shape_in_file, limits={"task": ("auto", "classification", "regression")})
def table(generator: Generator, path: str, target: str, task: str = "auto") -> Table:
    """Your own table: the column ``target`` of a CSV, Parquet or NPZ file by all its other columns.

    In an NPZ file each 1-D array is a column and each 2-D array as many; with arrays ``features``
    and ``targets`` the target is "targets". ``task`` "auto" takes text, true/false and whole numbers of at
    most 20 values for classes.
    Source: a file of yours.
    """
    return files.read_table(path, target, task)
