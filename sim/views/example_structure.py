"""A small network as formulas: what each unit computes, and the chain rule from the loss to each parameter.

Inputs are x1 …, targets y1 … (y where there is one); units are numbered through the hidden layers and the
output layer: unit 3 computes z3 from the layer below and a3 = φ(z3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np

from sim.study import Choice
from sim.study.example_model import Example
from sim.views.formulas import FUNCTIONS, partial, renamed, symbols


class Structure:
    """The formulas of one example."""

    def __init__(self, example: Example) -> None:
        self.example = example
        self.last = len(example.layers) - 1

    def units(self) -> Iterator[tuple[int, int]]:
        """(layer, unit) of every unit, input side first; the first layer with units is 1."""
        for layer in range(1, self.last + 1):
            for unit in self.example.layer_units(layer):
                yield layer, unit

    def given(self, sample: int, parameters: Mapping[str, float]) -> dict[str, float]:
        """What is known of a sample before anything is computed."""
        inputs, targets = self.example.inputs[sample], self.example.targets[sample]
        found = {f"x{place}": value for place, value in enumerate(inputs, 1)}
        found |= dict(zip(self.targets, targets, strict=True))
        return {**found, **parameters}

    @cached_property
    def targets(self) -> list[str]:
        """y, or y1, y2 …"""
        count = self.example.layers[-1]
        return ["y"] if count == 1 else [f"y{place}" for place in range(1, count + 1)]

    def sources(self, layer: int) -> list[str]:
        """What the units of a layer see."""
        letter = "x" if layer == 1 else "a"
        return [f"{letter}{place}" for place in self.example.layer_units(layer - 1)]

    def row(self, layer: int, unit: int) -> tuple[tuple[str, ...], str]:
        """Names of the weights and the bias of a unit."""
        place = unit - self.example.layer_units(layer)[0]
        return self.example.weight_names[layer - 1][place], self.example.bias_names[layer - 1][place]

    def sum_of(self, layer: int, unit: int) -> str:
        """z = Σ w a + b."""
        weights, bias = self.row(layer, unit)
        products = [f"{w} * {a}" for w, a in zip(weights, self.sources(layer), strict=True)]
        return " + ".join([*products, bias])

    def _of_layer(self, layer: int) -> Choice:
        return self.example.output if layer == self.last else self.example.activation

    def _equation(self, layer: int, unit: int, which: int) -> str:
        """The activation's value (0) or slope (1) at a unit, its parameters as numbers."""
        choice = self._of_layer(layer)
        plain = (f"{choice.name}(z)", f"{choice.name}_slope(z)")
        written = choice.part.traits.get("equations", plain)[which]
        given = {word: repr(value) for word, value in choice.parameters}
        return renamed(written, {**given, "z": f"z{unit}", "a": f"a{unit}"})

    def activation(self, layer: int, unit: int) -> str:
        """a = φ(z)."""
        return self._equation(layer, unit, 0)

    # --- the loss -------------------------------------------------------------------------

    @property
    def outputs(self) -> list[str]:
        """The last layer's activations."""
        return [f"a{unit}" for unit in self.example.layer_units(self.last)]

    @cached_property
    def _loss_equations(self) -> tuple[str, list[str], list[str]]:
        """f, and g and ∂ℓ/∂a of every output."""
        part = self.example.loss.part
        pairs = list(zip(self.outputs, self.targets, strict=True))
        if "equations" not in part.traits:
            listed = ", ".join(word for pair in pairs for word in pair)
            slopes = [f"{part.name}_slope({place}, {listed})" for place in range(len(pairs))]
            return f"{part.name}({listed})", [], slopes
        first, term, slope = part.equations
        each = [{"a": a, "y": y} for a, y in pairs]
        return first, [renamed(term, names) for names in each], [renamed(slope, names) for names in each]

    def loss_parts(self) -> list[tuple[str, str]]:
        """What the loss needs besides: S, the sum of the outputs' exponentials."""
        first, terms, slopes = self._loss_equations
        if not any("S" in symbols(formula) for formula in (first, *terms, *slopes)):
            return []
        return [("S", " + ".join(f"exp({a})" for a in self.outputs))]

    def loss(self) -> str:
        """ℓ = f + Σ g."""
        first, terms, _ = self._loss_equations
        return renamed(" + ".join(f"({part})" for part in [first] * (first != "0") + terms), {})

    # --- the chain rule --------------------------------------------------------------------

    @cached_property
    def locals(self) -> dict[str, str]:
        """Each derivative of one step → its formula."""
        return dict(self.local_slopes()) | {
            partial(f"z{above}", f"a{unit}"): self.row(layer + 1, above)[0][place]
            for layer in range(1, self.last)
            for place, unit in enumerate(self.example.layer_units(layer))
            for above in self.example.layer_units(layer + 1)
        }

    def local_slopes(self) -> list[tuple[str, str]]:
        """∂L/∂a of every output and ∂a/∂z of every unit, from the output back."""
        slopes = self._loss_equations[2]
        found = [(partial("L", a), slope) for a, slope in zip(self.outputs, slopes, strict=True)]
        return found + [
            (partial(f"a{unit}", f"z{unit}"), self._equation(layer, unit, 1))
            for layer in range(self.last, 0, -1)
            for unit in self.example.layer_units(layer)
        ]

    def chain(self, unit: int) -> str:
        """∂L/∂z of a unit: along the one path to the loss, or summed over the units above."""
        layer = next(number for number, found in self.units() if found == unit)
        own = partial(f"a{unit}", f"z{unit}")
        if layer == self.last:
            return f"{partial('L', f'a{unit}')} * {own}"
        above = self.example.layer_units(layer + 1)
        if len(above) == 1:
            return f"{self.chain(above[0])} * {partial(f'z{above[0]}', f'a{unit}')} * {own}"
        paths = (f"{partial('L', f'z{k}')} * {partial(f'z{k}', f'a{unit}')}" for k in above)
        return f"({' + '.join(paths)}) * {own}"

    def connections(self) -> Iterator[tuple[str, int, str]]:
        """(parameter, unit, ∂z/∂parameter) in the order of the kernels' θ, layer by layer."""
        for layer in range(1, self.last + 1):
            rows = [(unit, *self.row(layer, unit)) for unit in self.example.layer_units(layer)]
            for unit, weights, _ in rows:
                for weight, source in zip(weights, self.sources(layer), strict=True):
                    yield weight, unit, source
            for unit, _, bias in rows:
                yield bias, unit, "1"

    # --- parts that do not say how they are written -------------------------------------------

    @cached_property
    def functions(self) -> dict[str, Callable[..., float]]:
        """All functions that formulas may call: those of every formula, and parts by their names."""
        found = dict(FUNCTIONS)
        for choice in (self.example.activation, self.example.output):
            for name, which in ((choice.name, 0), (f"{choice.name}_slope", 1)):
                found.setdefault(name, _activation(choice, which))
        loss = self.example.loss
        found.setdefault(loss.name, lambda *given: _loss(loss, given)[0])
        found.setdefault(f"{loss.name}_slope", lambda place, *given: _loss(loss, given)[1][int(place)])
        return found


def _activation(choice: Choice, which: int) -> Callable[[float], float]:
    """Value or slope of an activation, as plain Python computes it."""
    given = tuple(value for _, value in choice.parameters)
    return lambda z: float(choice.part.function(np.float64(z), *given)[which])


def _loss(choice: Choice, given: tuple[float, ...]) -> tuple[float, list[float]]:
    """A sample's loss and its slopes, as plain Python computes them; ``given`` is a, y, a, y …"""
    outputs, targets = (np.array(given[place::2], float)[:, None] for place in (0, 1))
    delta, losses, scratch = np.zeros_like(outputs), np.zeros(1), np.zeros((2, 1))
    choice.part.function(outputs, targets, delta, losses, scratch)
    return float(losses[0]), [float(value) for value in delta[:, 0]]
