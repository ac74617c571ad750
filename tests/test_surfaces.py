"""Surfaces: gradients against finite differences, minima that are minima, for every entry of the registry."""

from __future__ import annotations

import numpy as np
import pytest

from sim.catalog.own import own_part
from sim.catalog.registry import REQUIRED
from sim.catalog.surfaces import domain_of, is_separable, minima_of, surface

DIMENSIONS = {name: (2, 3, 7) if is_separable(part) else (2,) for name, part in surface.items()}
CASES = [(name, count) for name, counts in DIMENSIONS.items() for count in counts]


def evaluate(name, points, **given):
    """Values (N,) and gradients (dimensions, N) at points (dimensions, N), written apart from the kernels."""
    part = surface[name]
    settings = part.bind(**given).values()
    if not is_separable(part):
        value, *slopes = part.function(*points, *settings)
        return value, np.array(slopes)
    places = np.linspace(0.0, 1.0, len(points))
    terms = [part.function(x, place, *settings) for x, place in zip(points, places, strict=True)]
    return sum(value for value, _ in terms), np.array([slope for _, slope in terms])


def drawn(name, dimensions, count=200):
    low, high = np.array(domain_of(surface[name], dimensions)).T
    return np.random.default_rng(3).uniform(low, high, (count, dimensions)).T


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_the_gradient_is_that_of_finite_differences(name, dimensions):
    points = drawn(name, dimensions)
    values, gradient = evaluate(name, points)
    assert values.shape == (200,)
    for axis in range(dimensions):
        apart = 1e-5 * np.eye(dimensions)[:, axis : axis + 1]
        steps = [evaluate(name, points + factor * apart)[0] for factor in (-2, -1, 1, 2)]
        slope = (steps[0] - 8 * steps[1] + 8 * steps[2] - steps[3]) / 12e-5  # error of fourth order
        scale = np.abs(gradient).max(axis=0) + np.abs(values) + 1
        assert np.max(np.abs(slope - gradient[axis]) / scale) < 1e-9


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_minima_are_stationary_and_lowest_around(name, dimensions):
    known = minima_of(surface[name], dimensions)
    assert [minimum.value for minimum in known] == sorted(minimum.value for minimum in known)
    for minimum in known:
        at = np.array(minimum.at)[:, None]
        value, gradient = evaluate(name, at)
        around = evaluate(name, at + 1e-3 * np.random.default_rng(1).normal(size=(dimensions, 500)))
        assert value[0] == pytest.approx(minimum.value, rel=1e-14, abs=1e-13)
        steepest = np.abs(around[1]).max()
        assert np.abs(gradient).max() <= 1e-10 * max(1.0, steepest)
        assert np.all(around[0] > value)


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_minima_lie_in_the_domain_and_the_best_is_the_lowest_point(name, dimensions):
    box = domain_of(surface[name], dimensions)
    assert len(box) == dimensions
    known = minima_of(surface[name], dimensions)
    for minimum in known:
        assert all(low <= x <= high for x, (low, high) in zip(minimum.at, box, strict=True))
    if known:
        assert evaluate(name, drawn(name, dimensions, 5000))[0].min() >= known[0].value


@pytest.mark.parametrize("name", list(surface))
def test_entries_say_what_a_reader_needs(name):
    part = surface[name]
    assert part.source
    assert part.summary.endswith((".", ":"))
    assert all(default is not REQUIRED for default in part.parameters.values())


def test_scalars_give_scalars():
    for name, part in surface.items():
        found = part.function(0.25, 0.5, *part.parameters.values())
        assert len(found) == (2 if is_separable(part) else 3), name
        assert all(np.ndim(number) == 0 for number in found), name


def test_parameters_shape_the_surface():
    points = drawn("ravine", 2)
    for condition in (1.0, 10.0, 1000.0):
        assert np.allclose(
            evaluate("ravine", points, condition=condition)[1], [points[0], condition * points[1]]
        )
        turned = np.array([points[0] + points[1], points[1] - points[0]]) / np.sqrt(2)
        straight = evaluate("ravine", turned, condition=condition)[0]
        assert np.allclose(evaluate("tilted_ravine", points, condition=condition)[0], straight)
    assert evaluate("rosenbrock", np.array([[2.0], [3.0]]), steepness=7.0)[0][0] == 8.0


def test_two_wells_as_published():
    better, poorer = minima_of(surface["two_wells"])
    assert better.at == pytest.approx((-0.9363006340, 0.0), abs=1e-10)
    assert poorer.at == pytest.approx((0.9053178992, 0.0), abs=1e-10)
    assert (better.value, poorer.value) == pytest.approx((-2.0630902518, -1.0927319992), abs=1e-10)
    saddle = evaluate("two_wells", np.array([[0.0686024367], [0.0]]))[1]
    assert np.abs(saddle).max() < 1e-9


def test_the_funnel_of_ackley_ends_without_nan():
    value, gradient = evaluate("ackley", np.zeros((2, 1)))
    assert value[0] == 0.0
    assert not gradient.any()


# --- the user's own -------------------------------------------------------------------------------


def written(folder, text):
    path = folder / "mine.py"
    path.write_text(text)
    return str(path)


def test_an_own_surface_is_a_part_like_any_other(tmp_path):
    path = written(
        tmp_path,
        "DOMAIN = ((-3, 3), (-2, 2))\nMINIMA = ((1, 0), (0, 0))\n"
        "def mine(x, y, stretch=2.0):\n    return -x + stretch * y * y, 2 * x, 2 * stretch * y\n",
    )
    part = own_part("surface", path, "mine")
    assert part.domain == ((-3.0, 3.0), (-2.0, 2.0))
    assert [minimum.value for minimum in part.minima] == [-1.0, 0.0]
    assert dict(part.parameters) == {"stretch": 2.0}
    assert own_part("surface", path, "mine") is part
    written(tmp_path, "def mine(x, y):\n    return x, 1.0, 0.0\n")
    again = own_part("surface", path, "mine")
    assert again.unique != part.unique
    assert again.domain == ((-2.0, 2.0), (-2.0, 2.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def mine(x, y:\n    pass", "is not Python.*line 1"),
        ("import no_such_module", "cannot be carried out: ModuleNotFoundError"),
        ("def mime(x, y):\n    return x, x, x", "no function 'mine'; did you mean 'mime'"),
        ("mine = 3", "no function 'mine'"),
        ("def mine(x):\n    return x, x, x", "must take x and y"),
        ("DOMAIN = ((2, -2), (0, 1))\ndef mine(x, y):\n    return x, x, x", "DOMAIN"),
        ("DOMAIN = 4\ndef mine(x, y):\n    return x, x, x", "DOMAIN"),
        ("MINIMA = ((1, 2, 3),)\ndef mine(x, y):\n    return x, x, x", "MINIMA"),
        ("MINIMA = ((0, 0),)\ndef mine(x, y):\n    return 1 / x, x, x", "MINIMA.*division by zero"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=said) as caught:
        own_part("surface", path, "mine")
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        own_part("surface", str(tmp_path / "none.py"), "mine")
