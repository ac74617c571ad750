"""The part of the page that can be played with: click a start, see every optimizer's path from there.

The paths are those of the records, walked by the kernels from a map of starts; nothing is computed in the
page. Positions are kept as 16-bit numbers, a twenty-thousandth of the domain apart.
"""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import numpy as np

from sim.catalog.surfaces import domain_of, minima_of
from sim.views import contours, saving
from sim.views.figures_surfaces import ended
from sim.views.surface_records import DescentRecords

PIXELS = 640
"""Width and height of the picture."""
REACH = 1.0
"""How far beyond the domain positions are told, in widths of the domain."""
LARGEST = 65535
FOUNDING = ("sgd", "momentum", "rmsprop", "adam")
"""Optimizers whose paths lie above the others and are wider."""
DASHES: tuple[list[int], ...] = ([], [7, 4], [2, 3])
"""Dashes of the lines in pixels, in the order of those of the figures."""


def applies(records: DescentRecords) -> bool:
    """A map of starts on one surface whose paths were kept, one walk for each optimizer."""
    alone = set(records.varying) <= {"optimizer"} and records.descent.replicates == 1
    return records.mapped and records.measured("x", "y") and alone


def panel(records: DescentRecords) -> str:
    """The panel as HTML: a picture of the surface, the paths, and the script that draws them."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("sim.views").joinpath("panel.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        name=records.name,
        pixels=PIXELS,
        picture=base64.b64encode(_picture(records)).decode(),
        content=json.dumps(_content(records), ensure_ascii=True).replace("<", "\\u003c"),
    )


def _picture(records: DescentRecords) -> bytes:
    """Level lines and minima, to the edge of the image."""
    from matplotlib.figure import Figure

    (surface,) = records.surfaces.values()
    figure = Figure(figsize=(PIXELS / 100, PIXELS / 100), dpi=100)
    axis = figure.add_axes((0, 0, 1, 1))
    contours.ground(axis, surface)
    axis.set_axis_off()
    return saving.image(figure, "png")


def _content(records: DescentRecords) -> dict[str, Any]:
    """What the script needs, plain."""
    (label,) = records.surfaces
    part = records.surfaces[label].part
    (left, right), (low, high) = domain_of(part)
    looks = contours.looks(list(records.optimizers))
    choices = {choice.label: choice for choice in records.descent.factors["optimizer"]}
    walks = []
    ends, paths = (dict(iter(table.groupby("run", sort=False))) for table in (records.ends, records.paths))
    for run, optimizer in zip(records.runs["run"], records.runs["optimizer"], strict=True):
        lines = [_told(row, len(minima_of(part))) for row in ends[run].to_dict("records")]
        x, y = _coded(paths[run]["x"], left, right), _coded(paths[run]["y"], low, high)
        walks.append(
            {
                "name": records.optimizers[optimizer],
                "colour": _hex(looks[optimizer]["color"]),
                "dashes": DASHES[contours.DASHES.index(looks[optimizer]["linestyle"])],
                "founding": choices[optimizer].name in FOUNDING,
                "points": base64.b64encode(np.stack([x, y], axis=-1).astype("<u2").tobytes()).decode(),
                "ends": lines,
            }
        )
    positions = len(records.paths) // len(records.ends)
    told = {"side": records.descent.map, "positions": positions, "reach": REACH}
    return {**told, "walks": walks}


def _coded(values: Any, low: float, high: float) -> np.ndarray:
    """Positions as whole numbers 0 … 65535 over the domain and its surroundings; a lost one stays outside."""
    share = (np.asarray(values, dtype=float) - low) / (high - low)
    share = np.nan_to_num(share, nan=1 + REACH, posinf=1 + REACH, neginf=-REACH)
    return np.round(np.clip((share + REACH) / (1 + 2 * REACH), 0, 1) * LARGEST)


def _told(row: dict[Any, Any], known: int) -> str:
    text = ended(row, known)
    if row["status"] != "reached":
        return text
    return f"{text} after {int(row['steps_to_reach']):,} steps, path length {row['path_length']:.3g}"


def _hex(colour: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])
