"""A figure whose lines grow as their paths were walked, as an animated GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FRAMES = 60
"""Frames at most; more would only make the file larger."""
PAUSE, REST = 80, 2500
"""Milliseconds that a frame is shown, and the last one."""
COLOURS = 64
DPI = 100


@dataclass(frozen=True)
class Moving:
    """A line of a figure and the path that it shows: a position for each kept step."""

    line: Line2D
    step: np.ndarray
    x: np.ndarray
    y: np.ndarray


def animated(figure: Figure, moving: Sequence[Moving]) -> bytes:
    """The figure as a GIF in which every line grows step by step; the figure itself is left as it was.

    Steps are those at which positions were kept, the same for all lines; equal figures give equal bytes.
    """
    steps = np.unique(np.concatenate([path.step for path in moving]))
    shown = steps[np.unique(np.linspace(0, len(steps) - 1, FRAMES).round().astype(int))]
    frames = _frames(figure, moving, [int(step) for step in shown])
    palette = frames[-1].quantize(COLOURS)
    first, *others = [frame.quantize(palette=palette, dither=0) for frame in frames]
    buffer = io.BytesIO()
    pauses = [PAUSE] * len(others) + [REST]
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=pauses, loop=0, optimize=False)
    return buffer.getvalue()


def _frames(figure: Figure, moving: Sequence[Moving], steps: list[int]) -> list[Any]:
    """A picture for each step; what stands still is drawn once."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    from sim.views import style

    found = []
    with mpl.rc_context(style.settings()):
        canvas, dpi = FigureCanvasAgg(figure), figure.dpi
        figure.set_dpi(DPI)
        clock = figure.text(0.995, 0.995, "", ha="right", va="top", animated=True)
        for path in moving:
            path.line.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for step in steps:
            canvas.restore_region(still)
            clock.set_text(f"step {step:,}")
            for path in moving:
                count = int(np.searchsorted(path.step, step, side="right"))
                path.line.set_data(path.x[:count], path.y[:count])
                figure.draw_artist(path.line)
            figure.draw_artist(clock)
            found.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
        clock.remove()
        figure.set_dpi(dpi)
    for path in moving:
        path.line.set_data(path.x, path.y)
        path.line.set_animated(False)
    return found
