"""L-BFGS: the inverse Hessian from the latest steps, and a line search; sees the whole vector.

The rule is asked for one step at a time and gets one loss and one gradient each time, so it is
written as what to do with the next evaluation: a line search is several calls.  A step is thus an
evaluation of the gradient, for this rule as for all others.  What it must remember between two
calls stands in ``memory``: numbers (their places are named below), five vectors, pairs of vectors.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.optimizers.family import NOT_NEGATIVE, Rule, optimizer
from sim.catalog.sums import dot, real

PHASE, PAIRS, NEWEST, SCALE, VALUE, SLOPE, LENGTH, LARGEST, TRIALS, SHORT = range(10)
"""Phase of the search; pairs held, and which is the newest; the scale of the first inverse Hessian; f and
g·d at the base; the step length tried; largest entry of d; trials so far; whether the latest was too near
an end."""
ENDS, NUMBERS = 10, 20
"""Two ends of a bracket, (length, f, g·d) each; then 1/(y·s) of each pair, and room for as many numbers."""
BEGIN, WIDEN, NARROW, OVER = 0.0, 1.0, 2.0, 3.0
"""Phases: a gradient at a new base; looking for a bracket; inside a bracket; converged."""
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


def largest(vector: Any) -> Any:
    """max |entry|."""
    found = abs(vector[0])
    for i in range(1, vector.size):
        found = max(found, abs(vector[i]))
    return found


def remember(notes: Any, vectors: Any, g: Any, history: Any) -> None:
    """Keep the pair of the step just made, s = t d and y = g − g at the base, if it is curved upwards."""
    slot = int(notes[NEWEST] + 1.0) % history
    length = float(notes[LENGTH])
    d, before = vectors[DIRECTION], vectors[GRADIENT]
    curvature = length * (dot(g, d) - notes[SLOPE])
    if curvature > 1e-10:
        s, y = vectors[VECTORS + slot], vectors[VECTORS + history + slot]
        blend(s, 0.0, d, length, d)
        blend(y, 1.0, g, -1.0, before)
        curvature = dot(y, s)
        notes[NUMBERS + slot] = 1.0 / curvature
        notes[SCALE] = curvature / dot(y, y)
        notes[NEWEST] = slot
        notes[PAIRS] = min(notes[PAIRS] + 1.0, history)


def direct(notes: Any, vectors: Any, g: Any, history: Any) -> None:
    """d ← −H g by the two loops over the pairs held."""
    d, held, newest = vectors[DIRECTION], int(notes[PAIRS]), int(notes[NEWEST])
    blend(d, 0.0, g, -1.0, g)
    for turn in range(2 * held):
        back = turn if turn < held else 2 * held - 1 - turn
        slot = (newest - back) % history
        s, y = vectors[VECTORS + slot], vectors[VECTORS + history + slot]
        if turn < held:
            share = float(notes[NUMBERS + slot] * dot(s, d))
            notes[NUMBERS + history + slot] = share
            blend(d, 1.0, d, -share, y)
        else:
            share = float(notes[NUMBERS + slot] * dot(y, d))
            blend(d, 1.0, d, notes[NUMBERS + history + slot] - share, s)
        if turn == held - 1:
            blend(d, 0.0, d, float(notes[SCALE]), d)


def cubic(notes: Any, low: Any, high: Any) -> Any:
    """Where the cubic with the values and slopes of both ends is smallest, kept within [low, high]."""
    a, f_a, g_a = notes[ENDS], notes[ENDS + 1], notes[ENDS + 2]
    b, f_b, g_b = notes[ENDS + 3], notes[ENDS + 4], notes[ENDS + 5]
    first = g_a + g_b - 3.0 * (f_a - f_b) / (a - b)
    square = first * first - g_a * g_b
    if not square >= 0.0:
        return 0.5 * (low + high)
    root = square**0.5
    if a <= b:
        place = b - (b - a) * ((g_b + root - first) / (g_b - g_a + 2.0 * root))
    else:
        place = a - (a - b) * ((g_a + root - first) / (g_a - g_b + 2.0 * root))
    if not low <= place <= high:
        return low if place < low else (high if place > high else 0.5 * (low + high))
    return place


def put(notes: Any, vectors: Any, end: Any, length: Any, value: Any, slope: Any, g: Any) -> None:
    """Make a trial an end of the bracket."""
    place = ENDS + 3 * end
    notes[place], notes[place + 1], notes[place + 2] = length, value, slope
    blend(vectors[END + end], 1.0, g, 0.0, g)


def lower(notes: Any) -> Any:
    """Which end of the bracket has the smaller f."""
    return 0 if notes[ENDS + 1] <= notes[ENDS + 4] else 1


def widen(notes: Any, vectors: Any, g: Any, value: Any, slope: Any, most: Any) -> Any:
    """Judge a trial outside any bracket; true if the search is over."""
    length, start, down = float(notes[LENGTH]), float(notes[VALUE]), float(notes[SLOPE])
    trials, at_end = notes[TRIALS], notes[TRIALS] >= most
    high = value > start + SUFFICIENT * length * down or (trials > 1.0 and value >= notes[ENDS + 1])
    found = at_end or (not high and abs(slope) <= -CURVED * down)
    put(notes, vectors, 1, length, value, slope, g)
    if at_end:  # the better of this trial and the base
        put(notes, vectors, 0, 0.0, start, down, vectors[GRADIENT])
    elif not found and (high or slope >= 0.0):
        notes[PHASE], notes[SHORT] = NARROW, 0.0
    else:
        notes[LENGTH] = cubic(notes, length + 0.01 * (length - notes[ENDS]), 10.0 * length)
        notes[TRIALS] = trials + 1.0
        put(notes, vectors, 0, length, value, slope, g)
    return found


def narrow(notes: Any, vectors: Any, g: Any, value: Any, slope: Any) -> Any:
    """Put a trial inside the bracket in the place of one end; true if it satisfies the Wolfe conditions."""
    length, start, down = float(notes[LENGTH]), float(notes[VALUE]), float(notes[SLOPE])
    low = lower(notes)
    high, place = 1 - low, ENDS + 3 * low
    notes[TRIALS] += 1.0
    if value > start + SUFFICIENT * length * down or value >= notes[place + 1]:
        put(notes, vectors, high, length, value, slope, g)
        return False
    found = abs(slope) <= -CURVED * down
    if not found and slope * (notes[ENDS + 3 * high] - notes[place]) >= 0.0:
        at, f, g_at = float(notes[place]), float(notes[place + 1]), float(notes[place + 2])
        put(notes, vectors, high, at, f, g_at, vectors[END + low])
    put(notes, vectors, low, length, value, slope, g)
    return found


def inside(notes: Any) -> Any:
    """The next length to try inside the bracket: the cubic's, but not twice too near an end."""
    low = float(min(notes[ENDS], notes[ENDS + 3]))
    high = float(max(notes[ENDS], notes[ENDS + 3]))
    length = cubic(notes, low, high)
    margin = 0.1 * (high - low)
    short = min(high - length, length - low) < margin
    if short and (notes[SHORT] > 0.0 or length >= high or length <= low):
        length = high - margin if high - length < length - low else low + margin
        short = False
    notes[SHORT] = 1.0 if short else 0.0
    return length


def search(notes: Any, vectors: Any, g: Any, value: Any, still: Any, most: Any) -> Any:
    """Take in a trial; true if the lower end of the bracket is to be the next base, else one more trial."""
    slope = float(dot(g, vectors[DIRECTION]))
    if notes[PHASE] == WIDEN:
        found = widen(notes, vectors, g, value, slope, most)
        if notes[PHASE] == WIDEN:
            return found
    else:
        found = narrow(notes, vectors, g, value, slope)
    close = abs(notes[ENDS + 3] - notes[ENDS]) * notes[LARGEST] < still
    if found or close or notes[TRIALS] >= most:
        return True
    notes[LENGTH] = inside(notes)
    return False


def begin(theta: Any, g: Any, notes: Any, vectors: Any, lr: Any, history: Any) -> None:
    """Make θ the base and choose a direction from it and a first length."""
    direct(notes, vectors, g, history)
    blend(vectors[BASE], 1.0, theta, 0.0, theta)
    blend(vectors[GRADIENT], 1.0, g, 0.0, g)
    notes[SLOPE], notes[LENGTH] = dot(g, vectors[DIRECTION]), lr
    if notes[SCALE] == 0.0:  # no step yet
        total = 0.0
        for i in range(g.size):
            total += abs(g[i])
        notes[LENGTH], notes[SCALE] = lr * min(1.0, 1.0 / total), 1.0
    notes[LARGEST], notes[TRIALS], notes[PHASE] = largest(vectors[DIRECTION]), 0.0, WIDEN
    put(notes, vectors, 0, 0.0, float(notes[VALUE]), float(notes[SLOPE]), g)


FUNCTIONS = (
    blend, largest, remember, direct, cubic, put, lower, widen, narrow, inside, search, begin,
)  # fmt: skip
"""What the kernels compile as it stands."""


def _lbfgs(theta, g, value, memory, lr, pairs, most, flat, still, penalty, shrink):
    history = int(pairs)
    notes = memory[: NUMBERS + 2 * history]
    vectors = memory[NUMBERS + 2 * history :][: (VECTORS + 2 * history) * theta.size].reshape(
        (VECTORS + 2 * history, theta.size)
    )
    if notes[PHASE] == OVER:
        return
    blend(g, 1.0, g, float(penalty), theta)
    value += 0.5 * penalty * dot(theta, theta)
    over = False
    if notes[PHASE] != BEGIN:
        found = search(notes, vectors, g, value, still, most)
        low = lower(notes)
        length = float(notes[ENDS + 3 * low] if found else notes[LENGTH])
        blend(theta, 1.0, vectors[BASE], length, vectors[DIRECTION])
        if not found:
            return
        notes[LENGTH], value = length, float(notes[ENDS + 3 * low + 1])
        blend(g, 1.0, vectors[END + low], 0.0, g)
        over = length * notes[LARGEST] <= still or abs(value - notes[VALUE]) < still
        if shrink > 0.0:
            blend(theta, 1.0, theta, -float(shrink), vectors[BASE])
            notes[PHASE] = BEGIN
            return
    if notes[SCALE] > 0.0:
        remember(notes, vectors, g, history)
    notes[VALUE] = value
    if not over and largest(g) > flat:
        begin(theta, g, notes, vectors, lr, history)
        over = notes[SLOPE] > -still
        if not over:
            blend(theta, 1.0, theta, float(notes[LENGTH]), vectors[DIRECTION])
            return
    notes[PHASE] = OVER
    if shrink > 0.0:  # decay goes on: look again from where it leads
        blend(theta, 1.0, theta, -float(shrink), theta)
        notes[PHASE], notes[LENGTH] = BEGIN, 0.0


def _base(theta, memory, target, lr, pairs, most, flat, still, penalty, shrink):
    start, searching = NUMBERS + 2 * int(pairs), memory[PHASE] == WIDEN or memory[PHASE] == NARROW
    for i in range(theta.size):
        target[i] = memory[start + i] if searching else theta[i]


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
