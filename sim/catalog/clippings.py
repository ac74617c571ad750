"""How a large gradient is cut: the family of clippings.

A clipping only declares two numbers, ``(norm_limit, value_limit)``, infinite where it
does not cut; the training kernel applies them to the whole gradient of a step. A new
clipping is therefore one more way to choose these two numbers.
"""

from __future__ import annotations

import math

from sim.catalog.limits import Range
from sim.catalog.registry import Family

clipping = Family("clipping", supplied=0)

POSITIVE = Range(0.0, above=True)


@clipping()
def none() -> tuple[float, float]:
    """The gradient as it is.

    Source: elementary.
    """
    return math.inf, math.inf


@clipping(limits={"limit": POSITIVE})
def norm(limit: float) -> tuple[float, float]:
    """g ← g · min(1, limit / (‖g‖ + 1e-6)), with ‖g‖ the norm over all parameters.

    As PyTorch's ``clip_grad_norm_``. Source: Pascanu, Mikolov, Bengio 2013.
    """
    return float(limit), math.inf


@clipping(limits={"limit": POSITIVE})
def value(limit: float) -> tuple[float, float]:
    """g_i ← min(max(g_i, −limit), limit), entry by entry, as PyTorch's ``clip_grad_value_``.

    Source: as PyTorch's clip_grad_value_.
    """
    return math.inf, float(limit)
