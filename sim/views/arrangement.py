"""Which factor becomes a colour, which the panels, and at which level the others are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.views import wording
from sim.views.records import PLAIN, TOGETHER, TREATMENTS, GridRecords
from sim.views.style import HUES, label

PANELS = 15
ABREAST = 4
"""Most panels of a figure, and most of them side by side."""
LINES, TALLEST = 18, 40
"""Most lines or columns of a heatmap, and most lines that stand one below another."""
LARGEST = ("depth", "steps", "samples", "width")
"""Factors that are held at their largest level where they cannot be shown."""


@dataclass(frozen=True)
class Arrangement:
    """A selection of a grid's networks and the factors that tell them apart in a figure.

    `row` and `column` span the panels; with only one of them the panels are wrapped over several lines.
    """

    grid: GridRecords
    hue: str | None
    column: str | None
    row: str | None
    held: dict[str, Any]
    left_out: tuple[str, ...]

    @property
    def by(self) -> list[str]:
        """The factors shown, panels first."""
        return [factor for factor in (self.row, self.column, self.hue) if factor]

    @property
    def by_depth(self) -> list[str]:
        """The factors shown and the depth, which says which layer is which."""
        return self.by if "depth" in self.by else [*self.by, "depth"]

    @property
    def panels(self) -> list[dict[str, Any]]:
        """The levels of every panel that has networks, row by row."""
        spanned = [factor for factor in (self.row, self.column) if factor]
        if not spanned:
            return [{}]
        rows = self.grid.levels(self.row) if self.row else [None]
        columns = self.grid.levels(self.column) if self.column else [None]
        there = set(self.grid.runs[spanned].itertuples(index=False, name=None))
        both = [{f: v for f, v in ((self.row, r), (self.column, c)) if f} for r in rows for c in columns]
        return [where for where in both if tuple(where.values()) in there]

    @property
    def hues(self) -> list[Any]:
        """Levels of the coloured factor; one without a name where nothing is coloured."""
        return self.grid.levels(self.hue) if self.hue else [None]

    def remarks(self) -> str:
        """What the reader must know about the selection, as sentences."""
        said = []
        if self.held:
            said.append(f"Held fixed: {wording.held(self.held)}.")
        said += [*self.left_out, *self.grid.notes]
        return " ".join(said)


def factors_of(grid: GridRecords) -> list[str]:
    """The varying factors, with several treatments joined into one condition."""
    if "condition" not in grid.runs:
        return list(grid.varying)
    return [*(factor for factor in grid.varying if factor not in grid.treatments), "condition"]


def arrange(
    grid: GridRecords,
    hue: Sequence[str],
    column: Sequence[str] = (),
    row: Sequence[str] = (),
    across: str | None = None,
    most_columns: int = PANELS,
) -> Arrangement:
    """For panels of lines: each role gets the first factor of its preferences that varies.

    A factor left over becomes the hue or the column where that is free; the rest is held at one level.
    `across` is the factor on the x axis: it has no role and is not held.
    """
    grid = grid.conditioned
    factors = [factor for factor in factors_of(grid) if factor != across]
    roles, free = _roles(factors, {"hue": hue, "column": column, "row": row})
    limits = {"hue": HUES, "column": most_columns, "row": PANELS}
    if roles["row"] and roles["column"]:
        limits["column"] = min(PANELS // len(grid.levels(roles["row"])), ABREAST + 1, most_columns)
        if limits["column"] < 2:  # too many rows: the factor that can be held at a telling level goes
            dropped = "column" if roles["column"] in LARGEST else "row"
            free.append(str(roles[dropped]))
            roles[dropped], limits["column"] = None, most_columns
    return _settle(grid, roles, free, limits)


def arrange_heatmap(
    grid: GridRecords,
    down: Sequence[str],
    across: Sequence[str],
    panels: Sequence[str],
) -> Arrangement:
    """For heatmaps: the hue's levels go down, the column's across, a heatmap for each level of the row."""
    grid = grid.conditioned
    roles, free = _roles(factors_of(grid), {"hue": down, "column": across, "row": panels})
    for role in ("column", "hue"):
        if roles[role] is None:
            roles[role], roles["row"] = roles["row"], None
    lines, columns = (min(len(grid.levels(str(roles[role]))), LINES) for role in ("hue", "column"))
    stacked = max(1, TALLEST // lines) * max(1, min(ABREAST, LINES // columns))
    return _settle(grid, roles, free, {"hue": LINES, "column": LINES, "row": stacked})


def _roles(
    factors: Sequence[str], preferences: dict[str, Sequence[str]]
) -> tuple[dict[str, str | None], list[str]]:
    """The factor of each role, and the factors without one."""
    free = list(factors)
    roles: dict[str, str | None] = {}
    for role, wanted in preferences.items():
        roles[role] = next((factor for factor in wanted if factor in free), None)
        free = [factor for factor in free if factor != roles[role]]
    for role in ("hue", "column"):
        if roles[role] is None and free and preferences[role]:
            roles[role] = free.pop(0)
    return roles, free


def _settle(
    grid: GridRecords, roles: dict[str, str | None], rest: Sequence[str], most: dict[str, int]
) -> Arrangement:
    """Hold the rest, cap the levels of each role, and remember what is not shown."""
    grid, held = hold(grid, rest)
    left: list[str] = []
    for role, limit in most.items():
        grid, said = _cap(grid, roles[role], limit)
        left += said
    return Arrangement(grid, roles["hue"], roles["column"], roles["row"], held, tuple(left))


def hold(grid: GridRecords, factors: Sequence[str]) -> tuple[GridRecords, dict[str, Any]]:
    """Keep one level of each factor: the baseline of a treatment, the largest size, else the most telling."""
    held = {}
    for factor in factors:
        levels = grid.levels(factor)
        if factor in LARGEST:
            chosen = levels[-1]
        elif PLAIN in levels or factor in TREATMENTS:
            chosen = PLAIN if PLAIN in levels else grid.baseline(factor)
        else:
            chosen = _most_telling(grid, factor)
        grid = grid.of(grid.runs[grid.runs[factor] == chosen])
        held[factor] = chosen
    return grid, held


def _most_telling(grid: GridRecords, factor: str) -> Any:
    """The level between whose cells the share that reaches the target varies most; else the first one."""
    levels, target = grid.levels(factor), f"steps_to_{grid.target}"
    others = [other for other in factors_of(grid) if other != factor]
    if grid.target is None or target not in grid.runs or not others:
        return levels[0]
    reached = grid.runs[target].notna()
    keys = [grid.runs[name] for name in (factor, *others)]
    shares = reached.groupby(keys, sort=False, dropna=False).mean()
    spread = shares.groupby(level=0, sort=False).std(ddof=0)
    return max(levels, key=lambda level: spread[level])


def _cap(grid: GridRecords, factor: str | None, most: int) -> tuple[GridRecords, list[str]]:
    """At most so many levels of a factor, and a sentence on what is left out.

    Of conditions the single treatments stay, of sizes some from the smallest to the largest, of names the
    first.
    """
    most = min(most, HUES) if factor == "condition" else most
    if factor is None or len(levels := grid.levels(factor)) <= most:
        return grid, []
    kept = levels
    if factor == "condition":
        kept = [level for level in levels if TOGETHER not in level]
    elif not isinstance(levels[0], str):
        kept = [levels[round(i * (len(levels) - 1) / max(most - 1, 1))] for i in range(most - 1)] + levels[
            -1:
        ]
    kept = kept[:most]
    said = f"{len(kept)} of {len(levels)} levels of {label(factor)} are drawn; tables and records hold all."
    return grid.of(grid.runs[grid.runs[factor].isin(kept)]), [said]
