"""Kernels reached by address: the right ones, in order, and for little."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numba import types
from numba.core.errors import TypingError

from sim.bench.points import POINTS
from sim.bench.work import work
from sim.kernels import jit
from sim.kernels.callables import ADDRESSES, addresses, kernels_at

UNARY = types.float64(types.float64)
BINARY = types.float64(types.float64, types.float64)


class Three(NamedTuple):
    twice: Any
    less: Any
    square: Any


class One(NamedTuple):
    only: Any


def test_each_address_leads_to_its_kernel() -> None:
    twice = numba.njit(UNARY)(lambda x: 2 * x)
    less = numba.njit(BINARY)(lambda x, y: x - y)
    square = numba.njit(UNARY)(lambda x: x * x)
    three_at = kernels_at(Three, [UNARY, BINARY, UNARY], first=1)

    @numba.njit(types.float64(ADDRESSES, types.float64), **jit.FLAGS)
    def run(places: Any, x: Any) -> Any:
        three = three_at(places)
        return three.less(three.square(x), three.twice(x))

    assert run(addresses([square, twice, less, square]), 5.0) == 15.0
    assert run(addresses([square, square, less, twice]), 5.0) == -15.0


def test_what_does_not_fit_is_refused_and_an_error_is_the_callers() -> None:
    one_at = kernels_at(One, [UNARY])

    @numba.njit
    def with_two(places: Any, x: Any) -> Any:
        return one_at(places).only(x, x)

    @numba.njit
    def with_one(places: Any, x: Any) -> Any:
        return one_at(places).only(x)

    @numba.njit(UNARY)
    def refuse(x: Any) -> Any:
        raise ValueError("refused")

    with pytest.raises(TypingError):
        with_two(addresses([refuse]), 1.0)
    with pytest.raises(ValueError, match="refused"):
        with_one(addresses([refuse]), 1.0)
    assert with_one(addresses([numba.njit(UNARY)(lambda x: x / 2)]), 3) == 1.5


def test_a_call_that_trains_nothing_costs_a_fraction_of_a_millisecond() -> None:
    """Numba's own way to pass the fourteen functions takes five times as long; the quickest of many looks."""
    (call,) = work(POINTS["E"].of(networks=1, steps=1, checkpoints=0)).calls
    call.fresh()()
    quickest = np.inf
    for _ in range(200):
        fresh = call.fresh()
        start = time.perf_counter()
        fresh()
        quickest = min(quickest, time.perf_counter() - start)
    assert quickest < 150e-6
