"""The columns of the three tables of walks on surfaces.

**walks**, a row a walk, that is an optimizer on a surface from all starts of its descent: the factors
(``surface`` and ``optimizer`` as labels, ``lr``, ``noise`` the standard deviation added to each partial
derivative, ``steps``), ``replicate`` (which draws of the noise), ``radius``, how many ``starts`` there are,
and how many coordinates they have (``dimensions``).

**ends**, a row a walk × start: where it started (``from_x``, ``from_y``) and ended (``to_x``, ``to_y``; in
more dimensions the first two coordinates, in one the second is empty), ``value`` and ``gradient_norm``
there, ``nearest``, the number of the nearest known minimum (0 is the best; -1 where none is known), and
``distance`` from it; ``best``: whether it reached the best minimum, or one of several that are equally low
(where none is known, whether it is at rest); ``status``: ``reached`` (within the radius of a known minimum,
or, where none is known, at rest), ``not_reached``, ``diverged`` (not finite, or far outside the domain);
``steps`` (updates made; a start at rest stops), ``steps_to_reach`` (the first after which it stayed within
the radius; empty if it did not) and ``path_length``.

**paths**, a row a walk × start × kept position: ``step``, ``x``, ``y``, ``value``.
"""

from __future__ import annotations

import pyarrow as pa

WALK_TABLES = ("walks", "ends", "paths")

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()

_WALKS = {
    "run": _WHOLE, "descent": _TEXT, "replicate": _WHOLE, "surface": _TEXT, "optimizer": _TEXT, "lr": _REAL,
    "noise": _REAL, "steps": _WHOLE, "radius": _REAL, "starts": _WHOLE, "dimensions": _WHOLE,
}  # fmt: skip

_ENDS = {
    "run": _WHOLE, "start": _WHOLE,
    "from_x": _REAL, "from_y": _REAL, "to_x": _REAL, "to_y": _REAL,
    "value": _REAL, "gradient_norm": _REAL, "nearest": _WHOLE, "distance": _REAL,
    "best": pa.bool_(), "status": _TEXT, "steps": _WHOLE, "steps_to_reach": _REAL, "path_length": _REAL,
}  # fmt: skip

_PATHS = {
    "run": _WHOLE, "start": _WHOLE, "position": _WHOLE, "step": _WHOLE,
    "x": _REAL, "y": _REAL, "value": _REAL,
}  # fmt: skip


def surface_schemas() -> dict[str, pa.Schema]:
    """Name of each table -> its columns in order."""
    columns = (_WALKS, _ENDS, _PATHS)
    return {name: pa.schema(list(c.items())) for name, c in zip(WALK_TABLES, columns, strict=True)}
