"""Walks down surfaces: against a plain Python twin, against theory, and what becomes of each start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sim.catalog.optimizers import optimizer
from sim.catalog.optimizers.family import VECTOR
from sim.catalog.surfaces import domain_of, is_separable, minima_of, surface
from sim.kernels import walks
from sim.kernels.descend import DIVERGED, SETTLED, UNDER_WAY
from sim.kernels.walks import Walk, descend, slope_at
from sim.theory import quadratics


def walk(where, how, steps, *, on=None, noise=0.0, radius=0.01, tolerance=1e-12, **given):
    part, ground = optimizer[how], surface[where]
    settings, ground_settings = part.bind(**given), ground.bind(**(on or {}))
    return Walk(ground, ground_settings, part, settings, steps, noise, radius, tolerance)


def starts_on(name, count, dimensions=2, seed=5):
    low, high = np.array(domain_of(surface[name], dimensions)).T
    return np.random.default_rng(seed).uniform(low, high, (count, dimensions))


def twin(asked, starts, steps):
    """Each start's path (N, steps + 1, dimensions) in plain Python: the catalog's own functions."""
    part, settings = asked.optimizer, asked.optimizer_settings
    words = part.traits.get("choices", {})
    numbers = [words[k].index(v) if k in words else v for k, v in settings.items()]
    rule = part.rule(settings)
    theta, path = starts.T.copy(), [starts]
    slots = [np.zeros_like(theta) for _ in rule.slots]
    seen, memory = theta.copy(), np.zeros((len(starts), rule.vectors * len(theta) + rule.numbers))
    squares = [[np.zeros(n * n) for _ in range(rule.pairs) for n in (len(theta), 1)] for _ in starts]
    spare = [np.zeros(rule.room * len(theta) ** 2)] if rule.room else []
    for step in range(steps):
        gradient = gradient_of(asked, theta)
        constants = part.function(float(step + 1), *map(float, numbers))
        for start in range(len(starts) if rule.layerwise else 0):
            own = [array[:, start] for array in (theta, gradient, *slots)]
            rule.update(VECTOR, (len(theta), 1), *own, *squares[start], *spare, *constants)
        for start in range(len(starts) if rule.whole else 0):
            own = [np.ascontiguousarray(array[:, start]) for array in (theta, gradient)]
            value = value_of(asked, own[0])
            rule.update(*own, value, memory[start], *constants)
            theta[:, start] = own[0]
            rule.rest(own[0], memory[start], seen[:, start], *constants)
        for place in np.ndindex(theta.shape if rule.elementwise else (0,)):
            values = rule.update(theta[place], gradient[place], *(slot[place] for slot in slots), *constants)
            theta[place] = values[0]
            for slot, value in zip(slots, values[1:], strict=True):
                slot[place] = value
            if rule.rest:
                seen[place] = rule.rest(theta[place], *(slot[place] for slot in slots), *constants)
        path.append((seen if rule.rest else theta).T.copy())
    return np.stack(path, axis=1)


def value_of(asked, point):
    assert not is_separable(asked.surface)
    return float(asked.surface.function(*point, *asked.surface_settings.values())[0])


def gradient_of(asked, theta):
    function, settings = asked.surface.function, asked.surface_settings.values()
    if not is_separable(asked.surface):
        return np.array(function(*theta, *settings)[1:])
    places = np.linspace(0.0, 1.0, len(theta))
    return np.array([function(x, place, *settings)[1] for x, place in zip(theta, places, strict=True)])


# --- the kernels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(surface))
def test_compiled_surfaces_are_those_of_the_catalog(name):
    for dimensions in (2, 5) if is_separable(surface[name]) else (2,):
        points = starts_on(name, 77, dimensions)
        asked = walk(name, "sgd", 1)
        values, gradient = slope_at(surface[name], asked.surface_settings, points)
        expected = gradient_of(asked, points.T).T
        assert np.allclose(gradient, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
        assert np.isfinite(values).all()


@pytest.mark.parametrize("how", list(optimizer))
def test_every_optimizer_walks_as_its_plain_twin(how):
    starts = starts_on("two_wells", 3)
    asked = walk("two_wells", how, 40)
    found = descend(asked, starts, checkpoints=range(41))
    assert np.allclose(found.path, twin(asked, starts, 40), rtol=1e-9, atol=1e-11)


def test_a_walk_does_not_depend_on_the_other_starts(monkeypatch):
    starts, keys = starts_on("himmelblau", 301), np.arange(301)
    asked = walk("himmelblau", "adam", 200, lr=0.05, noise=0.5)
    together = descend(asked, starts, keys, (10, 200))
    monkeypatch.setattr(walks, "BLOCK", 7)
    apart = descend(asked, starts, keys, (10, 200))
    alone = descend(asked, starts[150:151], keys[150:151], (10, 200))
    for name in together.__dataclass_fields__:
        whole = getattr(together, name)
        assert np.array_equal(whole, getattr(apart, name)), name
        assert np.array_equal(whole[150:151], getattr(alone, name)), name


def test_what_is_told_of_a_start():
    """Against the twin's path: length, steps, where it ends and since when it is there."""
    starts = starts_on("two_wells", 6)
    asked = walk(
        "two_wells", "momentum", 400, lr=0.02, form="heavy_ball", beta=0.8, radius=0.05, tolerance=1e-9
    )
    found = descend(asked, starts, checkpoints=range(401))
    path = twin(asked, starts, 400)
    apart = np.linalg.norm(np.diff(path, axis=1), axis=2)
    minima = np.array([minimum.at for minimum in minima_of(surface["two_wells"])])
    for i, steps in enumerate(found.steps):
        assert found.status[i] == SETTLED
        slopes = [np.linalg.norm(gradient_of(asked, at[:, None])) for at in path[i]]
        at_rest = [s for s in range(1, 401) if slopes[s] <= 1e-9 and apart[i][s - 1] <= 1e-9]
        assert steps == at_rest[0]
        assert found.length[i] == pytest.approx(apart[i][:steps].sum(), rel=1e-9)
        assert np.allclose(found.position[i], path[i][steps], atol=1e-12)
        assert np.allclose(found.path[i, steps:], found.position[i])
        away = np.linalg.norm(path[i][:, None] - minima, axis=2)
        assert found.nearest[i] == away[steps].argmin()
        assert found.distance[i] == pytest.approx(away[steps].min(), abs=1e-12)
        outside = np.flatnonzero(away[: steps + 1].min(axis=1) > 0.05)
        assert found.since[i] == outside[-1] + 1
    assert set(found.nearest) == {0, 1}


def test_divergence_stops_a_start_and_no_other():
    starts = np.array([[0.1, 0.1], [1.9, 2.9], [0.9, 0.9]])
    found = descend(walk("rosenbrock", "sgd", 500, lr=2e-3), starts)
    assert list(found.status) == [UNDER_WAY, DIVERGED, UNDER_WAY]
    assert found.steps[1] < 20
    assert np.isfinite(found.position[[0, 2]]).all()
    downhill = descend(walk("monkey_saddle", "sgd", 500, lr=0.1), np.array([[-0.5, 0.0]]))
    assert downhill.status[0] == DIVERGED
    assert downhill.nearest[0] == -1


def test_a_start_at_a_minimum_stays():
    at = np.array([minimum.at for minimum in minima_of(surface["himmelblau"])])
    found = descend(walk("himmelblau", "sgd", 50, lr=1e-3, tolerance=1e-9), at)
    assert list(found.status) == [SETTLED] * 4
    assert list(found.nearest) == [0, 1, 2, 3]
    assert not found.since.any()
    assert found.length.max() < 1e-12


# --- noise ----------------------------------------------------------------------------------------


def noise_of(how, keys, dimensions, deviation=0.5, step=1):
    """What is added to a gradient of zero in one step."""
    asked = walk("ravine", how, step, on={"condition": 1.0}, noise=deviation, lr=1.0)
    return -descend(asked, np.zeros((len(keys), dimensions)), keys).position


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_noise_is_gaussian_and_independent(dimensions):
    keys = np.random.default_rng(0).integers(0, 2**63, 40_000).astype(np.uint64) * np.uint64(2) + np.uint64(1)
    noise = noise_of("sgd", keys, dimensions)
    for column in noise.T:
        assert stats.kstest(column / 0.5, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(noise.T) - np.eye(dimensions)).max() < 0.02
    assert np.abs(np.corrcoef((noise**2).T) - np.eye(dimensions)).max() < 0.02
    assert np.array_equal(noise, noise_of("sgd", keys, dimensions))
    heavy = walk("ravine", "momentum", 1, on={"condition": 1.0}, noise=0.5, lr=1.0, form="heavy_ball")
    assert np.array_equal(-descend(heavy, np.zeros((len(keys), dimensions)), keys).position, noise)


def test_noise_differs_from_step_to_step():
    keys = np.random.default_rng(1).integers(0, 2**63, 5000).astype(np.uint64)
    asked = walk("ravine", "sgd", 2, on={"condition": 1.0}, noise=1.0, lr=1e-9)
    path = descend(asked, np.zeros((5000, 2)), keys, (0, 1, 2)).path
    first, second = path[:, 1] - path[:, 0], path[:, 2] - path[:, 1]
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.05
    assert second.std() == pytest.approx(1e-9, rel=0.05)


# --- theory ---------------------------------------------------------------------------------------


def recurrence_rate(series):
    """Largest root of the two-term recurrence x_k+1 = p x_k + q x_k−1 that a series follows."""
    series = series / series[0]
    before = np.stack([series[1:-1], series[:-2]], axis=1)
    (p, q), *_ = np.linalg.lstsq(before, series[2:], rcond=None)
    return np.abs(np.roots([1.0, -p, -q])).max()


@pytest.mark.parametrize("condition", [10.0, 100.0, 1000.0])
def test_gradient_descent_has_the_rate_of_theory(condition):
    tuned = quadratics.gradient_descent(1.0, condition)
    asked = walk("ravine", "sgd", 60, on={"condition": condition}, lr=tuned.lr)
    path = descend(asked, np.ones((1, 2)), checkpoints=range(61)).path[0]
    away = np.linalg.norm(path, axis=1)
    assert (away[60] / away[0]) ** (1 / 60) == pytest.approx(tuned.rate, abs=1e-6)
    if condition == 100.0:
        assert tuned.rate == pytest.approx(0.980198, abs=1e-6)


@pytest.mark.parametrize("condition", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize("how", ["momentum", "nesterov"])
def test_momentum_has_the_rate_of_theory(how, condition):
    """The best settings make a double root: errors fall as k·rateᵏ, and their recurrence tells the rate."""
    if how not in optimizer:
        pytest.skip("not in the catalog")
    tuned = (quadratics.heavy_ball if how == "momentum" else quadratics.nesterov)(1.0, condition)
    form = {"form": "heavy_ball"} if how == "momentum" else {}
    beta = "beta" if "beta" in optimizer[how].parameters else "momentum"
    asked = walk(
        "ravine", how, 40, on={"condition": condition}, lr=tuned.lr, **{beta: tuned.momentum}, **form
    )
    path = descend(asked, np.ones((1, 2)), checkpoints=range(41)).path[0]
    measured = [recurrence_rate(series[2:]) for series in path.T if np.abs(series[4]) > 1e-12]
    assert max(measured) == pytest.approx(tuned.rate, abs=1e-6)
    if condition == 100.0:
        assert tuned.rate == pytest.approx(0.818182 if how == "momentum" else 0.9, abs=1e-6)


@pytest.mark.parametrize(
    ("how", "given", "limit"),
    [
        ("sgd", {}, 2.0),
        ("momentum", {"form": "heavy_ball", "beta": 0.9}, 3.8),
        ("momentum", {"form": "ema", "beta": 0.9}, 38.0),
    ],
)
def test_stability_limits_by_bisection(how, given, limit):
    """On ½x², lr is the curvature: the largest at which the second half of the walk does not grow."""

    def grows(lr):
        asked = walk("ravine", how, 4000, on={"condition": 1.0}, lr=lr, **given)
        found = descend(asked, np.ones((1, 1)), checkpoints=(2000, 4000))
        middle, end = np.abs(found.path[0, :, 0])
        return found.status[0] == DIVERGED or end > middle

    low, high = 0.5 * limit, 1.7 * limit
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if grows(middle) else (middle, high)
    assert low == pytest.approx(limit, abs=1e-6)
    assert quadratics.stability_limit(given.get("beta", 0.0), given.get("form") == "ema") == pytest.approx(
        limit
    )


def first_steps(how, **given):
    """Gradients and first steps on a ravine, both of many sizes."""
    starts = np.geomspace(1e-6, 0.9, 30).reshape(-1, 2) * [1, -1]
    asked = walk("ravine", how, 1, on={"condition": 1000.0}, **given)
    gradient = slope_at(asked.surface, asked.surface_settings, starts)[1]
    return gradient, descend(asked, starts).position - starts


def test_the_first_step_of_adam():
    gradient, step = first_steps("adam", lr=0.3)
    assert np.allclose(-step, quadratics.adam_first_step(gradient, 0.3), rtol=0, atol=1e-12)
    gradient, step = first_steps("adam", lr=0.3, bias_correction=False, epsilon=0.0)
    expected = quadratics.adam_first_step_uncorrected(0.3)
    assert np.allclose(-step, expected * np.sign(gradient), rtol=0, atol=1e-12)
    assert expected / 0.3 == pytest.approx(3.16228, abs=1e-5)


def test_the_first_step_of_rmsprop():
    gradient, step = first_steps("rmsprop", lr=0.02, epsilon=0.0)
    assert np.allclose(-step, quadratics.rmsprop_first_step(0.02) * np.sign(gradient), rtol=0, atol=1e-12)


def test_averaged_momentum_is_the_heavy_ball_with_a_smaller_rate():
    starts = starts_on("two_wells", 20)
    averaged = walk("two_wells", "momentum", 50, lr=0.1, beta=0.9, form="ema")
    summed = walk("two_wells", "momentum", 50, lr=0.01, beta=0.9, form="heavy_ball")
    paths = [descend(asked, starts, checkpoints=range(51)).path for asked in (averaged, summed)]
    assert np.allclose(*paths, rtol=0, atol=1e-12)
    gradient, step = first_steps("momentum", lr=0.3, beta=0.9)
    assert np.allclose(step, -0.3 * (1 - 0.9) * gradient, rtol=0, atol=1e-12)


# --- what was published ---------------------------------------------------------------------------

PUBLISHED = {
    "sgd": (0.5479, 500, {"lr": 0.02}),
    "momentum": (0.5906, 200, {"lr": 0.01, "beta": 0.8, "form": "heavy_ball"}),
    "rmsprop": (0.6542, 300, {"lr": 0.01, "rho": 0.99, "epsilon": 1e-6}),
    "adam": (
        0.6682,
        100,
        {"lr": 0.01, "beta1": 0.7, "beta2": 0.999, "epsilon": 1e-6, "bias_correction": False},
    ),
}


def share_at_the_better(how, steps, given):
    line = np.linspace(-2.0, 2.0, 201)
    starts = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    found = descend(walk("two_wells", how, steps, radius=0.1, **given), starts)
    return np.mean((found.nearest == 0) & (found.distance <= 0.1))


def test_published_shares_of_the_better_minimum():
    shares = {how: share_at_the_better(how, steps, given) for how, (_, steps, given) in PUBLISHED.items()}
    for how, (published, _, _) in PUBLISHED.items():
        assert shares[how] == pytest.approx(published, abs=0.003)
    assert max(shares, key=shares.__getitem__) == "adam"
    corrected = {**PUBLISHED["adam"][2], "bias_correction": True}
    share = share_at_the_better("adam", 1000, corrected)
    assert share == pytest.approx(0.6509, abs=0.003)
    assert share < share_at_the_better("rmsprop", 1000, PUBLISHED["rmsprop"][2])
