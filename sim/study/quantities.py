"""What a claim may compare: the names of quantities, which way is better, and what a study must measure.

How each is computed from the records stands beside its name in :mod:`sim.analysis.quantities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GRID, DESCENT, COMPARISON = "grid", "descent", "comparison"
"""What claims may be about."""


@dataclass(frozen=True)
class Quantity:
    """``better`` is higher, lower or, where neither is good in itself, empty; ``told`` names it in words.

    ``needs``: words of a grid's ``measure``; ``classes``: only where the data set has classes; ``hidden``:
    how many hidden layers a network must have; ``at``: the checkpoint it is read at where a claim names none.
    """

    better: str
    told: str
    needs: tuple[str, ...] = ()
    classes: bool = False
    hidden: int = 0
    at: int | None = None


STEPS, SUCCESS, LOG_STEPS = "steps_to_", "success_", "log10_steps_to_"
"""Quantities with the name of a target after them."""

OF_NETWORKS: Mapping[str, Quantity] = {
    "final_train_loss": Quantity("lower", "final train loss", ("train",)),
    "final_test_loss": Quantity("lower", "final test loss", ("test",)),
    "log10_final_train_loss": Quantity("lower", "log₁₀ final train loss", ("train",)),
    "log10_final_test_loss": Quantity("lower", "log₁₀ final test loss", ("test",)),
    "final_train_accuracy": Quantity("higher", "final train accuracy", ("train",), classes=True),
    "final_test_accuracy": Quantity("higher", "final test accuracy", ("test",), classes=True),
    "success": Quantity("higher", "share that reaches the target"),
    "diverged": Quantity("lower", "share that diverges"),
    "loss_noise": Quantity("lower", "log₁₀ noise of the train loss", ("train",)),
    "test_accuracy_lost": Quantity("lower", "test accuracy lost since its best", ("test",), classes=True),
    "test_loss_risen": Quantity("lower", "rise of the test loss since its least", ("test",)),
    "log10_gradient_ratio": Quantity(
        "", "log₁₀ gradient, first / last layer", ("gradients",), hidden=2, at=0
    ),
    "log10_layer_factor": Quantity("", "log₁₀ gradient factor a layer", ("gradients",), hidden=2, at=0),
    "gradient_drift": Quantity("lower", "|log₁₀ gradient factor a layer|", ("gradients",), hidden=2, at=0),
    "log10_update": Quantity("", "log₁₀ ‖ΔW‖/‖W‖", ("updates",), at=-1),
}

OF_SURFACES: Mapping[str, Quantity] = {
    "best_minimum": Quantity("higher", "share of starts that reach the best minimum"),
    "success": Quantity("higher", "share of starts that reach a minimum"),
    "diverged": Quantity("lower", "share of starts that diverge"),
    "steps_to_reach": Quantity("lower", "steps to a minimum"),
    "path_length": Quantity("lower", "length of the path"),
    "end_value": Quantity("lower", "value at the end"),
}

SHARES = (
    *("success", "diverged", "best_minimum"),
    *("final_train_accuracy", "final_test_accuracy", "test_accuracy_lost"),
)


def is_share(name: str) -> bool:
    """Whether all values of a quantity lie in [0, 1]."""
    return name in SHARES or name.startswith(SUCCESS)


def quantity_of(kind: str, name: str) -> Quantity | None:
    """The quantity of that name, for ``grid``, ``descent`` or ``comparison``; None where there is none.

    ``steps_to_<target>``, ``log10_steps_to_<target>`` and ``success_<target>`` are quantities of networks for
    every target.
    """
    if kind == DESCENT:
        return OF_SURFACES.get(name)
    if name.startswith(STEPS):
        return Quantity("lower", f"steps to {name.removeprefix(STEPS)}")
    if name.startswith(LOG_STEPS):
        return Quantity("lower", f"log₁₀ steps to {name.removeprefix(LOG_STEPS)}")
    if name.startswith(SUCCESS):
        return Quantity("higher", f"share that reaches {name.removeprefix(SUCCESS)}")
    return OF_NETWORKS.get(name)
