"""Simulated optimizers whose truth is known, and how often each 95 % interval holds it.

``python tests/simulated.py`` counts anew and keeps tests/golden/coverage.csv and coverage.png. Times to the
target are log-normal with a difficulty that all optimizers share on a seed, as runs from equal draws do;
the truth of each statistic is its value over 400,000 seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sim.analysis.aggregate import interquartile_mean, resampled_interquartile_means
from sim.analysis.bootstrap import interval, multiplicities, resampled_means, resamples
from sim.analysis.budget import quantile_bounds
from sim.analysis.convergence import kaplan_meier, time_to_target
from sim.analysis.improvement import hodges_lehmann, resampled_wins
from sim.analysis.intervals import student_t, wilson
from sim.analysis.profiles import gains, ratios
from sim.analysis.randomization import paired_mean
from sim.views import saving

REPETITIONS = 2_000
SEEDS, BUDGET = 30, 4_000
POPULATION = 400_000
RESAMPLES = 1_000
PLACE = Path(__file__).parent / "golden"

# log of the median steps of three optimizers on four problems; the third fails now and then.
MIDDLE = np.log([[600, 1100, 1500, 700], [800, 1000, 1900, 900], [1400, 2600, 3600, 1000]])
SPREAD = np.array([0.5, 0.35, 0.6, 0.8])
SHARED = 0.6
"""Correlation of two optimizers' log times on one seed."""


class Interval(NamedTuple):
    """An interval of one statistic: its truth, and the bounds that `estimate` gives of a sample's draws."""

    name: str
    truth: float
    bounds: Callable[[np.random.Generator], tuple[float, float]]


def times(generator: np.random.Generator, seeds: int) -> NDArray[np.float64]:
    """Steps to the target (optimizer, problem, seed), whole and without end."""
    shared = generator.normal(size=(1, MIDDLE.shape[1], seeds))
    own = generator.normal(size=(*MIDDLE.shape, seeds))
    z = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own
    return np.ceil(np.exp(MIDDLE[..., None] + SPREAD[:, None] * z))


@lru_cache(maxsize=1)
def population() -> NDArray[np.float64]:
    """The times that stand for the truth."""
    return times(np.random.default_rng(10), POPULATION)


def cost(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the budget that is spent."""
    return np.minimum(steps, BUDGET) / BUDGET


def arrival(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps to the target, inf beyond the budget."""
    return np.where(steps <= BUDGET, steps, np.inf)


def records(steps: NDArray[np.float64]) -> pd.DataFrame:
    """Runs of one optimizer on one problem."""
    reached = np.where(steps <= BUDGET, steps, np.nan)
    status = np.where(steps <= BUDGET, "reached", "not_reached")
    return pd.DataFrame({"steps_to_learned": reached, "steps": BUDGET, "status": status})


def shares(success: float) -> Interval:
    """Wilson's interval of a share."""

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        low, high = wilson(generator.binomial(SEEDS, success), SEEDS)
        return float(low), float(high)

    return Interval(f"success share {success:g}, Wilson", success, bounds)


def curves(step: int) -> Interval:
    """The band of a Kaplan-Meier curve at one step, of the third optimizer on the third problem."""

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        curve = kaplan_meier(records(times(generator, SEEDS)[2, 2]), [], "learned")
        row = curve[curve["step"] <= step].iloc[-1]
        return row["share_low"], row["share_high"]

    return Interval(f"Kaplan-Meier at step {step:,}", float((population()[2, 2] <= step).mean()), bounds)


def of_times(name: str, column: str, truth: float) -> Interval:
    """A statistic of time_to_target, of the third optimizer on the second problem."""

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        row = time_to_target(records(times(generator, SEEDS)[2, 1]), [], "learned").iloc[0]
        return row[f"{column}_low"], row[f"{column}_high"]

    return Interval(name, truth, bounds)


def means() -> Interval:
    """Student's interval of a mean log loss."""

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        sample = generator.normal(-2.0, 0.5, SEEDS)
        low, high = student_t(sample.mean(), sample.std(ddof=1), SEEDS)
        return float(low), float(high)

    return Interval("mean log loss, Student", -2.0, bounds)


def paired() -> Interval:
    """Hodges and Lehmann's interval of a paired difference."""

    def difference(steps: NDArray[np.float64]) -> NDArray[np.float64]:
        return cost(steps[1, 0]) - cost(steps[0, 0])

    whole = difference(population())
    truth = float(np.median((whole + np.roll(whole, 1)) / 2))

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        _, low, high = hodges_lehmann(difference(times(generator, SEEDS)))
        return float(low), float(high)

    return Interval("paired difference, Hodges-Lehmann", truth, bounds)


def aggregates(
    name: str, one: Callable[[NDArray[np.float64]], NDArray[np.float64]], problems: int
) -> Interval:
    """Interquartile mean over problems; `one` picks the entrant, or the difference of two."""
    flat = cost(population())[:, :problems].reshape(len(MIDDLE), -1)

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        values = cost(times(generator, SEEDS))[:, :problems]
        drawn = resamples(problems, SEEDS, RESAMPLES, int(generator.integers(2**31)))
        low, high = interval(one(resampled_interquartile_means(values, drawn).T), SEEDS, problems)
        return float(low), float(high)

    return Interval(name, float(one(interquartile_mean(flat)[:, None])[0]), bounds)


def share_spent(name: str, one: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Interval:
    """Mean share of the budget over problems, of an entrant or between two; entrants stand last."""
    truth = float(one(cost(population()).mean(axis=(1, 2))))

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        values = cost(times(generator, SEEDS))
        drawn = multiplicities(resamples(4, SEEDS, RESAMPLES, int(generator.integers(2**31))))
        low, high = interval(one(resampled_means(values, drawn)), SEEDS, 4)
        return float(low), float(high)

    return Interval(name, truth, bounds)


def profiles(name: str, gain: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Interval:
    """A mean over tasks of what the second optimizer's ratio to the fastest is worth."""
    truth = float(gain(ratios(arrival(population())))[1].mean())

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        values = gain(ratios(arrival(times(generator, SEEDS))))
        times_drawn = multiplicities(resamples(4, SEEDS, RESAMPLES, int(generator.integers(2**31))))
        low, high = interval(resampled_means(values, times_drawn)[:, 1], SEEDS, 4)
        return float(low), float(high)

    return Interval(name, truth, bounds)


def wins(name: str, first: int, second: int, problems: int) -> Interval:
    """Probability of improvement of one optimizer over another."""
    chosen = population()[[first, second], :problems]
    less = arrival(chosen[0]) < np.roll(arrival(chosen[1]), 1, axis=-1)
    equal = arrival(chosen[0]) == np.roll(arrival(chosen[1]), 1, axis=-1)

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        values = arrival(times(generator, SEEDS))[[first, second], :problems]
        drawn = multiplicities(resamples(problems, SEEDS, RESAMPLES, int(generator.integers(2**31))))
        low, high = interval(resampled_wins(values, drawn)[:, 0, 1], SEEDS, problems)
        return float(low), float(high)

    return Interval(name, float((less + 0.5 * equal).mean()), bounds)


def tuning(budget: int, trials: int = 32) -> Interval:
    """The median of the best log loss of some trials."""

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        results = generator.normal(size=trials)
        return quantile_bounds(results, 1 - 0.5 ** (1 / budget))

    truth = float(stats.norm.ppf(1 - 0.5 ** (1 / budget)))
    return Interval(f"median best of {budget}, {trials} trials", truth, bounds)


def claimed(seeds: int) -> Interval:
    """The interval of a claim's paired effect, from skewed differences: shares of the budget."""
    whole = cost(population())
    truth = float((whole[1, 3] - whole[0, 3]).mean())

    def bounds(generator: np.random.Generator) -> tuple[float, float]:
        steps = cost(times(generator, seeds))
        tested = paired_mean(steps[1, 3] - steps[0, 3])
        return float(tested.low[0]), float(tested.high[0])

    return Interval(f"claim's paired effect, {seeds} seeds", truth, bounds)


def intervals() -> list[Interval]:
    """Every interval that the comparison reports."""
    steps = population()
    return [
        shares(0.5), shares(0.8), means(), curves(2_500),
        of_times("median steps", "median", float(np.median(steps[2, 1]))),
        of_times("restricted mean steps", "restricted_mean", float(np.minimum(steps[2, 1], BUDGET).mean())),
        paired(),
        aggregates("interquartile mean, 1 problem", lambda x: x[2], 1),
        aggregates("interquartile mean, 4 problems", lambda x: x[2], 4),
        aggregates("difference of interquartile means", lambda x: x[1] - x[0], 4),
        share_spent("mean share of the budget, 4 problems", lambda x: x[..., 2]),
        share_spent("difference of mean shares", lambda x: x[..., 1] - x[..., 0]),
        profiles("profile at factor 1.5", lambda r: (r <= 1.5).astype(float)),
        profiles("profile score", gains),
        wins("probability of improvement, 1 problem", 0, 1, 1),
        wins("probability of improvement, 4 problems", 1, 2, 4),
        tuning(1), tuning(3), tuning(6), claimed(8), claimed(30),
    ]  # fmt: skip


def coverage(chosen: list[Interval], repetitions: int = REPETITIONS) -> pd.DataFrame:
    """How often each interval holds its truth: name, truth, repetitions, covered, below, above (shares)."""
    rows = []
    for number, one in enumerate(chosen):
        drawn = np.random.default_rng([number, 5]).spawn(repetitions)
        low, high = np.array([one.bounds(generator) for generator in drawn]).T
        below, above = float((one.truth < low).mean()), float((one.truth > high).mean())
        rows.append({
            "interval": one.name, "truth": one.truth, "repetitions": repetitions,
            "covered": 1 - below - above, "truth_below": below, "truth_above": above,
        })  # fmt: skip
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    """A dot for each interval's coverage, with the spread that counting leaves; shaded: 93 to 97 %."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from sim.views import style

    with mpl.rc_context(style.settings()):
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.6 + 0.19 * len(table)))
        axis = figure.add_axes((0.36, 0.42 / figure.get_figheight(), 0.61, 1 - 0.5 / figure.get_figheight()))
        height, percent = np.arange(len(table)), 100 * table["covered"]
        spread = 100 * 1.96 * np.sqrt(table["covered"] * (1 - table["covered"]) / table["repetitions"])
        axis.axvspan(93, 97, color="#e9eef5", linewidth=0)
        axis.axvline(95, color=style.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
        axis.hlines(height, percent - spread, percent + spread, color="#0173b2", linewidth=1.6)
        axis.scatter(percent, height, color="#0173b2", s=16, zorder=3)
        axis.set_yticks(height, table["interval"])
        axis.set_ylim(len(table) - 0.4, -0.6)
        axis.set_xlim(90.5, 99.5)
        axis.set_xlabel(
            f"truth inside the 95 % interval (%); {table['repetitions'].iloc[0]:,} repetitions, {SEEDS} seeds"
        )
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        saving.write(path, saving.image(figure, "png"))


if __name__ == "__main__":
    counted = coverage(intervals())
    saving.write(PLACE / "coverage.csv", counted.to_csv(index=False, lineterminator="\n").encode())
    draw(counted, PLACE / "coverage.png")
