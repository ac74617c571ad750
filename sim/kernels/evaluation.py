"""How good a network is: loss and accuracy over rows of its table."""

from __future__ import annotations

import math

from sim.kernels import jit
from sim.kernels.network import evaluate, gather, layer_at, loss


@jit.inlined
def correct(outputs, targets, classes, columns, count, decision):
    """How many of the first ``count`` columns have their largest output where the largest target is.

    With a single output: how many stand on the right side of the decision.
    """
    right = 0
    for b in range(count):
        if classes == 1:
            right += 1 if (outputs[b] > decision) == (targets[b] > 0.5) else 0
        else:
            guess = 0
            truth = 0
            for k in range(1, classes):
                guess = k if outputs[k * columns + b] > outputs[guess * columns + b] else guess
                truth = k if targets[k * columns + b] > targets[truth * columns + b] else truth
            right += 1 if guess == truth else 0
    return right


@jit.inlined
def score(space, network, samples, begin, rows, settings, decision, parts, tools):
    """Mean loss and accuracy over consecutive rows; not-a-number for no rows."""
    top, work, total, right = layer_at(space, space.table.shape[0] - 1), network.work, 0.0, 0
    for start in range(0, rows, space.columns):
        count = min(space.columns, rows - start)
        gather(space, network, samples, samples.sequence[begin + start : begin + start + count], tools)
        evaluate(space, network, count, settings, parts, tools)
        total += loss(space, work, count, parts) * count  # first: it applies the output activation
        outputs, targets = work[top.pre :], work[space.targets :]
        right += correct(outputs, targets, top.fan_out, space.columns, count, decision)
    if rows == 0:
        return math.nan, math.nan
    return total / rows, right / rows


@jit.inlined
def note_scores(space, network, samples, settings, decision, parts, tools, note):
    """Loss and accuracy on training and on test rows."""
    for split in range(2):
        begin, rows = split * samples.training, samples.evaluated[split]
        result = score(space, network, samples, begin, rows, settings, decision, parts, tools)
        note[1 + split], note[3 + split] = result
