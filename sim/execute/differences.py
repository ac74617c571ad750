"""Slopes of a loss by central differences, each with how far it may be off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 4.0 ** -np.arange(3, 18)
"""Steps that are tried, relative to max(1, |θ|); each is compared with the one four times as long."""


def central_differences(
    losses: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, rounding: float
) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂θ and a bound of its error, (parameters,) each, at the step where that bound is least.

    D(h) = [L(θ + h) − L(θ − h)] / 2h, and with J(h) = [L(θ + h) − 2 L(θ) + L(θ − h)] / h::

        error = |D(4h) − D(h)| / 3 + |4 J(h) − J(4h)| / 6 + rounding / h

    The first term is five times the h² one of a smooth loss, the second the step that the slope of a kinked
    one (ReLU) takes inside θ ± h; it vanishes with h³ where there is none.  ``losses`` gives the loss of each
    row of parameters, ``rounding`` bounds its own error.
    """
    centre = losses(theta[None])[0]
    slopes, jumps, lengths = (np.empty((len(STEPS), len(theta))) for _ in range(3))
    for place, step in enumerate(STEPS):
        nudge = np.diag(step * np.maximum(1.0, np.abs(theta)))
        up, down = theta + nudge, theta - nudge
        above, below = np.diag(up) - theta, theta - np.diag(down)
        found = losses(np.vstack([up, down]))
        rise, fall = found[: len(theta)] - centre, found[len(theta) :] - centre
        slopes[place] = (rise - fall) / (above + below)
        jumps[place] = rise / above + fall / below
        lengths[place] = (above + below) / 2
    error = np.abs(np.diff(slopes, axis=0)) / 3 + np.abs(4 * jumps[1:] - jumps[:-1]) / 6
    error = np.nan_to_num(error + rounding / lengths[1:], nan=np.inf)
    best, every = error.argmin(axis=0), np.arange(len(theta))
    return slopes[1:][best, every], error[best, every]
