"""Claims judged: the effect that the records show, how sure it is, and what that makes of the sentence.

Rows of a claim: side (a, b), pair, base, arm (numbers: what they have in common or differ in, see
:class:`sim.study.claim_cells.Member`), rate (learning rate), reference, unit (what counts as one piece of
evidence: the replicate of networks, the start on surfaces), value, criterion (what a rate is chosen by), and
a column for each factor of ``by``.

**Effect**: per unit the mean over its pairs of a − b, then the mean over units; its interval and p are those
of :func:`sim.analysis.randomization.paired_mean`.  Against a number instead of b: the mean over units of a
minus it.  With ``wins``: the share of pairs in which a beats every arm of b, ties counting half, minus one
half.  Shares and wins have limits, and where nearly all units say the same the interval still holds what may
seldom happen: of n equal differences d up to 1 − 0.025^(1/n) may be others (Clopper & Pearson 1934).

**Verdict**, with the effect turned so that positive is what the claim says, and Holm's adjustment of p over
all claims of the study:

- *supported*: the whole 95 % interval lies above the smallest effect that matters, and the adjusted p is
  below 0.05;
- *refuted*: the whole interval lies below the smallest effect that matters;
- *depends*: at one level of a factor of ``by`` the claim is supported, at another refuted; intervals of k
  levels are those of 1 − 0.05/k, their p adjusted over the levels of all claims;
- *too little evidence*: everything else, and wherever a value is missing.

A claim that **neither** is ahead turns this round: *supported* where the whole interval lies between minus
and plus the smallest effect that matters, or where a is ahead at one level and b at another; *refuted* where
one of them is ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.analysis.comparison import holm
from sim.analysis.intervals import CONFIDENCE
from sim.analysis.randomization import Limits, Tested, paired_mean, unpaired_mean
from sim.study.claim_check import missable
from sim.study.claims import Claim
from sim.study.quantities import is_share

SIGNIFICANT = 1 - CONFIDENCE
SUPPORTED, REFUTED, DEPENDS, OPEN = "supported", "refuted", "depends", "too little evidence"
VERDICTS = (SUPPORTED, REFUTED, DEPENDS, OPEN)
TUNING = 3
"""Every third unit chooses the learning rate, the others judge it."""


@dataclass(frozen=True)
class Effect:
    """a − b, or the share of wins above one half, with its interval and p; ``units`` stand behind it."""

    mean: float
    low: float
    high: float
    p: float
    units: int
    pairs: int

    def turned(self, direction: str) -> Effect:
        """Positive is what the claim says."""
        if direction != "lower":
            return self
        return Effect(-self.mean, -self.high, -self.low, self.p, self.units, self.pairs)


@dataclass(frozen=True)
class Level:
    """The effect at one level of a factor; its interval holds together with those of the other levels."""

    factor: str
    level: Any
    effect: Effect


@dataclass(frozen=True)
class Evidence:
    """What the records say to one claim; ``missing`` values, ``edge``: how many best rates are at an end."""

    claim: Claim
    a_mean: float
    b_mean: float
    effect: Effect | None
    levels: tuple[Level, ...] = ()
    missing: int = 0
    edge: int = 0


@dataclass(frozen=True)
class Judged:
    """A claim, its evidence, and the verdict; ``depends_on`` names the factor."""

    evidence: Evidence
    p_holm: float
    verdict: str
    depends_on: str = ""
    reason: str = ""
    level_p: tuple[float, ...] = field(default=())


# --- evidence --------------------------------------------------------------------------------


def evidence(claim: Claim, rows: pd.DataFrame, better: str) -> Evidence:
    """The effect of a claim in its rows; ``better``: which values of the criterion are good."""
    edge, absent = 0, int((rows["unit"] < 0).sum())
    if absent:  # of a part that has not been run, say
        return Evidence(claim, np.nan, np.nan, None, missing=absent)
    if claim.tuned:
        rows, edge = _tuned(claim, rows, better)
    rows = _relative(rows)
    missing = int(rows["value"].isna().sum())
    if missing or not set(claim.sides) <= set(rows["side"]):
        return Evidence(claim, np.nan, np.nan, None, missing=missing, edge=edge)
    means = rows.groupby("side")["value"].mean()
    b_mean = means["b"] if claim.than is None else claim.than
    found = _differences(claim, rows)
    levels: list[Level] = []
    for factor in claim.by:
        each = list(dict.fromkeys(rows[factor]))
        sure = 1 - SIGNIFICANT / len(each)
        levels += [
            Level(factor, level, _effect(claim, found[found[factor] == level], sure)) for level in each
        ]
    return Evidence(claim, means["a"], b_mean, _effect(claim, found, CONFIDENCE), tuple(levels), 0, edge)


def _tuned(claim: Claim, rows: pd.DataFrame, better: str) -> tuple[pd.DataFrame, int]:
    """Each side's best learning rate, chosen on every third unit and judged on the others.

    Of equals the one in their middle, which bears to be missed both ways.  Where the claim is about missing
    it, the rates next to the best one stand in its place, and what is lost against it is the value.
    """
    choosing = rows["unit"] % TUNING == 0
    judged, edge = [], 0
    for _, mine in rows.groupby(["side", "pair", "arm", "reference"], sort=False):
        ranked = _ranked(mine[choosing.loc[mine.index]], better)
        rates = set(ranked)
        edge += len(rates) > 1 and ranked.iloc[0] in (min(rates), max(rates))
        ways = missable(rates, claim.misset) if claim.misset else {}
        best = next(rate for rate in ranked if rate in ways) if claim.misset else ranked.iloc[0]
        mine = mine[~choosing.loc[mine.index]]
        at_best = mine[(mine["rate"] == best) | mine["rate"].isna()]
        missed = mine[mine["rate"].isin(ways.get(best, ()))]
        judged.append(_minus(missed, at_best, ["unit"]) if claim.misset else at_best)
    return pd.concat(judged, ignore_index=True), edge


def _ranked(rows: pd.DataFrame, better: str) -> pd.Series:
    """Learning rates, the best first; of those that are equally good the one in the middle first."""
    scores = rows.groupby("rate", dropna=False)["criterion"].mean().reset_index()
    place = (
        scores.groupby("criterion")["rate"].rank() - scores.groupby("criterion")["rate"].transform("size") / 2
    )
    order = scores.assign(apart=(place - 0.5).abs())
    ways = [better == "lower", True, True]
    return order.sort_values(["criterion", "apart", "rate"], ascending=ways, kind="stable")["rate"]


def _minus(rows: pd.DataFrame, others: pd.DataFrame, on: Sequence[str]) -> pd.DataFrame:
    """The rows with the mean of the others that agree in some columns taken off their values."""
    means = others.groupby(list(on))["value"].mean().rename("_other")
    joined = rows.join(means, on=list(on))
    return joined.assign(value=joined["value"] - joined["_other"]).drop(columns="_other")


def _relative(rows: pd.DataFrame) -> pd.DataFrame:
    """Values as changes against the runs that are the reference, where there are any."""
    reference = rows["reference"].to_numpy(dtype=bool)
    if not reference.any():
        return rows
    return _minus(rows[~reference], rows[reference], ["side", "base", "arm", "unit"])


def _differences(claim: Claim, rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each pair and unit: unit, difference, and the levels; without pairs a row a side and unit."""
    by = list(claim.by)
    if claim.than is not None:
        alone = rows.groupby(["pair", "unit", *by], sort=True)["value"].mean() - claim.than
        return alone.rename("difference").reset_index()
    if not claim.paired:
        found = rows.groupby(["side", "unit", *by], sort=False)["value"].mean().reset_index()
        return found.rename(columns={"value": "difference"})
    arms = rows.groupby(["pair", "unit", "side", "arm", *by], sort=True)["value"].mean().reset_index()
    sign = -1.0 if claim.direction == "lower" else 1.0
    rivals = arms.groupby(["pair", "unit", "side", *by], sort=True)["value"]
    if claim.compare == "wins":
        best = (rivals.max() if sign > 0 else rivals.min()).unstack("side")
        ahead = sign * (best["a"] - best["b"])
        difference = (np.sign(ahead) + 1) / 2 - 0.5
    else:
        means = rivals.mean().unstack("side")
        difference = means["a"] - means["b"]
    return difference.rename("difference").reset_index()


def _effect(claim: Claim, found: pd.DataFrame, confidence: float) -> Effect:
    """The effect in these differences."""
    if claim.paired or claim.than is not None:
        units = found.groupby("unit")["difference"].mean().to_numpy()
        tested = paired_mean(units, confidence, limits_of(claim))
        return _as_effect(tested, len(units), len(found))
    a, b = (
        found[found["side"] == side].groupby("unit")["difference"].mean().to_numpy() for side in ("a", "b")
    )
    tested = unpaired_mean(a, b, confidence, _value_limits(claim))
    return _as_effect(tested, min(len(a), len(b)), 0)


def limits_of(claim: Claim) -> Limits | None:
    """Between which the paired differences of a claim must lie; None where nothing limits them."""
    if claim.than is None and claim.compare == "wins":
        return -0.5, 0.5
    values = _value_limits(claim)
    if values is None or claim.than is None:
        return values and _of_differences(values)
    return values[0] - claim.than, values[1] - claim.than


def _value_limits(claim: Claim) -> Limits | None:
    """Limits of the values: a share, what is lost of it, or how either changes."""
    if not is_share(claim.quantity):
        return None
    values: Limits = (0.0, 1.0)
    for changed in (claim.misset, claim.relative_to):
        values = _of_differences(values) if changed else values
    return values


def _of_differences(values: Limits) -> Limits:
    reach = values[1] - values[0]
    return -reach, reach


def _as_effect(tested: Tested, units: int, pairs: int) -> Effect:
    mean, low, high, p = (float(part.item()) for part in tested)
    return Effect(mean, low, high, p, units, pairs)


# --- verdicts --------------------------------------------------------------------------------


def judge(found: Sequence[Evidence]) -> list[Judged]:
    """The verdict of every claim of a study; p values are adjusted over all that have one."""
    overall = _adjusted([one.effect for one in found])
    levels = [level.effect for one in found for level in one.levels]
    adjusted = iter(_adjusted(levels))
    return [
        _judged(one, p, tuple(next(adjusted) for _ in one.levels))
        for one, p in zip(found, overall, strict=True)
    ]


def _adjusted(effects: Sequence[Effect | None]) -> NDArray[np.float64]:
    p = np.array([np.nan if effect is None else effect.p for effect in effects])
    known = np.isfinite(p)
    p[known] = holm(p[known])
    return p


def _judged(one: Evidence, p: float, level_p: tuple[float, ...]) -> Judged:
    claim = one.claim
    if one.effect is None:
        runs = f"{one.missing} values are missing" if one.missing else "its runs are not there"
        return Judged(one, p, OPEN, reason=runs)
    answers = _by_factor(claim, one.levels, level_p)
    opposed = next((name for name, said in answers.items() if _opposed(claim, said)), "")
    verdict = verdict_of(claim, one.effect, p)
    if opposed:
        verdict = SUPPORTED if claim.direction == "neither" else DEPENDS
    reason = _reason(claim, one.effect, p) if verdict == OPEN else ""
    return Judged(one, p, verdict, opposed, reason, level_p)


def _by_factor(claim: Claim, levels: Sequence[Level], level_p: Sequence[float]) -> dict[str, set[str]]:
    """Factor -> what is said at its levels."""
    found: dict[str, set[str]] = {}
    for level, p in zip(levels, level_p, strict=True):
        said = (
            _ahead(claim, level.effect, p)
            if claim.direction == "neither"
            else verdict_of(claim, level.effect, p)
        )
        found.setdefault(level.factor, set()).add(said)
    return found


def _opposed(claim: Claim, said: set[str]) -> bool:
    return ({"a", "b"} if claim.direction == "neither" else {SUPPORTED, REFUTED}) <= said


def _ahead(claim: Claim, effect: Effect, p: float) -> str:
    """The side that is higher by more than what matters, if one surely is."""
    if p < SIGNIFICANT and effect.low > claim.matters:
        return "a"
    return "b" if p < SIGNIFICANT and effect.high < -claim.matters else ""


def verdict_of(claim: Claim, effect: Effect, p_holm: float) -> str:
    """Supported, refuted or too little evidence, of one effect by itself."""
    if claim.direction == "neither":
        if _ahead(claim, effect, p_holm):
            return REFUTED
        return SUPPORTED if -claim.matters < effect.low and effect.high < claim.matters else OPEN
    turned = effect.turned("higher" if claim.compare == "wins" else claim.direction)
    if turned.low > claim.matters and p_holm < SIGNIFICANT:
        return SUPPORTED
    return REFUTED if turned.high < claim.matters else OPEN


def _reason(claim: Claim, effect: Effect, p: float) -> str:
    """Why there is no verdict."""
    if not np.isfinite(effect.low):
        return f"{effect.units} replicates are too few for an interval"
    if p >= SIGNIFICANT and abs(effect.mean) > claim.matters:
        return f"p is {p:.2g} after adjustment"
    return "the interval holds the smallest effect that matters"
