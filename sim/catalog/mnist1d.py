"""MNIST-1D by its published definition: ten one-dimensional digits, bent, moved and blurred.

Source: Greydanus & Kobak, "Scaling Down Deep Learning with MNIST-1D" (2024; first 2020),
whose generator and constants (package ``mnist1d``, Apache License 2.0) this follows draw
by draw: the arrays are equal to those of ``mnist1d.data.make_dataset()``, bit for bit.
What differs is the work: the draws are taken first, one digit after the other, since that
is the order of the published stream; everything after them is done for all rows at once.
"""

from __future__ import annotations

import numpy as np

from sim.catalog.tables import Floats, Integers

ROWS, FEATURES, CLASSES = 5000, 40, 10
PUBLISHED_TRAIN_ROWS = 4000
SEED = 42
TEMPLATE_LENGTH, SHORTEST_PAD, LONGEST_PAD = 12, 36, 60
LENGTH = TEMPLATE_LENGTH + LONGEST_PAD
SCALE, LARGEST_SHIFT, SHEAR = 0.4, 48, 0.75
BLURRED_NOISE, BLUR, WHITE_NOISE = 0.25, 2.0, 0.02

_DRAWN = (  # the ten digits as a pen sees them from above, one a row
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


def templates() -> Floats:
    """The ten digits (10, 12): centred, of unit deviation, from zero on, divided by 6."""
    x = np.array(_DRAWN)
    x -= x.mean(axis=1, keepdims=True)
    x /= x.std(axis=1, keepdims=True)
    x -= x[:, :1]
    return x / 6.0


def _resample(rows: Floats, length: int) -> Floats:
    """Each row (n, m) interpolated linearly at ``length`` even places: (n, length)."""
    known, wanted = np.linspace(0, 1, rows.shape[1]), np.linspace(0, 1, length)
    left = np.minimum(np.searchsorted(known, wanted, side="right") - 1, len(known) - 2)
    # The slope is formed before it is multiplied, as np.interp does: the last bits depend on it.
    slope = (rows[:, left + 1] - rows[:, left]) / (known[left + 1] - known[left])
    between = slope * (wanted - known[left]) + rows[:, left]
    return np.where(wanted == known[-1], rows[:, -1:], between)


def _bend(digits: Floats, pads: Integers, sizes: Floats, moves: Integers) -> Floats:
    """Pad each digit with its own number of zeros, stretch to LENGTH, resize and rotate it."""
    stretched = np.empty((len(digits), LENGTH))
    for pad in np.unique(pads):
        chosen = pads == pad
        padded = np.pad(digits[chosen] + 1e-8, ((0, 0), (0, pad)))
        stretched[chosen] = _resample(padded, LENGTH)
    stretched *= sizes[:, None]
    return np.take_along_axis(stretched, (np.arange(LENGTH) - moves[:, None]) % LENGTH, axis=1)


def make() -> tuple[Floats, Integers]:
    """Features (5000, 40), of zero mean and unit deviation over all entries, and labels (5000,).

    The first 4000 rows are the published training set, the last 1000 the published test set.
    """
    from scipy.ndimage import gaussian_filter1d

    stream = np.random.RandomState(SEED)
    pads, moves = np.empty((2, ROWS), dtype=np.int64)
    sizes, shears = np.empty((2, ROWS))
    blurred, white = np.empty((2, ROWS, LENGTH))
    for row in range(ROWS):
        pads[row] = SHORTEST_PAD + int(stream.rand() * (LONGEST_PAD - SHORTEST_PAD + 1))
        sizes[row] = 1 + SCALE * (stream.rand() - 0.5)
        moves[row] = stream.choice(LARGEST_SHIFT)
        blurred[row], white[row] = stream.randn(LENGTH), stream.randn(LENGTH)
        shears[row] = SHEAR * (stream.rand() - 0.5)
    labels = np.repeat(np.arange(CLASSES), ROWS // CLASSES)
    order = stream.permutation(ROWS)

    x = _bend(templates()[labels], pads, sizes, moves)
    x = np.where(x != 0, x, gaussian_filter1d(BLURRED_NOISE * blurred, BLUR, axis=1))
    x = x + WHITE_NOISE * white
    x = x - shears[:, None] * np.linspace(-0.5, 0.5, LENGTH)
    x = _resample(x, FEATURES)[order]
    return (x - x.mean()) / x.std(), labels[order]
