"""The forest plot of a study's claims: every effect in units of the smallest that matters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.analysis.claims import DEPENDS, OPEN, REFUTED, SUPPORTED, Effect, Judged
from sim.views import style, wording
from sim.views.claims_told import summary, told_factor
from sim.views.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTERS = 46
"""Letters in a line of a sentence."""
LINE = 0.135
"""Height of a line of text, in inches."""
TALLEST = 8.5
"""Height of the rows of one page, in inches."""
LONGEST = 20.0
"""Effects beyond so many times the smallest that matters are drawn at the edge."""


class Line(NamedTuple):
    """What is drawn in one row: a claim, or under it one of its levels."""

    text: str
    effect: Effect | None
    verdict: str
    whole: bool


def forests(judged: Sequence[Judged]) -> list[Drawing]:
    """A row a claim, verdict beside it; what it depends on below it, level by level; on several pages."""
    pages: list[list[Judged]] = [[]]
    room = TALLEST
    for one in judged:
        height = sum(_height(line) for line in _lines(one))
        if pages[-1] and height > room:
            pages.append([])
            room = TALLEST
        pages[-1].append(one)
        room -= height
    return [_forest(page) for page in pages]


def _forest(judged: Sequence[Judged]) -> Drawing:
    from matplotlib.figure import Figure

    lines = [line for one in judged for line in _lines(one)]
    heights = np.array([_height(line) for line in lines])
    middle = np.cumsum(heights) - heights / 2
    wide, tall = style.PAGE_WIDTH, heights.sum() + 0.85
    figure = Figure(figsize=(wide, tall))
    axis = figure.add_axes((2.95 / wide, 0.5 / tall, (wide - 4.25) / wide, (tall - 0.6) / tall))
    axis.set_ylim(heights.sum(), 0)
    _frame(axis, lines)
    colours = _colours()
    for line, y in zip(lines, middle, strict=True):
        _draw(axis, line, y, colours[line.verdict])
    return Drawing(figure, _caption(judged))


def _lines(one: Judged) -> list[Line]:
    """The claim, and the levels of the factor that its verdict depends on."""
    claim, effect = one.evidence.claim, one.evidence.effect
    verdict = f"{one.verdict},\n{told_factor(one)}" if one.depends_on else one.verdict
    turned = None if effect is None else _turned(one, effect)
    found = [Line("\n".join(textwrap.wrap(claim.sentence, LETTERS)), turned, verdict, True)]
    for level in one.evidence.levels:
        if level.factor == one.depends_on:
            name = textwrap.shorten(_named(level.factor, level.level), LETTERS - 6, placeholder=" …")
            found.append(Line(name, _turned(one, level.effect), verdict, False))
    return found


def _named(factor: str, level: Any) -> str:
    """A level that explains itself: sigmoid, depth 10, beta2 0.9."""
    told = wording.named(factor, level)
    bare = told == wording.level(factor, level) and not isinstance(level, str)
    return f"{factor.rpartition('.')[2]} {told}" if bare else told


def _height(line: Line) -> float:
    """Height of a row in inches: that of its text, or of its verdict."""
    texts = [line.text, line.verdict] if line.whole else [line.text]
    return LINE * max(text.count("\n") + 1 for text in texts) + (0.09 if line.whole else 0.0)


def _turned(one: Judged, effect: Effect) -> Effect:
    """In units of the smallest effect that matters, positive what the claim says."""
    claim = one.evidence.claim
    turned = effect.turned("higher" if claim.compare == "wins" else claim.direction)
    size = claim.matters
    return Effect(turned.mean / size, turned.low / size, turned.high / size, turned.p, turned.units, 0)


def _colours() -> dict[str, Any]:
    """Verdict -> colour; a verdict that depends on a factor is written with it."""
    better, worse, muted = style.verdict_colours()
    import seaborn

    depends = seaborn.color_palette("colorblind")[4]
    plain = {SUPPORTED: better, REFUTED: worse, DEPENDS: depends, OPEN: muted}
    return _Prefixed(plain)


class _Prefixed(dict[str, Any]):
    """A mapping that finds ``depends,\\nby depth`` under ``depends``."""

    def __missing__(self, key: str) -> Any:
        return self[key.partition(",")[0]]


def _frame(axis: Axes, lines: Sequence[Line]) -> None:
    """Axis, the band of effects that do not matter, and what its sides mean."""
    from matplotlib.ticker import NullLocator

    axis.axvspan(-1, 1, color="0.93", linewidth=0)
    axis.axvline(0, color="0.6", linewidth=0.6)
    axis.axvline(1, color="0.6", linewidth=0.6, linestyle=(0, (2, 2)))
    axis.set_xscale("symlog", linthresh=1, linscale=0.8)
    ticks = [-20, -5, -1, 0, 1, 5, 20]
    axis.set_xticks(ticks, [wording.setting(tick).replace("-", "−") for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(-LONGEST * 1.25, LONGEST * 1.25)
    axis.set_yticks([])
    for side in ("left", "right", "top"):
        axis.spines[side].set_visible(False)
    axis.set_xlabel("effect / smallest effect that matters\n← against the claim        as claimed →")


def _draw(axis: Axes, line: Line, y: float, colour: Any) -> None:
    """One row: text, interval, point, verdict."""
    place = axis.get_yaxis_transform()
    indent = -2.85 if line.whole else -2.65
    inches = axis.get_position().width * style.PAGE_WIDTH
    shade = "black" if line.whole else style.MUTED
    axis.text(indent / inches, y, line.text, transform=place, va="center", color=shade, linespacing=1.1)
    if line.whole:
        axis.text(1.03, y, line.verdict, transform=place, va="center", color=colour, linespacing=1.1)
    if line.effect is None:
        return
    low, mean, high = np.clip([line.effect.low, line.effect.mean, line.effect.high], -LONGEST, LONGEST)
    width, size = (1.6, 4.0) if line.whole else (0.9, 2.6)
    axis.plot([low, high], [y, y], color=colour, linewidth=width, solid_capstyle="butt")
    beyond = abs(line.effect.mean) > LONGEST
    marker = (">" if line.effect.mean > 0 else "<") if beyond else "o"
    axis.plot([mean], [y], marker, color=colour, markersize=size)


def _from_to(counts: Sequence[int]) -> str:
    few, most = min(counts), max(counts)
    return f"{few:,}" if few == most else f"{few:,} to {most:,}"


def _caption(judged: Sequence[Judged]) -> str:
    beyond = any(
        one.evidence.effect is not None
        and abs(one.evidence.effect.mean) > LONGEST * one.evidence.claim.matters
        for one in judged
    )
    pairs = [one.evidence.effect.pairs for one in judged if one.evidence.effect is not None]
    return wording.joined(
        f"{wording.count(len(judged), 'claim')}: {summary(judged)}. Points: effects in units of the smallest "
        "that matters, positive what the claim says; lines: 95 % intervals. Grey band: too small to matter.",
        f"Behind each stand {_from_to(pairs)} comparisons of runs. None is left out: who never arrives is "
        "censored at the budget, who diverges ends worst."
        if pairs
        else "",
        f"▶ and ◀: beyond {LONGEST:g}." if beyond else "",
        "A claim that neither side is ahead wants its interval within the grey band."
        if any(one.evidence.claim.direction == "neither" for one in judged)
        else "",
        "Under a claim that depends on a factor stand its levels, with intervals that hold together."
        if any(one.depends_on for one in judged)
        else "",
    )
