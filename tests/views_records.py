"""Synthetic records as the views get them: with a study around them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import matplotlib as mpl
from records import GRIDS, make_records

from sim.study import Grid, Settings, Study, Target
from sim.views import style
from sim.views.records import GridRecords, Records
from sim.views.registry import Drawing, Sheet, figure, table

TARGET = Target("learned", "test_accuracy", 0.8)


def study(grids: dict[str, Any]) -> Study:
    """A study whose grids have these names; the views read nothing else of it."""
    parts = (Grid(name, f"What does {name} do?", {}, 4, Settings(targets=(TARGET,))) for name in grids)
    return Study("Vanishing <gradients> & more", "Where do they vanish?", 7, tuple(parts))


@lru_cache(maxsize=1)
def everything() -> Records:
    """Records of all the standard grids."""
    return Records(study(GRIDS), *make_records())


def grid(name: str) -> GridRecords:
    """One of the standard grids."""
    return next(found for found in everything().grids() if found.name == name)


def special(factors: dict[str, list[Any]], replicates: int = 4) -> GridRecords:
    """One grid of these factors."""
    grids = {"special": factors}
    (found,) = Records(study(grids), *make_records(grids, replicates)).grids()
    return found


def draw(name: str, records: GridRecords) -> Drawing:
    """A figure by name, in the report's style."""
    with mpl.rc_context(style.settings()):
        drawn = figure[name].function(records)
    assert isinstance(drawn, Drawing)
    return drawn


def fill(name: str, records: GridRecords) -> Sheet:
    """A table by name."""
    filled = table[name].function(records)
    assert isinstance(filled, Sheet)
    return filled
