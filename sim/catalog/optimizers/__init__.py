"""Optimizers: how parameters θ follow their gradient g.

An optimizer is two functions.  The decorated one takes the number of the step (1, 2, …)
and the hyperparameters and returns the numbers that stay the same over one step, in
float64: bias corrections, 1 − β and the like, which float32 would round badly.  Its *rule*
is the update itself, for one parameter: θ, g, the state slots, those numbers, in; θ and
the slots out.  Rules contain arithmetic, comparisons and square roots only, so the compiler
runs them over a whole vector of parameters at once.

State slots start at zero; where a rule wants another beginning, the numbers of the first
step add it.  The first hyperparameter is the learning rate.  Defaults are PyTorch's.  A
hyperparameter that is one of a few words (``choices``) reaches the function as the
position of the word.

=============  ==========================================================
family         the family, the rule, ranges that hyperparameters share
one_function   a rule written as one function, taken apart into the two
descent        gradient descent, momentum, Nesterov's momentum
squares        steps divided by what squared gradients add up to
moments        Adam and its close relatives
spread         Adam with another second moment: Yogi, AdaBelief, Sophia
averaged       schedule-free rules, evaluated at an average
signs          steps whose size does not depend on the gradient's
layerwise      rules that look at a whole tensor: LARS, LAMB, Muon, Shampoo, SOAP
quasi_newton   L-BFGS, which looks at the whole vector
=============  ==========================================================
"""

from __future__ import annotations

from sim.catalog.optimizers import (
    averaged,
    descent,
    layerwise,
    moments,
    quasi_newton,
    signs,
    spread,
    squares,
)
from sim.catalog.optimizers.family import Rule, optimizer

__all__ = [
    "Rule", "averaged", "descent", "layerwise", "moments", "optimizer", "quasi_newton", "signs", "spread",
    "squares",
]  # fmt: skip
