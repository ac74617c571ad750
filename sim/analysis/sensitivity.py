"""How much a setting matters to each optimizer: learning rate, batch size, input scale, depth; its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.analysis.cells import cells
from sim.analysis.convergence import success
from sim.analysis.prediction import is_known, parse
from sim.study import Choice

WITHIN = 2.0
"""A loss counts as good up to this multiple of the best one."""
HALF = 0.5


def by_level(
    runs: pd.DataFrame,
    factor: str,
    by: Sequence[str],
    target: str | None = None,
    quantity: str = "final_train_loss",
) -> pd.DataFrame:
    """Final loss and success of every cell of `by` at every level of a factor, levels ascending.

    loss, loss_low, loss_high: median and quartiles over networks, a diverged network counting as inf.
    Success and divergence with Wilson intervals as in convergence.success; without a target no share.

    Columns: *by, factor, networks, loss, loss_low, loss_high, [successes, share, share_low, share_high,
    diverged, diverged_share, diverged_low, diverged_high].
    """
    by = [column for column in by if column != factor]
    loss = runs[quantity].where(runs["status"] != "diverged", np.inf).fillna(np.inf)
    group = cells(runs, [*by, factor])
    ordered = np.lexsort((loss, group.number))
    first = np.concatenate([[0], np.cumsum(group.networks)[:-1]]).astype(np.int64)
    values = loss.to_numpy(dtype=np.float64)[ordered]
    quartiles = {
        name: _order_statistic(values, first, group.networks, share)
        for name, share in (("loss", HALF), ("loss_low", 0.25), ("loss_high", 0.75))
    }
    table = group.beside({"networks": group.networks, **quartiles})
    if target is not None:
        shares = success(runs, [*by, factor], target)
        table = table.assign(**{name: shares[name] for name in shares.columns[len(by) + 2 :]})
    outer = cells(table, by).number
    return table.iloc[np.lexsort((table[factor], outer))].reset_index(drop=True)


def _order_statistic(
    values: NDArray[np.float64], first: NDArray[np.int64], count: NDArray[np.int64], share: float
) -> NDArray[np.float64]:
    """Quantile of sorted stretches of `values`, interpolated between neighbours unless one is infinite."""
    place = share * (count - 1)
    below = np.floor(place).astype(np.int64)
    low, high = values[first + below], values[first + np.minimum(below + 1, count - 1)]
    part = place - below
    with np.errstate(invalid="ignore"):
        return np.where(part == 0, low, np.where(np.isinf(high), high, low + part * (high - low)))


def good_region(table: pd.DataFrame, factor: str, by: Sequence[str], within: float = WITHIN) -> pd.DataFrame:
    """The stretch of a factor around its best level in which each cell does about as well, in decades.

    `table`: of by_level, levels positive. A loss is good up to `within` × the best median or the upper
    quartile at the best level, whichever is larger: a declared factor, or within noise; where the table has
    a column `ceiling` (a value a cell), up to that at most, and a cell whose best median lies above it has no
    stretch. A share of success is good down to the lower end of the best one's interval. The ends are
    interpolated between levels in log10 of the level; towards a level where most networks diverge the end
    lies halfway.
    open: the stretch reaches the edge of the levels tried, so it may be wider.

    Columns: *by, levels, best, best_loss, threshold, low, high, decades, open, and where the table has
    shares: success_best, success_low, success_high, success_decades, success_open (NaN where none succeeds).
    """
    by = list(by)
    group = cells(table, by)
    rows = []
    for cell in range(len(group.keys)):
        mine = table[group.number == cell]
        levels = np.log10(mine[factor].to_numpy(dtype=np.float64))
        loss = mine["loss"].to_numpy(dtype=np.float64)
        best = int(np.argmin(loss))
        limit = max(loss[best] + (within - 1) * abs(loss[best]), mine["loss_high"].iloc[best])
        limit = limit if np.isfinite(limit) else loss[best]
        if "ceiling" in mine:
            limit = np.fmin(limit, mine["ceiling"].iloc[best])
        row: dict[str, Any] = {"levels": len(mine), "best": mine[factor].iloc[best], "best_loss": loss[best]}
        row |= {"threshold": limit, **_stretch(levels, loss, limit)}
        if "share" in mine:
            share = mine["share"].to_numpy(dtype=np.float64)
            top = int(np.argmax(share))
            found = _stretch(levels, -share, -mine["share_low"].iloc[top] if share[top] > 0 else -np.inf)
            row |= {"success_best": share[top], **{f"success_{name}": value for name, value in found.items()}}
        rows.append(row)
    return pd.concat([group.keys, pd.DataFrame(rows)], axis=1)


def _stretch(levels: NDArray[np.float64], values: NDArray[np.float64], limit: float) -> dict[str, Any]:
    """Where values ≤ limit around the smallest: ends (as levels), width in decades, open at an edge."""
    best = int(np.argmin(values))
    if not values[best] <= limit or not np.isfinite(values[best]):
        return {"low": np.nan, "high": np.nan, "decades": np.nan, "open": False}
    ends, edges = [], []
    for way in (-1, 1):
        place = best
        while 0 <= place + way < len(levels) and values[place + way] <= limit:
            place += way
        beyond = place + way
        edges.append(not 0 <= beyond < len(levels))
        ends.append(levels[place] if edges[-1] else _crossing(levels, values, place, beyond, limit))
    return {
        "low": 10.0 ** ends[0], "high": 10.0 ** ends[1], "decades": ends[1] - ends[0], "open": any(edges)
    }  # fmt: skip


def _crossing(
    levels: NDArray[np.float64], values: NDArray[np.float64], inside: int, outside: int, limit: float
) -> float:
    """Where the line from a good level to the next, bad one passes the limit; halfway to an infinite one."""
    if np.isinf(values[outside]):
        part = 0.5
    else:
        part = (limit - values[inside]) / (values[outside] - values[inside])
    return float(levels[inside] + part * (levels[outside] - levels[inside]))


def reach(table: pd.DataFrame, factor: str, by: Sequence[str]) -> pd.DataFrame:
    """The largest level of a factor up to which at least half of the networks succeed, in every cell of `by`.

    Does an adaptive method train a network whose gradient has vanished? `factor`: depth. `table`: of
    by_level with a target. Levels beyond a first failure do not count. largest is NaN where even the
    smallest level fails.

    Columns: *by, levels, largest, beyond (the first level that fails, NaN if none does), total (Σ shares).
    """
    by = list(by)
    group = cells(table, by)
    rows = []
    for cell in range(len(group.keys)):
        mine = table[group.number == cell].sort_values(factor, kind="stable")
        levels, holds = mine[factor].to_numpy(dtype=np.float64), mine["share"].to_numpy() >= HALF
        fails = int(np.argmin(holds)) if not holds.all() else len(holds)
        rows.append({
            "levels": len(levels), "largest": levels[fails - 1] if fails else np.nan,
            "beyond": levels[fails] if fails < len(levels) else np.nan, "total": mine["share"].sum(),
        })  # fmt: skip
    return pd.concat([group.keys, pd.DataFrame(rows)], axis=1)


def span(table: pd.DataFrame, factor: str, by: Sequence[str]) -> pd.DataFrame:
    """How far a factor moves each cell: its best and worst level, by success and then by median loss.

    `table`: of by_level with a target. loss_ratio: worst over best median loss, inf where most diverge.

    Columns: *by, levels, best, best_share, best_share_low, best_share_high, worst, worst_share,
    worst_share_low, worst_share_high, drop (of the share), loss_ratio.
    """
    by = list(by)
    group = cells(table, by)
    rows = [_extremes(table[group.number == cell], factor) for cell in range(len(group.keys))]
    return pd.concat([group.keys, pd.DataFrame(rows)], axis=1)


def _extremes(mine: pd.DataFrame, factor: str) -> dict[str, Any]:
    """One row of `span`."""
    ordered = mine.sort_values(["share", "loss"], ascending=[False, True], kind="stable")
    row: dict[str, Any] = {"levels": len(mine)}
    for name, place in (("best", 0), ("worst", -1)):
        row[name] = ordered[factor].iloc[place]
        row |= {
            f"{name}_{column}": ordered[column].iloc[place] for column in ("share", "share_low", "share_high")
        }
    least, most = mine["loss"].min(), mine["loss"].max()
    ratio = most / least if least > 0 and np.isfinite(most) else np.inf if most > least else 1.0
    return {**row, "drop": row["best_share"] - row["worst_share"], "loss_ratio": ratio}


BYTES: dict[str, int] = {"float32": 4, "float64": 8}


def memory(optimizers: Sequence[str], precision: str = "float32", own: Sequence[Choice] = ()) -> pd.DataFrame:
    """What an optimizer keeps for each weight of a square hidden layer, beside the weight and its gradient.

    slots: arrays as large as the weights; pairs: pairs of square matrices (rows², columns²), two values a
    weight where rows = columns. optimizers: labels, each once; own: what those of a user's files stand for.

    Columns: optimizer, slots, pairs, values (slots + 2 pairs), bytes (of state for each weight).
    """
    rows = []
    for name in dict.fromkeys(optimizers):
        rule = _rule(name, own)
        values = rule.per_parameter + 2 * rule.pairs
        rows.append({
            "optimizer": name, "slots": rule.per_parameter, "pairs": rule.pairs, "values": values,
            "bytes": values * BYTES[precision],
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["optimizer", "slots", "pairs", "values", "bytes"])


def costs(optimizers: Sequence[str], precision: str = "float32", own: Sequence[Choice] = ()) -> pd.DataFrame:
    """Memory of each optimizer and what a training step took with it, once, on one machine.

    step_ns: nanoseconds of one step, forward, backward and update, of a network of `parameters` parameters,
    from step_costs.csv (`python -m sim.bench.costs` measures anew); relative: to SGD. NaN for a rule that was
    not measured.

    Columns: those of `memory`, step_ns, parameters, relative.
    """
    file = resources.files("sim.analysis").joinpath("step_costs.csv")
    with file.open(encoding="utf-8") as text:
        measured = pd.read_csv(text).set_index("optimizer")
    table = memory(optimizers, precision, own)
    names = table["optimizer"].map(
        lambda label: label.partition("(")[0] if is_known("optimizer", label) else ""
    )
    return table.assign(**{name: names.map(measured[name]) for name in measured.columns})


def _rule(label: str, own: Sequence[Choice]) -> Any:
    """The update rule of an optimizer's label."""
    mine = (choice for choice in own if _named_alike(choice.label, label))
    choice = parse("optimizer", label) if is_known("optimizer", label) else next(mine)
    rule: Callable[[dict[str, Any]], Any] = choice.part.traits["rule"]
    return rule(dict(choice.parameters))


def _named_alike(one: str, other: str) -> bool:
    """Whether two labels are of one part of one file, whatever its parameters."""
    return one.rstrip(")").split(", ")[0] == other.rstrip(")").split(", ")[0]
