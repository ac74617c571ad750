"""What `train_arrays` refuses, in one line that names the argument."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim import train_arrays
from sim.errors import StudyError

GOOD = {
    "inputs": [[1.0, 0.0], [0.5, 1.0]],
    "targets": [0, 1],
    "weights": [np.ones((3, 2)), np.ones((2, 3))],
    "biases": [np.zeros(3), np.zeros(2)],
    "order": [[0, 1]],
}
BAD = [
    ("inputs", [1.0, 0.0]),
    ("inputs", [[1.0, math.nan], [0.5, 1.0]]),
    ("inputs", [["a", "b"], ["c", "d"]]),
    ("biases", [np.zeros(3)]),
    ("biases", [np.zeros(3), np.zeros(3)]),
    ("weights", [np.ones((3, 3)), np.ones((2, 3))]),
    ("weights", [np.ones((3, 2)), np.ones(3)]),
    ("order", [[0, 1], [0]]),
    ("order", [[0.5, 0.0]]),
    ("order", [[0, 2]]),
    ("order", []),
    ("targets", [0, 2]),
    ("targets", [0]),
    ("precision", "float16"),
    ("weight_decay", -1.0),
    ("dropout", 1.0),
    ("decay", "l3"),
    ("activation", "tahn"),
    ("optimizer", {"name": "adam", "beta3": 1.0}),
    ("optimizer", {"lr": 1.0}),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: str(value)[:30])
def test_a_bad_argument_is_named_in_one_line(name: str, value: object) -> None:
    with pytest.raises(StudyError) as error:
        train_arrays(**{**GOOD, name: value})
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_binary_cross_entropy_wants_probabilities() -> None:
    with pytest.raises(StudyError, match="from 0 to 1"):
        train_arrays(**{**GOOD, "targets": [[3.0, 0.0], [0.0, 1.0]]}, loss="binary_cross_entropy")


def test_good_arguments_train() -> None:
    assert np.isfinite(train_arrays(**GOOD).losses).all()
