"""What a part from outside the package must do before any work starts: it is carried out once, on little.

``prove`` raises PartError, one line, for a part that fails, takes or returns what its family does not,
gives other numbers when asked again, or whose slope is not that of its value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from sim.catalog.draws import Draw
from sim.catalog.optimizers.family import Rule
from sim.catalog.own import said
from sim.catalog.randomness import generator
from sim.catalog.registry import Part, PartError
from sim.catalog.surfaces import is_separable
from sim.catalog.tables import Table

MOST_NUMBERS = 16
"""What an optimizer may prepare for a step: the kernels have room for so many."""
POINTS = np.linspace(-6.0, 6.0, 241) + 0.0137
"""Where an activation is looked at; kinks at round numbers are left out."""
APART = 1e-4
KINKS = 2
"""Points at which the slope may disagree: between the two sides of a kink."""


@lru_cache(maxsize=4096)
def prove(part: Part, parameters: tuple[tuple[str, Any], ...]) -> None:
    """Carry the part out with these parameters; PartError where it is not what it should be."""
    try:
        with np.errstate(all="ignore"):
            PROOFS[part.kind](part, dict(parameters))
    except PartError:
        raise
    except Exception as error:
        raise PartError(f"{part.name} {said(error, part.path)}") from None


def _optimizer(part: Part, parameters: Mapping[str, Any]) -> None:
    if next(iter(part.parameters), None) != "lr":
        raise PartError(f"{part.name}: its first hyperparameter must be lr, the learning rate")
    choices = part.traits.get("choices", {})
    given = (choices[name].index(value) if name in choices else value for name, value in parameters.items())
    numbers = part.function(np.float64(1.0), *map(np.float64, given))
    if not isinstance(numbers, tuple) or not all(map(_is_number, numbers)):
        raise PartError(f"{part.name}: returns {_shown(numbers)}; a tuple of numbers is needed")
    if len(numbers) > MOST_NUMBERS:
        raise PartError(f"{part.name}: needs {len(numbers)} numbers a step; there is room for {MOST_NUMBERS}")
    rule = part.rule(dict(parameters))
    if not isinstance(rule, Rule):
        raise PartError(f"{part.name}: its rule is {_shown(rule)}; a Rule(update, slots) is needed")
    if rule.elementwise:
        _rule(part.name, rule, numbers)


def _rule(name: str, rule: Rule, numbers: tuple[Any, ...]) -> None:
    given = (np.float64(0.5), np.float64(0.25), *(np.float64(0.0) for _ in rule.slots))
    count = rule.update.__code__.co_argcount
    if count != len(given) + len(numbers):
        wanted = f"θ, g, {len(rule.slots)} of state and {len(numbers)} numbers of the step"
        raise PartError(f"{name}: its rule takes {count} arguments; {wanted} are given")
    found = rule.update(*given, *numbers)
    wanted = ", ".join(("θ", *rule.slots))
    if not isinstance(found, tuple) or len(found) != 1 + len(rule.slots):
        raise PartError(f"{name}: returns {_shown(found)}; {1 + len(rule.slots)} are needed: {wanted}")
    for value in found:
        if not _is_number(value):
            raise PartError(f"{name}: returns {_shown(value)} among {wanted}; each must be a number")


def _activation(part: Part, parameters: Mapping[str, Any]) -> None:
    try:
        found = part.function(POINTS, **parameters)
    except Exception as error:
        how = "arrays are passed to it too: write where(x > 0, a, b), exp … of sim.catalog.mathematics"
        raise PartError(f"{part.name} {said(error, part.path)}; {how}") from None
    if not isinstance(found, tuple) or len(found) != 2:
        raise PartError(f"{part.name}: returns {_shown(found)}; two are needed: value, slope")
    for what, values in zip(("value", "slope"), found, strict=True):
        if np.shape(values) not in ((), POINTS.shape) or np.asarray(values).dtype.kind not in "bif":
            raise PartError(f"{part.name}: its {what} is {_shown(values)}; a number for each x is needed")
        bad = ~np.isfinite(np.broadcast_to(values, POINTS.shape))
        if bad.any():
            raise PartError(f"{part.name}: its {what} at x = {POINTS[bad.argmax()]:.4f} is not finite")
    if not part.traits.get("surrogate", False):
        _slope(part, parameters, *found)


def _slope(part: Part, parameters: Mapping[str, Any], value: Any, slope: Any) -> None:
    """Compare with differences of fourth order."""

    def at(steps: int) -> Any:
        return part.function(POINTS + steps * APART, **parameters)[0]

    expected = np.broadcast_to((at(-2) - 8.0 * at(-1) + 8.0 * at(1) - at(2)) / (12.0 * APART), POINTS.shape)
    slope = np.broadcast_to(slope, POINTS.shape)
    wrong = ~(np.abs(slope - expected) <= 1e-6 * (1.0 + np.abs(slope) + np.abs(value)))
    if wrong.sum() > KINKS:
        place = int(wrong.argmax())
        problem = f"is {slope[place]:.6g}, differences of its value say {expected[place]:.6g}"
        hint = "@activation(surrogate=True) where that is meant"
        raise PartError(f"{part.name}: its slope at x = {POINTS[place]:.4f} {problem} ({hint})")


def _initializer(part: Part, parameters: Mapping[str, Any]) -> None:
    settings = {name: value for name, value in parameters.items() if name != "gain"}
    for shape in ((4, 3), (1, 7)):
        found = part.function(Draw(shape), **settings)
        if np.shape(found) != shape:
            raise PartError(f"{part.name}: returns {_shown(found)}; weights of shape {shape} are needed")
        if not np.isfinite(np.asarray(found, np.float64)).all():
            raise PartError(f"{part.name}: returns weights that are not finite for shape {shape}")
        if not np.array_equal(found, part.function(Draw(shape), **settings)):
            problem = "draws other weights when asked again; use draw.normal, draw.generator"
            raise PartError(f"{part.name}: {problem}")


def _dataset(part: Part, parameters: Mapping[str, Any]) -> None:
    first, again = (part.function(generator(0, "data", 0), **parameters) for _ in range(2))
    if not isinstance(first, Table):
        wanted = "a Table(features, targets, classes) is needed"
        raise PartError(f"{part.name}: returns {_shown(first)}; {wanted}")
    if first.features.ndim != 2 or len(first.features) != len(first.targets) or not first.features.size:
        shapes = f"features {first.features.shape} with targets {first.targets.shape}"
        raise PartError(f"{part.name}: has {shapes}; (rows, features) and (rows,) are needed")
    if not np.isfinite(first.features).all() or not np.isfinite(first.targets).all():
        raise PartError(f"{part.name}: holds numbers that are not finite")
    if first.classes and not (first.targets.min() >= 0 and first.targets.max() < first.classes):
        labels = f"{first.targets.min()} … {first.targets.max()}"
        raise PartError(f"{part.name}: has labels {labels}; 0 … {first.classes - 1} are needed")
    if not (np.array_equal(first.features, again.features) and np.array_equal(first.targets, again.targets)):
        raise PartError(f"{part.name}: draws other rows when asked again; use the generator it is given")


def _surface(part: Part, parameters: Mapping[str, Any]) -> None:
    at = [np.float64(low + 0.4 * (high - low)) for low, high in part.domain]
    given = [*at, np.float64(0.0)] if is_separable(part) else at
    found = part.function(*given, *parameters.values())
    wanted = "a term and its slope" if is_separable(part) else "f, ∂f/∂x, ∂f/∂y"
    count = 2 if is_separable(part) else 3
    if not isinstance(found, tuple) or len(found) != count:
        raise PartError(f"{part.name}: returns {_shown(found)}; {count} are needed: {wanted}")
    for value in found:
        if not _is_number(value):
            raise PartError(f"{part.name}: returns {_shown(value)} among {wanted}; each must be a number")


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "bif"


def _shown(value: Any) -> str:
    """What was returned, in two or three words."""
    if isinstance(value, tuple):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return "nothing" if value is None else f"one value ({type(value).__name__})"


PROOFS: Mapping[str, Callable[[Part, Mapping[str, Any]], None]] = {
    "optimizer": _optimizer,
    "activation": _activation,
    "initializer": _initializer,
    "dataset": _dataset,
    "surface": _surface,
}
