"""What every optimizer of the registry keeps to, and the identities that some are known by."""

from __future__ import annotations

import re
from typing import Any

import numba
import numpy as np
import pytest
from trials import TRIALS
from updates import Updater, descend

from sim.catalog.optimizers import optimizer
from sim.errors import StudyError
from sim.kernels import jit, parts


def _rules() -> dict[str, tuple[Any, Any]]:
    """Name of each rule -> its optimizer and the rule; settings of the trials choose among several."""
    choices = [{"name": name} for name in optimizer] + [trial.ours for trial in TRIALS.values()]
    found = {}
    for choice in choices:
        given = {key: value for key, value in choice.items() if key != "name"}
        part = optimizer[choice["name"]]
        rule = part.rule(part.bind(**given))
        found[f"{part.name}{rule.update.__name__}"] = part, rule
    return found


RULES = _rules()
ELEMENTWISE = {name: found for name, found in RULES.items() if not found[1].layerwise}
EVERY_RULE = pytest.mark.parametrize(("part", "rule"), RULES.values(), ids=RULES)
EVERY_ELEMENTWISE_RULE = pytest.mark.parametrize(("part", "rule"), ELEMENTWISE.values(), ids=ELEMENTWISE)
EVERY_OPTIMIZER = pytest.mark.parametrize("name", optimizer)


# --- contracts -------------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_says_what_it_is(name: str) -> None:
    """The first hyperparameter is the learning rate; the docstring names equation and source."""
    part = optimizer[name]
    assert next(iter(part.parameters)) == "lr"
    assert "←" in (part.function.__doc__ or "")
    assert re.search(r"Source: .*\d{4}", part.function.__doc__ or "", re.DOTALL)


@EVERY_ELEMENTWISE_RULE
def test_returns_theta_and_every_slot(part: Any, rule: Any) -> None:
    assert len(set(rule.slots)) == len(rule.slots)
    numbers = rule.update.__code__.co_argcount - 2 - len(rule.slots)
    values = rule.update(np.float64(1.0), np.float64(0.5), *[np.float64(0.1)] * (len(rule.slots) + numbers))
    assert len(values) == 1 + len(rule.slots)


def _fresh(part: Any, rule: Any, precision: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What LLVM made of an update kernel; code from the cache cannot be looked into."""
    monkeypatch.setattr(jit, "kernel", lambda code, signature: numba.njit(signature, **jit.FLAGS)(code))
    kernel = parts._update_kernel.__wrapped__(part, rule, jit.REAL[precision])
    return "\n".join(kernel.inspect_llvm().values())


@EVERY_ELEMENTWISE_RULE
def test_single_precision_stays_single(part: Any, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = _fresh(part, rule, "float32", monkeypatch)
    assert re.search(r"f(mul|add|sub|div) (<\d+ x )?float", code)
    assert not re.search(r"f(mul|add|sub|div|cmp|pext|ptrunc)[^\n]* double", code)


@EVERY_ELEMENTWISE_RULE
@pytest.mark.parametrize(("precision", "word"), [("float32", "float"), ("float64", "double")])
def test_loop_is_vectorised(
    part: Any, rule: Any, precision: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = _fresh(part, rule, precision, monkeypatch)
    assert re.search(rf"f(mul|add|sub) <\d+ x {word}>", code)
    if f" fdiv {word}" in code:
        assert f"x {word}>" in "".join(line for line in code.splitlines() if " fdiv <" in line)


@EVERY_RULE
def test_second_call_compiles_nothing(part: Any, rule: Any) -> None:
    real = jit.REAL["float64"]
    before = jit.compile_seconds(), parts.optimizer_kernels(part, rule, real)
    spent = jit.compile_seconds()
    again = parts.optimizer_kernels(part, rule, real)
    assert again == before[1]
    assert jit.compile_seconds() == spent
    for kernel, arguments in zip(again, (3, 6, 4), strict=True):
        assert len(kernel.signatures) == 1
        with pytest.raises(TypeError, match="No matching definition"):
            kernel(*[np.zeros(1, np.float32)] * arguments)


@EVERY_OPTIMIZER
def test_converges_on_a_parabola(name: str) -> None:
    """Some rate brings the distance from the minimum of ½ Σ λ (θ − c)² to 2 % within 3000 steps."""
    curvature, minimum = np.array([0.5, 1.0, 2.0]), np.array([0.3, -0.4, 0.5])
    ends = []
    for lr in (1.0, 0.1, 0.01, 0.001):
        path = descend({"name": name, "lr": lr}, lambda t: curvature * (t - minimum), np.zeros(3), 3000)
        ends.append(np.abs(path[-1] - minimum).max() if np.isfinite(path).all() else np.inf)
    assert min(ends) <= 0.02 * np.abs(minimum).max()


@EVERY_OPTIMIZER
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_goes_on_from_saved_state_with_equal_bytes(name: str, precision: str) -> None:
    draw = np.random.default_rng(3)
    start, slopes = draw.normal(size=37).astype(precision), draw.normal(size=(20, 37)).astype(precision)

    def walk(updater: Updater, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        for g in rows:
            updater(theta, theta * g + g)
        return theta

    whole = walk(Updater({"name": name}, 37, precision), start.copy(), slopes)
    first, second = Updater({"name": name}, 37, precision), Updater({"name": name}, 37, precision)
    half = walk(first, start.copy(), slopes[:9])
    second.state, second.step = first.state.copy(), first.step
    assert walk(second, half.copy(), slopes[9:]).tobytes() == whole.tobytes()


@EVERY_OPTIMIZER
def test_a_network_learns_with_it(name: str) -> None:
    from cases import Case

    arrays = Case().arrays()
    from sim import train_arrays

    rate = {"lr": 0.01} if name in ("sgd", "momentum", "nesterov") else {}
    order = np.tile(np.arange(60), (100, 1))
    losses = train_arrays(*arrays[:4], order, optimizer={"name": name, **rate}).losses
    assert losses[-1] < losses[0]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "adam", "lr": -1.0}, "lr = -1.0 must be a finite number"),
    ({"name": "adam", "beta1": 1.0}, "beta1 = 1.0 must be a finite number of at least 0 and below 1"),
    ({"name": "adam", "epsilon_place": "within"}, "must be one of outside, inside, before"),
    ({"name": "adam", "beta": 0.9}, "did you mean 'beta"),
    ({"name": "adam_w"}, "did you mean 'adamw'"),
    ({"name": "sophia", "every": 0}, "every = 0 must be a whole number of at least 1"),
    ({"name": "radam", "threshold": 3.0}, "threshold = 3.0 must be"),
]


@pytest.mark.parametrize(("choice", "message"), WRONG, ids=lambda x: str(x)[:40])
def test_wrong_hyperparameters_are_refused(choice: dict[str, Any], message: str) -> None:
    from cases import Case

    from sim import train_arrays

    with pytest.raises(StudyError, match=re.escape(message)):
        train_arrays(*Case().arrays(), optimizer=choice)


# --- identities ------------------------------------------------------------------------------


def steps_of(choice: dict[str, Any], slopes: np.ndarray, start: float = 1.0) -> np.ndarray:
    """θ after each step, the gradient of every step given."""
    given = iter(slopes)
    return descend(choice, lambda theta: np.atleast_1d(next(given)), np.array([start]), len(slopes))[:, 0]


@pytest.mark.parametrize("g", [3.0, -0.02, 1e-7])
def test_first_steps(g: float) -> None:
    """Adam: lr g/(|g| + ε); without correction lr (1 − β₁)/√(1 − β₂); RMSprop: lr/√(1 − ρ)."""
    slope = np.array([g])
    moved = 1.0 - steps_of({"name": "adam", "lr": 0.1}, slope)[0]
    assert moved == pytest.approx(0.1 * g / (abs(g) + 1e-8), rel=1e-12)
    raw = {"name": "adam", "lr": 0.1, "bias_correction": False, "epsilon": 0.0}
    assert 1.0 - steps_of(raw, slope)[0] == pytest.approx(0.316227766 * np.sign(g), rel=1e-8)
    rms = {"name": "rmsprop", "lr": 0.01, "epsilon": 0.0}
    assert 1.0 - steps_of(rms, slope)[0] == pytest.approx(0.01 / np.sqrt(1 - 0.99) * np.sign(g), rel=1e-12)


def test_moving_average_is_the_heavy_ball_with_a_smaller_rate() -> None:
    slopes = np.random.default_rng(0).normal(size=50)
    ema = steps_of({"name": "momentum", "lr": 0.1, "beta": 0.8}, slopes)
    ball = steps_of({"name": "momentum", "lr": 0.02, "beta": 0.8, "form": "heavy_ball"}, slopes)
    np.testing.assert_allclose(ema, ball, rtol=1e-12)


def test_adamw_without_gradient_only_decays() -> None:
    path = steps_of({"name": "adamw", "lr": 0.1, "weight_decay": 0.2}, np.zeros(60), start=3.0)
    np.testing.assert_allclose(path, 3.0 * (1 - 0.1 * 0.2) ** np.arange(1, 61), rtol=1e-12)


def test_decoupled_decay_makes_adam_adamw() -> None:
    from cases import Case, difference

    from sim import train_arrays

    arrays = Case().arrays()
    adam = {"name": "adam", "lr": 0.02}
    decayed = train_arrays(*arrays, optimizer=adam, weight_decay=0.3, decay="decoupled", schedule="cosine")
    adamw = train_arrays(
        *arrays, optimizer={"name": "adamw", "lr": 0.02, "weight_decay": 0.3}, schedule="cosine"
    )
    assert difference(decayed, adamw) <= 1e-13
    coupled = train_arrays(*arrays, optimizer=adam, weight_decay=0.3, schedule="cosine")
    assert difference(coupled, adamw) > 1e-3


@pytest.mark.parametrize("maximum", ["uncorrected", "corrected"])
def test_amsgrads_maximum_never_falls(maximum: str) -> None:
    updater = Updater({"name": "amsgrad", "maximum": maximum, "beta2": 0.5}, 20)
    draw, theta, before = np.random.default_rng(1), np.zeros(20), np.zeros(20)
    for _ in range(50):
        updater(theta, draw.normal(size=20))
        assert (updater.state[2] >= before).all()
        before = updater.state[2].copy()
    assert before.min() > updater.state[1].min()


def test_lions_steps_are_lr_long() -> None:
    slopes = np.random.default_rng(2).normal(size=100)
    path = steps_of({"name": "lion", "lr": 0.25}, slopes)
    np.testing.assert_array_equal(np.abs(np.diff(path)), 0.25)
    assert steps_of({"name": "lion", "lr": 0.25}, np.zeros(1))[0] == 1.0  # sign 0 = 0


def test_a_nan_gradient_is_seen() -> None:
    """No rule hides a number that is none: it shows in θ at once."""
    for name in optimizer:
        updater, theta = Updater({"name": name}, 3), np.zeros(3)
        updater(theta, np.array([0.1, np.nan, 0.1]))
        assert np.isnan(theta[1]), name
        assert np.isfinite(theta[[0, 2]]).all() or updater.rule.layerwise, name


@pytest.mark.parametrize(("name", "end"), [("adam", 1.0), ("amsgrad", -1.0)])
def test_reddis_counterexample(name: str, end: float) -> None:
    """f = C x every third time, else −x, on [−1, 1]: Adam goes to the worst end, AMSGrad to the best."""
    large, steps = 4.0, 30_000
    choice = {
        "name": name,
        "beta1": 0.0,
        "beta2": 1 / (1 + large**2),
        "epsilon": 0.0,
        "bias_correction": False,
    }
    updater, theta, regret = Updater({**choice, "lr": 1.0}, 1), np.zeros(1), 0.0
    for t in range(1, steps + 1):
        g = large if t % 3 == 1 else -1.0
        regret += g * (theta[0] + 1.0) * (t > steps - 3000)
        updater.hyperparameters[0] = 0.5 / np.sqrt(t)
        updater(theta, np.array([g]))
        np.clip(theta, -1.0, 1.0, out=theta)
    assert theta[0] == pytest.approx(end, abs=0.02)
    expected = (2 * large - 4) / 3 if name == "adam" else 0.0
    assert regret / 3000 == pytest.approx(expected, abs=0.05)
