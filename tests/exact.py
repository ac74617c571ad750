"""Exact values and how far computed ones are from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

mpmath.mp.dps = 40


def errors(computed: np.ndarray, exact: Iterable[mpf]) -> tuple[np.ndarray, np.ndarray]:
    """|computed - exact| as such and in ulp of the exact value; past the largest number only inf is right."""
    limits = np.finfo(computed.dtype)
    largest, smallest = mpf(float(limits.max)), mpf(float(limits.smallest_normal))
    half = mpf(2) ** -(limits.nmant + 2)
    absolute, relative = [], []
    for value, truth in zip(computed.tolist(), exact, strict=True):
        if abs(truth) >= largest * (1 + half):
            wrong = 0.0 if value == float(mpmath.sign(truth)) * np.inf else np.inf
            absolute.append(wrong)
            relative.append(wrong)
            continue
        ulp = mpf(2) ** (mpmath.frexp(max(abs(truth), smallest))[1] - 1 - limits.nmant)
        off = abs(mpf(value) - truth)
        absolute.append(float(off))
        relative.append(float(off / ulp))
    return np.array(absolute), np.array(relative)


def arguments(dtype: Any, count: int = 300, largest: float = np.inf) -> np.ndarray:
    """Bit patterns at random over the whole range, uniform ones around the origin and dense ones near it."""
    random = np.random.default_rng(20240229)
    whole = np.uint32 if np.dtype(dtype).itemsize == 4 else np.uint64
    exponent_range = 110.0 if whole is np.uint32 else 760.0
    patterns = random.integers(0, np.iinfo(whole).max, count, dtype=whole, endpoint=True).view(dtype)
    near = [random.uniform(-width, width, count).astype(dtype) for width in (2.0, 8.0, 40.0, exponent_range)]
    tiny = (2.0 ** random.uniform(-40, 0, count) * random.choice([-1, 1], count)).astype(dtype)
    special = np.array([0.0, -0.0, 1.0, -1.0, np.finfo(dtype).smallest_normal, np.finfo(dtype).max], dtype)
    points = np.concatenate([patterns, *near, tiny, special, -special])
    return points[np.isfinite(points) & (np.abs(points) <= largest)]


def exactly(function: Callable[..., mpf], points: np.ndarray, *parameters: float) -> list[mpf]:
    """The function at every point, 40 digits."""
    return [function(mpf(x), *map(mpf, parameters)) for x in points.tolist()]


def within(x: mpf, bound: float) -> mpf:
    """x cut to ±bound, beyond which a function no longer differs from its limit in float64."""
    return max(min(x, mpf(bound)), mpf(-bound))
