"""L-BFGS: the inverse Hessian from the latest steps, and a line search; sees the whole vector.

The rule is asked for one step at a time and gets one loss and one gradient each time, so it is
written as what to do with the next evaluation: a line search is several calls.  A step is thus an
evaluation of the gradient, for this rule as for all others.  What it must remember between two
calls stands in ``memory``: numbers (their places are named below), five vectors, pairs of vectors.

All numbers are float64 in every precision, so that each function is compiled once, and conditions that cost
nothing are joined by & and |: a branch takes the compiler five times as long.
"""

from __future__ import annotations

from math import floor
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.matrices import inner, part, row, wide
from sim.catalog.optimizers.family import NOT_NEGATIVE, Rule, optimizer
from sim.catalog.sums import real

PHASE, PAIRS, NEWEST, SCALE, VALUE, SLOPE, LENGTH, LARGEST, TRIALS, SHORT = range(10)
"""Phase of the search; pairs held, and which is the newest; the scale of the first inverse Hessian; f and
g·d at the base; the step length tried; largest entry of d; trials so far; whether the latest was too near
an end."""
ENDS, NUMBERS = 10, 20
"""Two ends of a bracket, (length, f, g·d) each; then 1/(y·s) of each pair, and room for as many numbers."""
OVER, BEGIN, WIDEN, NARROW = -1.0, 0.0, 1.0, 2.0
"""Phases: converged; a gradient at a new base; looking for a bracket; inside a bracket."""
BASE, DIRECTION, GRADIENT, END, VECTORS = 0, 1, 2, 3, 5
"""Rows of the vectors: x, d, the gradient at x, those at the two ends; then the steps s, then the changes y
of the gradient."""
SUFFICIENT, CURVED = 1e-4, 0.9
"""Constants of the two Wolfe conditions."""


def blend(target: Any, keep: Any, start: Any, factor: Any, vector: Any) -> None:
    """target ← keep · start + factor · vector."""
    kept, share = real(keep, target[0]), real(factor, target[0])
    for i in range(target.size):
        target[i] = kept * start[i] + share * vector[i]


def sizes(vector: Any) -> Any:
    """max |entry| and Σ |entry|."""
    largest, total = 0.0, 0.0
    for i in range(vector.size):
        size = abs(vector[i])
        total += size
        if size > largest:
            largest = size
    return largest, total


def remember(notes: Any, vectors: Any, g: Any, history: Any) -> None:
    """Keep the pair of the step just made, s = t d and y = g − g at the base, if it is curved upwards."""
    size, length = g.size, notes[LENGTH]
    d, before = row(vectors, DIRECTION, size), row(vectors, GRADIENT, size)
    if length * (inner(g, d) - notes[SLOPE]) > 1e-10:
        slot = floor(notes[NEWEST]) + 1
        if slot == history:
            slot = 0
        s, y = row(vectors, VECTORS + slot, size), row(vectors, VECTORS + history + slot, size)
        blend(s, 0.0, d, length, d)
        blend(y, 1.0, g, -1.0, before)
        curvature = inner(y, s)
        notes[NUMBERS + slot] = 1.0 / curvature
        notes[SCALE] = curvature / inner(y, y)
        notes[NEWEST] = slot
        if notes[PAIRS] < history:
            notes[PAIRS] += 1.0


def direct(notes: Any, vectors: Any, g: Any, history: Any) -> None:
    """d ← −H g by the two loops over the pairs held: back from the newest, then forth again."""
    size, held, newest = g.size, floor(notes[PAIRS]), floor(notes[NEWEST])
    d = row(vectors, DIRECTION, size)
    blend(d, 0.0, g, -1.0, g)
    for turn in range(2 * held):
        slot, along = newest - turn, 0
        if turn >= held:
            slot, along = newest + turn + 1 - 2 * held, history
        if slot < 0:
            slot += history
        share = -notes[NUMBERS + slot] * inner(row(vectors, VECTORS + slot + along, size), d)
        before = notes[NUMBERS + history + slot]
        notes[NUMBERS + history + slot] = share
        if turn >= held:
            share -= before
        blend(d, 1.0, d, share, row(vectors, VECTORS + history + slot - along, size))
        if turn == held - 1:
            blend(d, 0.0, d, notes[SCALE], d)


def cubic(notes: Any, low: Any, high: Any) -> Any:
    """Where the cubic with the values and slopes of both ends is smallest, kept within [low, high]."""
    a, f_a, g_a = notes[ENDS], notes[ENDS + 1], notes[ENDS + 2]
    b, f_b, g_b = notes[ENDS + 3], notes[ENDS + 4], notes[ENDS + 5]
    first = g_a + g_b - 3.0 * (f_a - f_b) / (a - b)
    square = first * first - g_a * g_b
    if square >= 0.0:
        if a > b:
            a, b = b, a
            g_a, g_b = g_b, g_a
        root = square**0.5
        place = b - (b - a) * ((g_b + root - first) / (g_b - g_a + 2.0 * root))
        if place < low:
            return low
        if place > high:
            return high
        if place == place:  # is a number
            return place
    return 0.5 * (low + high)


def put(notes: Any, vectors: Any, end: Any, length: Any, value: Any, slope: Any, g: Any) -> None:
    """Make a trial an end of the bracket."""
    place = ENDS + 3 * end
    notes[place], notes[place + 1], notes[place + 2] = length, value, slope
    blend(row(vectors, END + end, g.size), 1.0, g, 0.0, g)


def lower(notes: Any) -> Any:
    """Which end of the bracket has the smaller f."""
    return 0 if notes[ENDS + 1] <= notes[ENDS + 4] else 1


def widen(notes: Any, vectors: Any, g: Any, value: Any, slope: Any, most: Any) -> Any:
    """Judge a trial outside any bracket; true if the search is over."""
    length, trials = notes[LENGTH], notes[TRIALS]
    start, down = notes[VALUE], notes[SLOPE]
    high = (value > start + SUFFICIENT * length * down) | ((trials > 1.0) & (value >= notes[ENDS + 1]))
    put(notes, vectors, 1, length, value, slope, g)
    if trials >= most:  # the better of this trial and the base
        put(notes, vectors, 0, 0.0, start, down, row(vectors, GRADIENT, g.size))
        return True
    found = (not high) & (abs(slope) <= -CURVED * down)
    if (high or slope >= 0.0) and not found:
        notes[PHASE], notes[SHORT] = NARROW, 0.0
        return False
    notes[LENGTH] = cubic(notes, length + 0.01 * (length - notes[ENDS]), 10.0 * length)
    notes[TRIALS] = trials + 1.0
    put(notes, vectors, 0, length, value, slope, g)
    return found


def narrow(notes: Any, vectors: Any, g: Any, value: Any, slope: Any) -> Any:
    """Put a trial inside the bracket in the place of one end; true if it satisfies the Wolfe conditions."""
    length, down, low = notes[LENGTH], notes[SLOPE], lower(notes)
    other, place = 1 - low, ENDS + 3 * low
    at, f = notes[place], notes[place + 1]
    notes[TRIALS] += 1.0
    if (value > notes[VALUE] + SUFFICIENT * length * down) | (value >= f):
        put(notes, vectors, other, length, value, slope, g)
        return False
    found = abs(slope) <= -CURVED * down
    if (not found) & (slope * (notes[ENDS + 3 * other] - at) >= 0.0):
        put(notes, vectors, other, at, f, notes[place + 2], row(vectors, END + low, g.size))
    put(notes, vectors, low, length, value, slope, g)
    return found


def inside(notes: Any) -> Any:
    """The next length to try inside the bracket: the cubic's, but not twice too near an end."""
    low, high = notes[ENDS], notes[ENDS + 3]
    if low > high:
        low, high = high, low
    length = cubic(notes, low, high)
    margin, under, over = 0.1 * (high - low), length - low, high - length
    short = (under < margin) | (over < margin)
    if short & ((notes[SHORT] > 0.0) | (over <= 0.0) | (under <= 0.0)):
        length = high - margin if over < under else low + margin
        short = False
    notes[SHORT] = short
    return length


def search(notes: Any, vectors: Any, g: Any, value: Any, still: Any, most: Any) -> Any:
    """Take in a trial; true if the lower end of the bracket is to be the next base, else one more trial."""
    slope = real(inner(g, row(vectors, DIRECTION, g.size)), value)
    if notes[PHASE] == WIDEN:
        found = widen(notes, vectors, g, value, slope, most)
        if notes[PHASE] == WIDEN:
            return found
    else:
        found = narrow(notes, vectors, g, value, slope)
    close = abs(notes[ENDS + 3] - notes[ENDS]) * notes[LARGEST] < still
    if found | close | (notes[TRIALS] >= most):
        return True
    notes[LENGTH] = inside(notes)
    return False


def begin(theta: Any, g: Any, notes: Any, vectors: Any, lr: Any, total: Any, history: Any) -> None:
    """Make θ the base and choose a direction from it and a first length; ``total`` is Σ |g|."""
    direct(notes, vectors, g, history)
    d = row(vectors, DIRECTION, g.size)
    blend(row(vectors, BASE, g.size), 1.0, theta, 0.0, theta)
    blend(row(vectors, GRADIENT, g.size), 1.0, g, 0.0, g)
    notes[SLOPE], notes[LENGTH] = inner(g, d), lr
    if notes[SCALE] == 0.0:  # no step yet
        notes[LENGTH], notes[SCALE] = lr * (1.0 / total) if total > 1.0 else lr, 1.0
    notes[LARGEST], notes[TRIALS], notes[PHASE] = sizes(d)[0], 0.0, WIDEN
    put(notes, vectors, 0, 0.0, notes[VALUE], notes[SLOPE], g)


FUNCTIONS = (
    blend, sizes, remember, direct, cubic, put, lower, widen, narrow, inside, search, begin,
)  # fmt: skip
"""What the kernels compile as it stands."""


def _lbfgs(theta, g, value, memory, lr, pairs, most, flat, still, penalty, shrink):
    history, size = floor(pairs), theta.size
    start = NUMBERS + 2 * history
    notes, vectors = wide(memory), part(memory, start, memory.size - start)
    if notes[PHASE] == OVER:
        return
    blend(g, 1.0, g, penalty, theta)
    value += 0.5 * penalty * inner(theta, theta)
    over, base, d = False, row(vectors, BASE, size), row(vectors, DIRECTION, size)
    if notes[PHASE] != BEGIN:
        found = search(notes, vectors, g, value, still, most)
        low = lower(notes)
        length = notes[ENDS + 3 * low] if found else notes[LENGTH]
        blend(theta, 1.0, base, length, d)
        if not found:
            return
        notes[LENGTH], value = length, notes[ENDS + 3 * low + 1]
        blend(g, 1.0, row(vectors, END + low, size), 0.0, g)
        over = (length * notes[LARGEST] <= still) | (abs(value - notes[VALUE]) < still)
        if shrink > 0.0:
            blend(theta, 1.0, theta, -shrink, base)
            notes[PHASE] = BEGIN
            return
    if notes[SCALE] > 0.0:
        remember(notes, vectors, g, history)
    notes[VALUE] = value
    steepest, total = sizes(g)
    if (not over) & (steepest > flat):
        begin(theta, g, notes, vectors, lr, total, history)
        if not notes[SLOPE] > -still:
            blend(theta, 1.0, theta, notes[LENGTH], d)
            return
    notes[PHASE] = OVER
    if shrink > 0.0:  # decay goes on: look again from where it leads
        blend(theta, 1.0, theta, -shrink, theta)
        notes[PHASE], notes[LENGTH] = BEGIN, 0.0


def _base(theta, memory, target, lr, pairs, most, flat, still, penalty, shrink):
    base = part(memory, NUMBERS + 2 * floor(pairs), theta.size)
    resting = base if memory[PHASE] > BEGIN else theta
    for i in range(theta.size):
        target[i] = resting[i]


def _rule(settings: dict[str, Any]) -> Rule:
    pairs = settings["history"]
    return Rule(_lbfgs, whole=True, vectors=VECTORS + 2 * pairs, numbers=NUMBERS + 2 * pairs, rest=_base)


@optimizer(
    rule=_rule,
    limits={
        "history": Range(1, 1000, whole=True),
        "evaluations": Range(1, whole=True),
        "tolerance_gradient": NOT_NEGATIVE,
        "tolerance_change": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "decoupled_decay": NOT_NEGATIVE,
    },
    decays={"l2": "weight_decay", "decoupled": "decoupled_decay"},
    full_batch=True,
)
def lbfgs(
    step: Any,
    lr: float = 1.0,
    history: int = 100,
    evaluations: int = 25,
    tolerance_gradient: float = 1e-7,
    tolerance_change: float = 1e-9,
    weight_decay: float = 0.0,
    decoupled_decay: float = 0.0,
) -> Any:
    """L-BFGS: x ← x − t H g, H from the latest ``history`` pairs (Δx, Δg), t by the strong Wolfe conditions.

    For full batches.  Every evaluation of loss and gradient is a step, so steps are what it is to be
    compared by: a search tries t = lr first (at the very first lr · min(1, 1/Σ|g|)) and makes at most
    ``evaluations`` more.  Losses and gradients are those at the trial points; scores, and what training
    leaves, those at x.  It stays where it is once max |g| ≤ ``tolerance_gradient`` or a step changes no
    parameter, or the loss, by more than ``tolerance_change``.  ``weight_decay`` is part of the loss,
    f + λ/2 ‖θ‖²; ``decoupled_decay`` shrinks x after each search, which then costs one evaluation more.
    As PyTorch's ``LBFGS(line_search_fn="strong_wolfe", max_iter=∞)``, whose ``max_eval`` bounds all searches
    of a call together; optax's ``lbfgs`` keeps 10 pairs and searches by another method (zoom).
    Source: Liu & Nocedal 1989; line search: Nocedal & Wright 2006, chapter 3.
    """
    shrink = lr * decoupled_decay
    return lr, history, evaluations, tolerance_gradient, tolerance_change, weight_decay, shrink
