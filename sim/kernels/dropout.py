"""Dropout masks inside the kernel: a pure function of key and counter, no state.

Drawing a mask for every hidden unit, sample and step outside the kernels would cost more
memory than the network.  The generator is Widynski's *squares* (2020): four rounds of
squaring and swapping halves; equal keys and counters give equal masks on every machine.
"""

from __future__ import annotations

import numpy as np

from sim.catalog.sums import real
from sim.kernels import jit

HALF = np.uint64(32)
SCALE = 4294967296.0
"""2³², the number of values a draw can take."""


@jit.inlined
def squares(counter, key):
    """A 32-bit random number for a 64-bit counter and a 64-bit key of irregular digits."""
    y = counter * key
    z = y + key
    x = y * y + y
    x = (x >> HALF) | (x << HALF)
    x = x * x + z
    x = (x >> HALF) | (x << HALF)
    x = x * x + y
    x = (x >> HALF) | (x << HALF)
    return (x * x + z) >> HALF


def key_of(seed: int) -> int:
    """A key of irregular digits, odd, from any whole number: SplitMix64 (Steele et al. 2014)."""
    mixed = (seed + 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    return (mixed ^ (mixed >> 31)) | 1


@jit.inlined
def counter_of(step, layer):
    """The first counter of a layer's mask in a step: 2³² activations, 2⁸ layers, 2²⁴ steps apart."""
    return (np.uint64(step) << np.uint64(40)) + (np.uint64(layer) << HALF)


@jit.inlined
def drop(post, slope, columns, count, rate, counter, key):
    """Inverted dropout: each activation is kept with probability 1 − rate and divided by it, or becomes 0.

    The slope gets the same factor: it is the slope of what the next layer sees.  Counters
    count samples, ``count`` a unit, not the padded columns, which differ from CPU to CPU.
    Source: Srivastava et al. 2014.
    """
    threshold = np.uint64(rate * SCALE)
    one = real(1, rate)
    kept = one / (one - rate)
    for u in range(post.size // columns):
        first = counter + np.uint64(u * count)
        values, slopes = post[u * columns : (u + 1) * columns], slope[u * columns : (u + 1) * columns]
        for b in range(columns):
            factor = kept if squares(first + np.uint64(b), key) >= threshold else one - one
            values[b] *= factor
            slopes[b] *= factor
