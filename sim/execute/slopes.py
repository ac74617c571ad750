"""Whether a surface's gradient is that of its value, and its minima are places where it vanishes."""

from __future__ import annotations

import numpy as np

from sim.catalog.surfaces import domain_of, minima_of
from sim.kernels.walks import slope_at
from sim.study import Choice

POINTS = 256
APART = 1e-5
"""Distance at which values are taken, as a share of the domain."""
KINKS = 0.1
"""Share of points that may disagree: between the two sides of a kink, or close to one."""
STILL = 0.02
"""A minimum written with a few digits has a gradient this small beside the typical one."""


def wrong_gradient(surface: Choice, dimensions: int) -> str:
    """What is wrong, in words, or nothing: differences of fourth order at points drawn in the domain."""
    part, settings = surface.part, surface.settings
    low, high = np.array(domain_of(part, dimensions), dtype=float).T
    points = low + (high - low) * np.random.default_rng(0).uniform(0.05, 0.95, (POINTS, dimensions))
    values, gradient = slope_at(part, settings, points)
    expected = np.empty_like(gradient)
    for axis, width in enumerate(high - low):
        step = APART * width * np.eye(dimensions)[axis]
        far, near = (
            slope_at(part, settings, points + k * step)[0] - slope_at(part, settings, points - k * step)[0]
            for k in (2, 1)
        )
        expected[:, axis] = (8.0 * near - far) / (12.0 * APART * width)
    sizes = np.abs(expected).max(axis=1)
    difference = np.abs(gradient - expected).max(axis=1)
    typical = float(np.nanmedian(sizes)) if np.isfinite(sizes).any() else 0.0
    wrong = difference > 1e-3 * sizes + 1e-6 * typical + 1e-8 * np.abs(values)
    if wrong.mean() > KINKS:
        at = int(wrong.argmax())
        return (
            f"has the gradient {_shown(gradient[at])} at {_shown(points[at])}; differences of its value say "
            f"{_shown(expected[at])}"
        )
    for minimum in minima_of(part, dimensions):
        there = slope_at(part, settings, np.array([minimum.at]))[1][0]
        if not np.abs(there).max() <= STILL * typical:
            return f"has the gradient {_shown(there)} at its minimum {_shown(minimum.at)}; it should vanish"
    return ""


def _shown(numbers: object) -> str:
    return f"[{', '.join(f'{x:.4g}' for x in np.asarray(numbers, dtype=float))}]"
