"""The reference points: small networks on digits, and how many operations a step of one takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

INPUTS, OUTPUTS = 64, 10
"""Pixels of a digit, and digits."""

LEARNING_RATES = {"adam": 1e-3, "sgd": 0.1}


@dataclass(frozen=True)
class Point:
    """Networks of tanh layers under softmax cross-entropy, each with mini-batches of its own."""

    name: str
    depth: int
    """Hidden layers."""
    width: int
    batch: int
    networks: int
    precision: str = "float32"
    optimizer: str = "adam"
    normalizer: str = "none"
    checkpoints: int = 0
    """How often every layer's statistics are taken, from the first step to the last; 0 is never."""
    steps: int = 300

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden layers …, outputs."""
        return (INPUTS, *[self.width] * self.depth, OUTPUTS)

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(fan_out, fan_in) of each layer."""
        return tuple(zip(self.widths[1:], self.widths[:-1], strict=True))

    @property
    def parameters(self) -> int:
        """Weights and biases of one network."""
        return sum(fan_out * (fan_in + 1) for fan_out, fan_in in self.shapes)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return LEARNING_RATES[self.optimizer]

    @property
    def flops(self) -> int:
        """Operations of one network's step, as all contestants are counted: 6 · batch · Σ in · out.

        A multiplication and an addition for each weight and sample, three times: forward, gradient of
        the weights, gradient of the inputs. Padding, activations and the optimizer are not counted.
        """
        return 6 * self.batch * sum(fan_in * fan_out for fan_out, fan_in in self.shapes)

    @property
    def needed_flops(self) -> int:
        """The same without the gradient of the first layer's inputs, which nobody needs."""
        fan_out, fan_in = self.shapes[0]
        return self.flops - 2 * self.batch * fan_in * fan_out

    @property
    def traffic(self) -> int:
        """Bytes that a step reads and writes if an array travels whenever it is used: a model, not a count.

        θ is read forward, backward and by the update, which writes it; the gradient is written and read;
        each slot of the optimizer is read and written. A hidden layer's pre-activations, activations,
        the same transposed, and δ are each written once and read once, the outputs' twice, inputs read twice.
        """
        slots = {"adam": 2, "sgd": 0}[self.optimizer]
        values = self.parameters * (6 + 2 * slots)
        values += self.batch * (2 * INPUTS + 8 * self.width * self.depth + 4 * OUTPUTS)
        return values * {"float32": 4, "float64": 8}[self.precision]

    def of(self, **changes: object) -> Point:
        """The same point with some of it changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


_A = Point("A", depth=4, width=32, batch=32, networks=1024)

POINTS = {
    point.name: point
    for point in (
        _A,
        _A.of(name="A-sgd", optimizer="sgd"),
        Point("B", depth=8, width=32, batch=32, networks=512),
        Point("C", depth=16, width=16, batch=32, networks=1024),
        Point("D", depth=4, width=64, batch=64, networks=256),
        Point("E", depth=2, width=8, batch=16, networks=4096),
        _A.of(name="F", precision="float64"),
        Point("G", depth=3, width=30, batch=50, networks=1024),  # nothing a multiple of a vector's lanes
        _A.of(name="H", normalizer="batch", checkpoints=20),
    )
}
