"""Tables and facts as a reader takes them in: rounded, intervals beside their value, names in words."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import pandas as pd

from sim.views import wording
from sim.views.records import FACTORS, GridRecords
from sim.views.style import label

HEADS = {
    "log10_ratio": "log₁₀ first/last", "log10_ratio_median": "median log₁₀ first/last",
    "log10_factor": "log₁₀ factor", "log10_factor_sd": "sd of log₁₀ factor", "log10_ratio_sd": "sd of log₁₀",
    "mean_log10": "mean log₁₀ norm", "sd_log10": "sd of log₁₀",
    "log10_mean": "log₁₀ mean norm", "log10_rms": "log₁₀ rms norm",
    "median_text": "median steps", "p_value": "p", "p_holm": "p (Holm)", "edge": "at the edge",
    "measured": "measured χ", "predicted": "predicted χ", "predicted_deep": "χ of deep layers",
    "log_difference": "ln measured − ln predicted", "within_interval": "within interval",
}  # fmt: skip
LEFT_TO_CSV = {"median", "median_low", "median_high", "match"}
"""Columns whose content another column of the page already tells."""


@dataclass(frozen=True)
class Rows:
    """Heads and cells of a table on the page; `numeric` says which columns stand to the right."""

    heads: list[str]
    numeric: list[bool]
    cells: list[list[str]]


def rows(frame: pd.DataFrame) -> Rows:
    """A DataFrame for reading: x, x_low, x_high become one column "x [low, high]"."""
    bounds = {bound for name in frame.columns for bound in _bounds(frame, str(name))}
    hidden = LEFT_TO_CSV if "median_text" in frame else set()
    shown = [str(name) for name in frame.columns if name not in bounds | hidden]
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool for name in shown]
    columns = [_column(frame, name) for name in shown]
    cells = [list(row) for row in zip(*columns, strict=True)]
    return Rows([HEADS.get(name, label(name)) for name in shown], numeric, cells)


def _bounds(frame: pd.DataFrame, name: str) -> list[str]:
    """The columns of a column's interval: x_low and x_high, for diverged_share diverged_low and so on."""
    if f"{name}_share" in frame:
        return []
    for stem in (f"{name}_", name.removesuffix("share")):
        if stem != name and f"{stem}low" in frame and f"{stem}high" in frame:
            return [f"{stem}low", f"{stem}high"]
    return []


def _column(frame: pd.DataFrame, name: str) -> list[str]:
    """The column's cells, with the interval where the frame has one."""
    written = name in FACTORS or name in ("level", "baseline")
    values = [_cell(value, written) for value in frame[name]]
    if not (bounds := _bounds(frame, name)):
        return values
    low, high = ([_cell(value) for value in frame[bound]] for bound in bounds)
    return [f"{v} [{a}, {b}]" if a != "–" else v for v, a, b in zip(values, low, high, strict=True)]


def _cell(value: Any, written: bool = False) -> str:
    """A value for reading; `written`: a setting of the study, shown as its author wrote it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Integral):  # a count is exact, however large
        return f"{int(value):,}".replace("-", "−")
    return wording.setting(value) if written else wording.number(float(value))


def facts(grid: GridRecords) -> str:
    """How many networks, what varies, and what is the same for all of them."""
    varied = (
        wording.enumeration(f"{label(f)} ({len(grid.levels(f))})" for f in grid.varying) or "only the seed"
    )
    fixed = [f for f in FACTORS if f not in grid.varying and grid.runs[f].nunique(dropna=False) == 1]
    same = ", ".join(f"{label(f)} {_cell(grid.runs[f].iloc[0], written=True)}" for f in fixed)
    replicates = wording.count(grid.runs["replicate"].nunique(), "replicate")
    networks = wording.count(len(grid.runs), "network")
    return f"{networks}, {replicates} each. Varied: {varied}. The same for all: {same or 'nothing'}."
