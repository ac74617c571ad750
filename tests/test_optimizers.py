"""What every optimizer of the registry keeps to, and the identities that some are known by."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import pytest
from trials import TRIALS
from updates import Updater, descend

from sim.catalog.optimizers import optimizer
from sim.errors import StudyError
from sim.kernels import jit, layerwise, parts
from sim.kernels.layout import Layer


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
ELEMENTWISE = {name: found for name, found in RULES.items() if found[1].elementwise}
EVERY_RULE = pytest.mark.parametrize(("part", "rule"), RULES.values(), ids=RULES)
EVERY_ELEMENTWISE_RULE = pytest.mark.parametrize(("part", "rule"), ELEMENTWISE.values(), ids=ELEMENTWISE)
LOOKED_INTO = pytest.mark.parametrize(
    ("part", "rule"),
    [
        pytest.param(*found, id=name, marks=() if found[0].name in ("sgd", "adam") else pytest.mark.slow)
        for name, found in ELEMENTWISE.items()
    ],
)
"""To look into a rule's code it is compiled anew, half a second each time: all of them only at night."""
EVERY_OPTIMIZER = pytest.mark.parametrize("name", optimizer)


# --- contracts -------------------------------------------------------------------------------


@EVERY_OPTIMIZER
def test_says_what_it_is(name: str) -> None:
    """The first hyperparameter is the learning rate; the docstring names equation and source."""
    part = optimizer[name]
    assert next(iter(part.parameters)) == "lr"
    assert "←" in (part.function.__doc__ or "")
    assert re.search(r"Source: .*\d{4}", part.function.__doc__ or "", re.DOTALL)


@EVERY_RULE
def test_says_how_much_it_keeps(part: Any, rule: Any) -> None:
    """Rows of state for a vector of 40: slots, vectors, and pairs of matrices, single numbers."""
    layers = [Layer(*map(int, row)) for row in layerwise.vector_table(40)]
    more = rule.pairs * (40 * 40 + 1) + rule.numbers
    rows, least = layerwise.state_rows(rule, layers, 40), rule.per_parameter + -(-more // 40)
    assert rows >= least if rule.pairs else rows == least
    assert rule.per_parameter == len(rule.slots) + rule.vectors
    assert not (rule.elementwise and more)


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


@LOOKED_INTO
def test_single_precision_stays_single(part: Any, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = _fresh(part, rule, "float32", monkeypatch)
    assert re.search(r"f(mul|add|sub|div) (<\d+ x )?float|llvm\.fma\.(v\d+)?f32", code)
    assert not re.search(r"f(mul|add|sub|div|cmp|pext|ptrunc)[^\n]* double|llvm\.fma\.(v\d+)?f64", code)


@LOOKED_INTO
@pytest.mark.parametrize(("precision", "word"), [("float32", "float"), ("float64", "double")])
def test_loop_is_vectorised(
    part: Any, rule: Any, precision: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = _fresh(part, rule, precision, monkeypatch)
    assert re.search(rf"f(mul|add|sub) <\d+ x {word}>|call <\d+ x {word}> @llvm\.fma\.v", code)
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
        path = descend(
            {"name": name, "lr": lr}, lambda t: curvature * (t - minimum), np.zeros(3), 3000,
            value=lambda t: float(0.5 * curvature @ (t - minimum) ** 2),
        )  # fmt: skip
        ends.append(np.abs(path[-1] - minimum).max() if np.isfinite(path).all() else np.inf)
    assert min(ends) <= 0.02 * np.abs(minimum).max()


@EVERY_OPTIMIZER
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_goes_on_from_saved_state_with_equal_bytes(name: str, precision: str) -> None:
    draw = np.random.default_rng(3)
    start, slopes = draw.normal(size=37).astype(precision), draw.normal(size=(20, 37)).astype(precision)

    def walk(updater: Updater, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        for g in rows:
            updater(theta, theta * g + g, float(g @ (0.5 * theta * theta + theta)))
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
    assert losses[-5:].min() < losses[0]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "adam", "lr": -1.0}, "lr = -1.0 must be a finite number"),
    ({"name": "adam", "beta1": 1.0}, "beta1 = 1.0 must be a finite number of at least 0 and below 1"),
    ({"name": "adam", "epsilon_place": "within"}, "must be one of outside, inside, before"),
    ({"name": "adam", "beta": 0.9}, "did you mean 'beta"),
    ({"name": "adam_w"}, "did you mean 'adamw'"),
    ({"name": "sophia", "every": 0}, "every = 0 must be a whole number of at least 1"),
    ({"name": "radam", "threshold": 3.0}, "threshold = 3.0 must be"),
    ({"name": "schedule_free_sgd", "beta": 0.0}, "beta = 0.0 must be a finite number above 0 and below 1"),
    ({"name": "lbfgs", "history": 0}, "history = 0 must be a whole number"),
    ({"name": "lbfgs"}, "order: lbfgs needs the same rows in every step, the full batch"),
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
        assert np.isfinite(theta[[0, 2]]).all() or not updater.rule.elementwise, name


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


# --- evaluated elsewhere, and searching ------------------------------------------------------


def test_schedule_free_is_the_average_of_its_steps() -> None:
    """x = Σ γ² z / Σ γ², γ rising over ten steps; y between; the kernel keeps z − y alone."""
    slopes, lr, beta = np.random.default_rng(4).normal(size=40), 0.3, 0.8
    choice = {"name": "schedule_free_sgd", "lr": lr, "beta": beta, "warmup": 10}
    updater, theta = Updater(choice, 1), np.ones(1)
    z, weights, places = 1.0, [], []
    for t, g in enumerate(slopes, start=1):
        updater(theta, np.array([g]))
        rate = lr * min(1.0, t / 10)
        z -= rate * g
        weights.append(rate**2)
        places.append(z)
        x = np.average(places, weights=weights)
        assert updater.evaluated_at(theta)[0] == pytest.approx(x, rel=1e-12)
        assert theta[0] == pytest.approx((1 - beta) * z + beta * x, rel=1e-12)
    assert len(updater.rule.slots) == 1


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw", "adam"])
def test_checkpoints_score_what_training_leaves(name: str) -> None:
    """The last checkpoint's scores are those of the parameters returned; a schedule-free gradient is not."""
    import naive
    from cases import Case
    from test_fleet import train_fleet

    case = Case(optimizer={"name": name, "lr": 0.05}, steps=25)
    architecture, fleet, notes = train_fleet([case], (0, 25))
    from sim.kernels import fleet as fleets

    inputs, targets, *_ = case.arrays()
    net = naive.Network(case.activation)
    theta = naive.parameters(
        net,
        [fleets.weights(fleet.theta[0], layer) for layer in architecture.layout.layers],
        [fleets.biases(fleet.theta[0], layer) for layer in architecture.layout.layers],
    )
    value = naive.gradient(net, theta, inputs[:50], targets[:50])[0]
    assert notes.curves[0, 1, 1] == pytest.approx(value, rel=1e-12)
    rows = case.arrays()[4][25 % len(case.arrays()[4])]
    elsewhere = naive.gradient(net, theta, inputs[rows], targets[rows])[0] != pytest.approx(
        notes.curves[0, 1, 0], rel=1e-6
    )
    assert elsewhere == (name != "adam")


@pytest.mark.parametrize("name", optimizer)
def test_clipping_and_decay_combine_with_every_optimizer(name: str) -> None:
    """Each of nine pairs trains as the rule driven by hand with the gradient clipped and decayed by hand."""
    import naive
    from trials import clipped, network_arrays

    from sim import train_arrays

    inputs, targets, weights, biases, order = network_arrays((5, 3))
    rows = np.tile(np.arange(40), (4, 1)) if optimizer[name].traits.get("full_batch") else order[:4]
    net, lr = naive.Network(), 0.02
    basis = (
        {"every": 1, "epsilon": 1e-6} if name == "soap" else {}
    )  # a null space's basis is a matter of chance
    seen = set()
    for clipping in ("none", {"name": "norm", "limit": 0.2}, {"name": "value", "limit": 0.02}):
        for decay, amount in (("l2", 0.0), ("l2", 0.3), ("decoupled", 0.3)):
            trained = train_arrays(
                inputs, targets, weights, biases, rows, optimizer={"name": name, "lr": lr, **basis},
                clipping=clipping, weight_decay=amount, decay=decay,
            )  # fmt: skip
            own = optimizer[name].traits.get("decays", {}).get(decay)
            updater = Updater(
                {"name": name, "lr": lr, **basis} | ({own: amount} if own else {}), 18, shape=(3, 5)
            )
            theta = np.concatenate([weights[0].ravel(), biases[0]])
            for batch in rows:
                known = naive.parameters(net, [theta[:15].reshape(3, 5)], [theta[15:]])
                value, g, *_ = naive.gradient(net, known, inputs[batch], targets[batch])
                g = clipped(np.concatenate([g["weights"][0].ravel(), g["biases"][0]]), clipping)
                if not own:
                    g = g + amount * theta * (decay == "l2")
                    theta *= 1.0 - lr * amount * (decay == "decoupled")
                updater(theta, g, value)
            found = np.concatenate([trained.weights[0].ravel(), trained.biases[0]])
            np.testing.assert_allclose(found, updater.evaluated_at(theta), rtol=0, atol=1e-9)
            seen.add(found.tobytes())
    assert len(seen) >= 4


def test_a_search_counts_every_gradient_and_needs_few() -> None:
    """On ½ θᵀAθ in six dimensions: at rest within thirty evaluations, and gradient descent is not."""
    turn = np.linalg.qr(np.random.default_rng(6).normal(size=(6, 6)))[0]
    A = turn @ np.diag(np.geomspace(1.0, 300.0, 6)) @ turn.T
    asked = []

    def value(theta: np.ndarray) -> float:
        asked.append(theta.copy())
        return float(0.5 * theta @ A @ theta)

    path = descend({"name": "lbfgs"}, lambda theta: A @ theta, np.ones(6), 60, value=value)
    assert len(asked) == 60
    assert np.abs(path[30:]).max() <= 1e-5
    assert (path[40:] == path[40]).all()
    slow = descend({"name": "sgd", "lr": 2 / 301}, lambda theta: A @ theta, np.ones(6), 60)
    assert np.abs(slow[-1]).max() > 0.1


def test_a_search_accepts_points_that_satisfy_wolfe() -> None:
    """Between two bases f falls by 1e-4 of what the slope promises, or more, and the slope shrinks to 0.9."""

    def value(t: np.ndarray) -> float:
        return float((1 - t[0]) ** 2 + 100 * (t[1] - t[0] ** 2) ** 2)

    def slope(t: np.ndarray) -> np.ndarray:
        inner = t[1] - t[0] ** 2
        return np.array([-2 * (1 - t[0]) - 400 * t[0] * inner, 200 * inner])

    path = descend({"name": "lbfgs", "history": 4}, slope, np.array([-0.5, 0.8]), 60, value=value)
    bases = path[np.r_[True, (np.diff(path, axis=0) != 0).any(axis=1)]]
    assert len(bases) > 10
    for before, after in pairwise(bases):
        step = after - before
        promised = slope(before) @ step
        assert promised < 0
        assert value(after) <= value(before) + 1e-4 * promised
        assert abs(slope(after) @ step) <= 0.9 * abs(promised) * (1 + 1e-9)
    assert value(bases[-1]) < 1e-9


def test_sophias_squares_are_the_gauss_newton_diagonal_on_average() -> None:
    """Labels drawn from the network's own prediction: E[B g²] is the diagonal of Jᵀ H J / B."""
    draw = np.random.default_rng(7)
    inputs, W = draw.normal(size=(4, 3)), draw.normal(size=(3, 3)) * 0.5
    odds = np.exp(inputs @ W.T)
    chances = odds / odds.sum(axis=1, keepdims=True)
    labels = np.stack([draw.choice(3, 40_000, p=row) for row in chances], axis=1)
    error = chances[None] - np.eye(3)[labels]
    g = np.einsum("nbk,bi->nki", error, inputs) / 4
    curvature = np.einsum("bk,bi->ki", chances * (1 - chances), inputs**2) / 4
    np.testing.assert_allclose((4 * g**2).mean(axis=0), curvature, rtol=0.05)
    updater, theta = Updater({"name": "sophia", "samples": 4.0, "beta2": 0.0}, 9), W.ravel().copy()
    updater(theta, g[0].ravel())
    np.testing.assert_allclose(updater.state[1], 4 * g[0].ravel() ** 2, rtol=1e-12)
