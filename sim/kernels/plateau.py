"""The schedule that watches the loss: the learning rate falls where the loss no longer does."""

from __future__ import annotations

import math

from sim.catalog.schedules import COOLDOWN, EVERY, FACTOR, FINAL, PATIENCE, THRESHOLD
from sim.kernels import jit

RATE, BEST, BAD, COOLING, SUM, COUNT, STATE = range(7)
"""What is remembered: the factor reached, the smallest mean, means since then, means to wait, and of the
mean under way its sum and count."""


@jit.inlined
def begin(state):
    """Nothing seen yet."""
    state[:] = 0.0
    state[RATE], state[BEST] = 1.0, math.inf


@jit.inlined
def watch(state, rule, value):
    """Take in the loss of a mini-batch; every so many of them their mean is compared with the best."""
    state[SUM] += value
    state[COUNT] += 1.0
    if state[COUNT] < rule[EVERY]:
        return
    mean = state[SUM] / state[COUNT]
    state[SUM], state[COUNT] = 0.0, 0.0
    if mean < state[BEST] * (1.0 - rule[THRESHOLD]):
        state[BEST], state[BAD] = mean, 0.0
    else:
        state[BAD] += 1.0
    if state[COOLING] > 0.0:
        state[COOLING] -= 1.0
        state[BAD] = 0.0
    if state[BAD] > rule[PATIENCE]:
        state[RATE] = max(state[RATE] * rule[FACTOR], rule[FINAL])
        state[COOLING], state[BAD] = rule[COOLDOWN], 0.0
