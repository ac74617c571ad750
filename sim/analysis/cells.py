"""Which networks belong together, and which layer rows belong to which network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Cells(NamedTuple):
    """Groups of runs that agree in some columns, numbered in the order of their first run."""

    keys: pd.DataFrame  # a row a cell, the columns that define it
    number: NDArray[np.int64]  # the cell of every run, in the order of the runs

    @property
    def networks(self) -> NDArray[np.int64]:
        """How many runs each cell holds."""
        return np.bincount(self.number, minlength=len(self.keys))

    def beside(self, answers: dict[str, Any] | pd.DataFrame) -> pd.DataFrame:
        """The keys with columns of answers, a row a cell, to their right."""
        return pd.concat([self.keys, pd.DataFrame(answers, index=self.keys.index)], axis=1)


def cells(runs: pd.DataFrame, by: Sequence[str]) -> Cells:
    """Group runs by columns; without a column all runs are one cell. A missing value is a value too."""
    by = list(by)
    if not by:
        return Cells(
            pd.DataFrame(index=pd.RangeIndex(min(len(runs), 1))), np.zeros(len(runs), dtype=np.int64)
        )
    number = np.zeros(len(runs), dtype=np.int64)
    for column in by:
        level, levels = pd.factorize(runs[column], use_na_sentinel=False)
        if len(levels) > 1:
            number = pd.factorize(number * len(levels) + level)[0]
    _, first = np.unique(number, return_index=True)
    return Cells(runs[by].iloc[first].reset_index(drop=True), number)


def joined(
    runs: pd.DataFrame, layers: pd.DataFrame, columns: Sequence[str], checkpoint: int | None = None
) -> pd.DataFrame:
    """Layer rows of these runs at one checkpoint (None: all of them; −1: the last one each run recorded).

    Columns: row (position in `runs`), depth, checkpoint, layer, *columns; rows in the order of `layers`.
    """
    if checkpoint is not None and checkpoint >= 0:
        layers = layers[layers["checkpoint"].to_numpy() == checkpoint]
    row = pd.Index(runs["run"]).get_indexer(layers["run"])
    taken = layers.loc[row >= 0, ["checkpoint", "layer", *columns]]
    row = row[row >= 0]
    if checkpoint == -1:
        last = np.full(len(runs), -1, dtype=np.int64)
        np.maximum.at(last, row, taken["checkpoint"].to_numpy())
        ends = taken["checkpoint"].to_numpy() == last[row]
        taken, row = taken[ends], row[ends]
    depth = runs["depth"].to_numpy(dtype=np.int64)[row]
    return taken.assign(row=row, depth=depth).reset_index(drop=True)


def split(
    cell: NDArray[np.int64], *parts: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Groups within cells: the distinct (cell, *parts) in ascending order, and the group of every row."""
    code = cell.astype(np.int64)
    sizes = [int(part.max(initial=0)) + 1 for part in parts]
    for part, size in zip(parts, sizes, strict=True):
        code = code * size + part
    distinct, group = np.unique(code, return_inverse=True)
    columns: list[NDArray[np.int64]] = []
    for size in reversed(sizes):
        distinct, part = np.divmod(distinct, size)
        columns.insert(0, part)
    return [distinct, *columns], group
