"""Tonight's figures against the history: pure functions, records in, verdicts out.

**Learning** is deterministic. Where kernels and machine are those of an earlier night, its values
must be equal, all of them, to the last bit. Otherwise only rounding can differ: before the first update
by what `Figure.rounding` says, and after it by what rounding may grow to, which the replicates tell.
They draw the same numbers every night, so their differences d from the night of
reference are compared in pairs, mean d ± t · sd(d) / √n. With other versions of the packages that draw
the numbers or hold the data nothing is paired, and the interval is that of two means (Welch).
The reference is the first night of the study, or of the level that was accepted
since: an error that grows a little every night is not overlooked.

**Speed** is compared on machines of one kind, with their own scatter: the nights of a level lie around its
median, and tonight may be above it by t · s √(1 + 1/n), or by the share `FLOOR` of it where the nights
agree better, and below it by the same factor: however noisy the nights, some speed is too low.
s is the standard deviation of all nights around the medians of their levels, those further out than
three robust deviations drawn in, and tonight's own repeats are added to it, for a noisy night says
less. What is slower is a regression, what is faster a gain, which begins a new level; more than the
processor can do, or a gain beyond `SUSPICIOUS`, is held to be work left out until it is accepted.
With fewer nights than `NIGHTS` there is no verdict.

A night of equal speed is called one of the two by chance once in `1 / ALARMS` nights, all figures together.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sim.bench.nightly.figures import LEARNING, NOTED, SPEED, START, Figure
from sim.bench.nightly.history import Night, Record

NIGHTS = 5
"""So many nights of a machine's kind are needed before its speed is judged."""
WINDOW = 30
"""So many nights at most are looked back upon."""
FLOOR = 0.04
"""A difference of speed smaller than this share is never called one."""
SUSPICIOUS = 1.5
"""A gain by this factor is more likely work left out than work done faster."""
ALARMS = 0.01
"""False alarms a night, all figures of a kind together."""
ROBUST = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
DRAWING = ("numpy", "scikit-learn")
"""Packages that draw the numbers and hold the data."""

NONE, SAME, WITHIN, GAIN = "no verdict yet", "equal", "within", "gain"
REGRESSION, SUSPECT, ACCEPTED = "regression", "suspicious", "accepted"
BAD = (REGRESSION, SUSPECT)
"""Words that end a night with the exit code of a regression; such a figure is never a reference."""
LEVELS = (GAIN, ACCEPTED)
"""Words with which a new level begins."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a figure, against what, and how far it might have been from it."""

    figure: Figure
    word: str
    reason: str
    reference: float = math.nan
    reach: float = math.nan

    @property
    def band(self) -> tuple[float, float] | None:
        """Between what the figure was expected; None where nothing was, or exactly the reference."""
        if not self.reach > 0:
            return None
        if self.figure.kind == SPEED:
            return self.reference / (1 + self.reach / self.reference), self.reference + self.reach
        return self.reference - self.reach, self.reference + self.reach


def judge(figures: Sequence[Figure], about: Night, records: Sequence[Record]) -> list[Verdict]:
    """A verdict for each figure, in their order."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.figure.name, []).append(record)
    counts = {kind: sum(figure.kind == kind for figure in figures) for kind in (START, LEARNING, SPEED)}
    verdicts = []
    for figure in figures:
        earlier = [r for r in by_name.get(figure.name, []) if r.figure.kind == figure.kind]
        if figure.kind == NOTED:
            verdicts.append(Verdict(figure, "", ""))
        elif figure.kind == SPEED:
            verdicts.append(speed(figure, about, earlier, ALARMS / counts[SPEED]))
        else:
            verdicts.append(learning(figure, about, earlier, ALARMS / counts[figure.kind]))
    return verdicts


@lru_cache(maxsize=4096)
def student(probability: float, freedom: float) -> float:
    """The two-sided quantile of Student's t."""
    from scipy import stats

    return float(stats.t.ppf(1 - probability / 2, freedom))


def level_of(records: Sequence[Record]) -> list[Record]:
    """The records since the last gain or acceptance, that one included, without those that were bad."""
    begins = max((place for place, record in enumerate(records) if record.word in LEVELS), default=0)
    return [record for record in records[begins:] if record.word not in BAD]


# --- learning ------------------------------------------------------------------------------------


def learning(figure: Figure, about: Night, earlier: Sequence[Record], alarms: float) -> Verdict:
    """Equal on the same machine and kernels, by interval otherwise."""
    level = level_of([record for record in earlier if record.about.study == about.study])
    if not level:
        return Verdict(figure, NONE, "nothing to compare with")
    twins = [r for r in level if (r.about.machine, r.about.kernels) == (about.machine, about.kernels)]
    if twins:
        return _exact(figure, twins[-1])
    return _interval(figure, about, level[0], alarms)


def _equal(one: Sequence[float], other: Sequence[float]) -> bool:
    """To the last bit; NaN is equal to NaN."""
    return len(one) == len(other) and all(
        a == b or (a != a and b != b) for a, b in zip(one, other, strict=True)
    )


def _exact(figure: Figure, twin: Record) -> Verdict:
    if _equal(figure.values, twin.figure.values):
        return Verdict(figure, SAME, f"to the last bit as in night {twin.night}", twin.figure.value, 0.0)
    reason = f"not equal to night {twin.night}, though kernels and machine are the same"
    return Verdict(figure, REGRESSION, reason, twin.figure.value, 0.0)


def _interval(figure: Figure, about: Night, reference: Record, alarms: float) -> Verdict:
    before, now = reference.figure.values, figure.values
    said = f"night {reference.night}, which other kernels or another machine computed"
    if _equal(before, now):
        return Verdict(figure, SAME, f"to the last bit as in {said}", reference.figure.value, 0.0)
    if not all(map(math.isfinite, (*before, *now))):
        reason = f"diverged or zero where it was not, or the reverse, in {said}"
        return Verdict(figure, REGRESSION, reason, reference.figure.value)
    reach = max(
        figure.rounding * max(1.0, abs(reference.figure.value)), _reach(figure, about, reference, alarms)
    )
    difference = abs(figure.value - reference.figure.value)
    word = WITHIN if difference <= reach else REGRESSION
    reason = f"{difference:.2g} from {said}; {reach:.2g} is allowed"
    return Verdict(figure, word, reason, reference.figure.value, reach)


def _reach(figure: Figure, about: Night, reference: Record, alarms: float) -> float:
    """How far chance may take the means apart; of networks not trained yet not at all, in pairs."""
    before, now = reference.figure, figure
    paired = len(before.values) == len(now.values) and all(
        reference.about.versions.get(name) == about.versions.get(name) for name in DRAWING
    )
    if paired and figure.kind == START:
        return 0.0
    if min(len(before.values), len(now.values)) < 2:
        return 0.0
    if paired:
        apart = [a - b for a, b in zip(now.values, before.values, strict=True)]
        return student(alarms, len(apart) - 1) * statistics.stdev(apart) / math.sqrt(len(apart))
    shares = [f.spread**2 / len(f.values) for f in (before, now)]
    freedom = _welch(shares, [len(f.values) for f in (before, now)])
    return student(alarms, freedom) * math.sqrt(sum(shares))


def _welch(shares: Sequence[float], counts: Sequence[int]) -> float:
    """Degrees of freedom of a difference of means (Welch 1947); ``shares`` are their squared errors."""
    below = sum(share**2 / (count - 1) for share, count in zip(shares, counts, strict=True))
    return sum(shares) ** 2 / below if below else sum(counts) - 2


# --- speed ---------------------------------------------------------------------------------------


def speed(figure: Figure, about: Night, earlier: Sequence[Record], alarms: float) -> Verdict:
    """Against the nights of the same kind of machine, with their own scatter."""
    if figure.value > figure.ceiling:
        return Verdict(figure, SUSPECT, "more than the processor can do: work is left out")
    nights = [r for r in earlier if r.about.machine == about.machine and r.word not in BAD][-WINDOW:]
    if len(nights) < NIGHTS:
        return Verdict(figure, NONE, f"{len(nights)} nights of this kind of machine, {NIGHTS} are needed")
    centre = statistics.median(record.figure.value for record in level_of(nights))
    reach = speed_reach(figure, nights, centre, alarms)
    apart = figure.value / centre - 1
    reason = (
        f"{apart:+.1%} from {len(nights)} nights, {reach / centre:+.1%} is allowed, or as much the other way"
    )
    verdict = Verdict(figure, WITHIN, reason, centre, reach)
    lowest, highest = verdict.band or (centre, centre)
    if figure.value < lowest:
        return replace(verdict, word=REGRESSION)
    if figure.value <= highest:
        return verdict
    if figure.value > SUSPICIOUS * centre:
        return replace(verdict, word=SUSPECT, reason=f"{reason}: too good, is work left out?")
    return replace(verdict, word=GAIN)


def speed_reach(figure: Figure, nights: Sequence[Record], centre: float, alarms: float) -> float:
    """How far above the median of its level tonight may lie."""
    deviations, levels = _deviations(nights)
    night = _drawn_in(deviations) / math.sqrt(max(len(deviations) - levels, 1)) * centre
    here = len(level_of(nights))
    tonight = _robust(figure.values) / math.sqrt(len(figure.values))
    scatter = math.sqrt(night**2 * (1 + 1 / here) + tonight**2)
    return max(FLOOR * centre, student(alarms, max(len(deviations) - levels, 1)) * scatter)


def _deviations(nights: Sequence[Record]) -> tuple[list[float], int]:
    """Of each night from the median of its level, as a share of it; and how many levels there are."""
    levels: list[list[float]] = []
    for record in nights:
        if not levels or record.word in LEVELS:
            levels.append([])
        levels[-1].append(record.figure.value)
    apart = [value / statistics.median(level) - 1 for level in levels for value in level]
    return apart, len(levels)


def _drawn_in(deviations: Sequence[float]) -> float:
    """Root of the sum of squares, those beyond three robust deviations drawn in to that."""
    limit = 3 * ROBUST * statistics.median(map(abs, deviations))
    return math.sqrt(sum(min(abs(value), limit) ** 2 for value in deviations))


def _robust(values: Sequence[float]) -> float:
    """Standard deviation by the median absolute deviation."""
    middle = statistics.median(values)
    return ROBUST * statistics.median(abs(value - middle) for value in values)
