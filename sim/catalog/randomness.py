"""Where every random number of a study comes from.

One rule keeps comparisons paired and results equal byte for byte: a stream of random
numbers is named by *what it is for* and by the study's seed, the replicate and, where
it matters, the layer. It is never named by a thread, a position in a list, a network
or an optimizer. Two networks of the same replicate therefore share their draws
(*common random numbers*): they start from the same standard normals, see the same
split, the same order of samples and the same noise, and what differs between them is
the factor under study and nothing else.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The stream of random numbers for one purpose.

    ``purpose`` is a plain word ("weights", "biases", "order", "split", "data",
    "dropout", "noise" …); ``seed`` is the study's; ``key`` holds the replicate and
    whatever else tells streams of one purpose apart, the layer for instance. Equal
    arguments give equal streams in every session and on every machine: the word is
    hashed with BLAKE2, since Python's own ``hash`` changes from session to session.

    Raises ValueError where the seed or a key is negative. Source: O'Neill 2014 (PCG64),
    seeded through ``numpy.random.SeedSequence``.
    """
    word = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=4).digest(), "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(word, *key))))
