"""Files written whole or not at all, and figures that give the same bytes each time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.store.shards import atomically
from sim.views import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAVED: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},  # half the time, 5 % longer
    "svg": {"metadata": {"Date": None, "Creator": None, "Format": None, "Type": None}},
}
"""No date and no version of a program, so that equal figures are equal files."""


def image(figure: Figure, kind: str) -> bytes:
    """The figure as a PNG or SVG file, drawn with the report's settings whatever the caller's are."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(style.settings()):
        figure.savefig(buffer, format=kind, **SAVED[kind])
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomically(path, [content])
