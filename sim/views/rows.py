"""Rows of a frame: those of each cell, and the extreme ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

Row = dict[str, Any]


def rows_by(frame: pd.DataFrame, by: Sequence[str]) -> dict[tuple[Any, ...], pd.DataFrame]:
    """The rows of each cell."""
    if not by:
        return {(): frame}
    return dict(iter(frame.groupby(list(by), sort=False, dropna=False)))


def lowest(frame: pd.DataFrame, column: str) -> Row:
    """The first row with the smallest value; the frame must hold one that is a number."""
    return _row(frame, int(np.nanargmin(frame[column].to_numpy(dtype=float))))


def highest(frame: pd.DataFrame, column: str) -> Row:
    """The first row with the largest value; the frame must hold one that is a number."""
    return _row(frame, int(np.nanargmax(frame[column].to_numpy(dtype=float))))


def _row(frame: pd.DataFrame, position: int) -> Row:
    """One row by position, every cell in its column's own type."""
    return {str(name): frame[name].iloc[position] for name in frame.columns}
