"""The registry of tables and figures, and the rule by which data choose among them.

    @figure(title="Gradient norm by layer", needs=("log10_grad_pre",), applies=lambda grid: grid.deepest >= 2)
    def gradient_by_layer(grid: GridRecords) -> Drawing: ...

`needs`: columns of the records that must hold a value.  `varies`: factors of which at least one must vary.
`applies`: any further condition on the grid.  No view knows a study; a new one is found through the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.catalog.registry import Family, Part

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

table = Family("table", supplied=1)
figure = Family("figure", supplied=1)


@dataclass(frozen=True)
class Sheet:
    """A table and the sentence that says what it shows."""

    frame: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class Drawing:
    """A figure and the sentence that says what it shows."""

    figure: Figure
    caption: str
    moving: bytes = b""
    """The same as an animated GIF, where that was asked for."""


def applicable(family: Family, grid: Any) -> list[Part]:
    """The tables or figures that these records, of a grid or of a descent, can fill, as registered."""
    return [view for view in family.values() if _applies(view.traits, grid)]


def _applies(traits: Any, grid: Any) -> bool:
    return (
        grid.measured(*traits.get("needs", ()))
        and (not (factors := traits.get("varies", ())) or any(factor in grid.varying for factor in factors))
        and traits.get("applies", lambda _: True)(grid)
    )
