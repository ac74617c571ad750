"""Small random training problems, handed alike to the kernels and to their twin in ``naive``."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import naive
import numpy as np
from hypothesis import strategies as st

LOSSES = tuple(naive.LOSSES)
NORMALIZERS = ("none", "batch", "layer")


def optimizers(normalizer: str) -> dict[str, tuple[dict[str, Any], ...]]:
    """The four optimizers in their forms, every hyperparameter given.

    Batch normalization leaves the biases before it a gradient that is zero but for rounding.  With ε = 1e-8
    Adam and RMSprop would blow that up to steps of any size, so there ε is 1e-3.
    """
    epsilon = 1e-3 if normalizer == "batch" else 1e-8
    rmsprop = {"name": "rmsprop", "lr": 0.01, "rho": 0.9, "epsilon": epsilon}
    adam = {"name": "adam", "lr": 0.02, "beta1": 0.85, "beta2": 0.99, "epsilon": epsilon}
    return {
        "sgd": ({"name": "sgd", "lr": 0.15},),
        "momentum": (
            {"name": "momentum", "lr": 0.1, "beta": 0.8, "form": "ema"},
            {"name": "momentum", "lr": 0.05, "beta": 0.7, "form": "heavy_ball", "dampening": 0.3},
        ),
        "rmsprop": (
            {**rmsprop, "momentum": 0.0, "centered": False},
            {**rmsprop, "momentum": 0.6, "centered": False},
            {**rmsprop, "momentum": 0.0, "centered": True},
            {**rmsprop, "momentum": 0.6, "centered": True},
        ),
        "adam": ({**adam, "bias_correction": True}, {**adam, "bias_correction": False}),
    }


@dataclass(frozen=True)
class Case:
    """A network, a data set and a way to train, all from one seed; ``widths`` runs from inputs to outputs."""

    widths: tuple[int, ...] = (5, 7, 7, 3)
    activation: Any = "tanh"
    normalizer: str = "none"
    loss: str = "softmax_cross_entropy"
    optimizer: Any = field(default_factory=lambda: {"name": "sgd", "lr": 0.1})
    residual: bool = False
    weight_decay: float = 0.0
    clipping: Any = "none"
    batch: int = 8
    steps: int = 20
    rows: int = 60
    seed: int = 0
    nonzero_biases: bool = True

    @property
    def net(self) -> naive.Network:
        return naive.Network(self.activation, self.normalizer, self.loss, self.residual)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Inputs, targets, weights, biases and the order of samples, as ``train_arrays`` takes them."""
        draw = np.random.default_rng(self.seed)
        inputs = draw.normal(size=(self.rows, self.widths[0]))
        targets: np.ndarray = draw.integers(0, self.widths[-1], self.rows)
        if self.loss == "half_squared_error":
            targets = draw.normal(size=(self.rows, self.widths[-1]))
        if self.loss == "binary_cross_entropy":
            targets = draw.integers(0, 2, (self.rows, self.widths[-1])).astype(float)
        weights = [draw.normal(size=(o, i)) * np.sqrt(1.5 / i) for i, o in pairwise(self.widths)]
        biases = [draw.normal(size=o) * 0.3 * self.nonzero_biases for o in self.widths[1:]]
        return inputs, targets, weights, biases, draw.integers(0, self.rows, (self.steps, self.batch))

    def twin(self, nudge: int = 0) -> dict[str, Any]:
        """What ``naive`` makes of it; ``nudge`` moves every weight by so many units in the last place, and
        shifts, which begin at 0 and may return there, where some activations have a kink.
        """
        inputs, targets, weights, biases, order = self.arrays()
        draw = np.random.default_rng(self.seed + 1)
        weights = [W * (1 + nudge * np.finfo(float).eps * draw.choice((-1, 1), W.shape)) for W in weights]
        return naive.train(
            inputs, targets, weights, biases, order, net=self.net, optimizer=self.optimizer,
            weight_decay=self.weight_decay, clipping=self.clipping, shift=nudge * np.finfo(float).eps,
        )  # fmt: skip

    def kernel(self, precision: str = "float64", **given: Any) -> Any:
        """What ``sim.train_arrays`` makes of it."""
        from sim import train_arrays

        return train_arrays(
            *self.arrays(), activation=self.activation, normalizer=self.normalizer, loss=self.loss,
            optimizer=self.optimizer, residual=self.residual, weight_decay=self.weight_decay,
            clipping=self.clipping, precision=precision, **given,
        )  # fmt: skip


CLIPPINGS = ("none", {"name": "norm", "limit": 0.3}, {"name": "value", "limit": 0.05})


@st.composite
def cases(draw: st.DrawFn, activation: Any, depths: tuple[int, int] = (0, 6), steps: int = 20) -> Case:
    """Any widths from 1 to 19, depth, classes, batch size from 1 to 50, and every other part of a network."""
    depth = draw(st.integers(*depths))
    loss = draw(st.sampled_from(LOSSES))
    normalizer = draw(st.sampled_from(NORMALIZERS))
    width = st.integers(1, 19)
    hidden = [draw(width)] * depth if draw(st.booleans()) else [draw(width) for _ in range(depth)]
    outputs = draw(st.integers(2 if loss == "softmax_cross_entropy" else 1, 12))
    rule = draw(st.sampled_from(sorted(naive.OPTIMIZERS)))
    return Case(
        widths=(draw(width), *hidden, outputs),
        activation=activation,
        normalizer=normalizer,
        loss=loss,
        optimizer=draw(st.sampled_from(optimizers(normalizer)[rule])),
        residual=draw(st.booleans()),
        weight_decay=draw(st.sampled_from((0.0, 0.05))),
        clipping=draw(st.sampled_from(CLIPPINGS)),
        batch=draw(st.integers(1, 50)),
        steps=steps,
        seed=draw(st.integers(0, 2**16)),
    )


def quantities(trained: Any) -> dict[str, list[np.ndarray]]:
    """All that a training returns, of the kernels or of the twin, by name; state by the name of its slot."""
    series = (*naive.KINDS, "losses", "gradient_norms")
    if isinstance(trained, dict):
        found = {name: trained[name] for name in series}
        found["running_mean"] = [mean for mean, _ in trained["running"]]
        found["running_variance"] = [variance for _, variance in trained["running"]]
        layers = [slots for kind in naive.KINDS for slots in trained["slots"][kind]]
        found |= {slot: [slots[slot] for slots in layers] for slot in layers[0]}
    else:
        found = {name: getattr(trained, name) for name in (*series, "running_mean", "running_variance")}
        for slot, kinds in trained.state.items():
            found[slot] = [array for kind in naive.KINDS for array in kinds[kind]]
    return {name: [np.asarray(a, float) for a in arrays] for name, arrays in found.items()}


def difference(found: Any, expected: Any) -> float:
    """The largest |found − expected| of any quantity, relative to that quantity's largest entry.

    A quantity is all layers' weights, all biases, the losses of all steps …  An entry by itself may be as
    near 0 as chance has it, and has then no relative accuracy to speak of.
    """
    largest = 0.0
    a, b = quantities(found), quantities(expected)
    assert a.keys() == b.keys()
    for name in b:
        assert [x.shape for x in a[name]] == [y.shape for y in b[name]], name
        scale = max((np.abs(y).max() for y in b[name]), default=1.0)
        for x, y in zip(a[name], b[name], strict=True):
            assert np.isfinite(x).all(), name
            assert np.isfinite(y).all(), name
            largest = max(largest, np.abs(x - y).max() / (scale or 1.0))
    return float(largest)
