"""Activations of the output layer, and parameters that are not trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import naive
import numpy as np
import pytest

import sim
from sim.errors import StudyError

OUTPUTS = ["sigmoid", "tanh", "softplus", {"name": "leaky_relu", "slope": 0.3}, "linear"]
LOSSES = {"half_squared_error": 2, "softmax_cross_entropy": 3, "binary_cross_entropy": 2}


def problem(outputs: int) -> dict[str, Any]:
    draw = np.random.default_rng(11)
    widths = (3, 4, 5, outputs)
    return {
        "inputs": draw.normal(size=(6, 3)),
        "targets": np.eye(outputs)[draw.integers(0, outputs, 6)],
        "weights": [draw.normal(size=(o, i)) / 2 for i, o in pairwise(widths)],
        "biases": [draw.normal(size=o) for o in widths[1:]],
        "order": np.array([[0, 1, 2, 3], [2, 5, 0, 4], [1, 3, 5, 0]]),
    }


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_output_activation_trains_as_the_twin_does(output: Any, loss: str) -> None:
    given = problem(LOSSES[loss])
    found = sim.train_arrays(**given, output=output, loss=loss, optimizer={"name": "sgd", "lr": 0.3})
    net = naive.Network("tanh", loss=loss, output=output)
    expected = naive.train(**given, net=net, optimizer={"name": "sgd", "lr": 0.3})
    np.testing.assert_allclose(found.losses, expected["losses"], rtol=1e-13)
    for kind in ("weights", "biases"):
        for p, e in zip(getattr(found, kind), expected[kind], strict=True):
            np.testing.assert_allclose(p, e, rtol=1e-12, atol=1e-14)


RULES = [
    {"name": "momentum", "lr": 0.1},
    {"name": "adamw", "lr": 0.1, "weight_decay": 0.3},
    {"name": "lamb", "lr": 0.1, "weight_decay": 0.2},
]


@pytest.mark.parametrize("decay", ["l2", "decoupled"])
@pytest.mark.parametrize("optimizer", RULES, ids=lambda rule: rule["name"])
def test_what_is_frozen_stays_to_the_bit(optimizer: Any, decay: str) -> None:
    """Under momentum, decay of either kind and clipping; what is not frozen learns."""
    given = problem(2)
    frozen = ["biases", "weights[1]"]
    found = sim.train_arrays(
        **given, loss="half_squared_error", optimizer=optimizer, frozen=frozen,
        weight_decay=0.2, decay=decay, clipping={"name": "norm", "limit": 0.1},
    )  # fmt: skip
    for b, start in zip(found.biases, given["biases"], strict=True):
        assert b.tobytes() == start.tobytes()
    assert found.weights[1].tobytes() == given["weights"][1].tobytes()
    assert (found.weights[0] != given["weights"][0]).all()
    assert (found.weights[2] != given["weights"][2]).all()
    for slot in found.state.values():
        assert not slot["weights"][1].any()
        assert not any(b.any() for b in slot["biases"])


def test_frozen_parameters_count_in_no_norm() -> None:
    """The rest is trained as if the frozen ones were constants: clipping sees the others' norm alone."""
    given = problem(2)
    net = naive.Network("tanh", loss="half_squared_error")
    clipping = {"name": "norm", "limit": 0.1}
    found = sim.train_arrays(
        **{**given, "order": given["order"][:1]}, loss="half_squared_error", frozen=["biases"],
        optimizer={"name": "sgd", "lr": 1.0}, clipping=clipping,
    )  # fmt: skip
    rows = given["order"][0]
    theta = naive.parameters(net, given["weights"], given["biases"])
    _, g, _, _ = naive.gradient(net, theta, given["inputs"][rows], given["targets"][rows])
    g["biases"] = [np.zeros_like(b) for b in g["biases"]]
    assert found.gradient_norms[0] == pytest.approx(naive.global_norm(g), rel=1e-13)
    for w, start, d in zip(found.weights, given["weights"], naive.clip(g, clipping)["weights"], strict=True):
        np.testing.assert_allclose(w, start - d, rtol=1e-13)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"frozen": ["bias"]}, "frozen: 'bias' is unknown; did you mean 'biases'?"),
        ({"frozen": "biases"}, "frozen: 'biases' is not a list of names"),
        ({"frozen": ["weights[3]"]}, "frozen: 'weights\\[3\\]' is unknown"),
        ({"output": "sigmiod"}, "output: unknown activation 'sigmiod'; did you mean 'sigmoid'?"),
    ],
)
def test_what_cannot_be_is_said(given: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        sim.train_arrays(**problem(2), loss="half_squared_error", **given)
