"""One figure over the nights as a small drawing inside the page, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 300.0, 92.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 8.0, 8.0, 18.0
AIR = 0.12
"""Share of the height left free above the highest and below the lowest dot."""


@dataclass(frozen=True)
class Dot:
    """A night's value; `said` appears when one points at it, `word` is its class."""

    value: float
    said: str
    word: str
    date: str


@dataclass(frozen=True)
class Scale:
    """From nights and values to the drawing."""

    count: int
    low: float
    high: float

    def x(self, place: int) -> float:
        """Nights stand at equal distances, the newest at the right."""
        share = place / (self.count - 1) if self.count > 1 else 0.5
        return LEFT + 6 + share * (WIDTH - LEFT - RIGHT - 12)

    def y(self, value: float) -> float:
        """Upwards."""
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def _scale(dots: Sequence[Dot], band: tuple[float, float] | None) -> Scale:
    values = [dot.value for dot in dots if math.isfinite(dot.value)]
    values += [bound for bound in band or () if math.isfinite(bound)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    # Values equal to the last bit need a scale too; what rounding does must not fill it.
    room = max(AIR * (high - low), 1e-6 * max(abs(low), abs(high)), 1e-12)
    return Scale(len(dots), low - room, high + room)


def _text(x: float, y: float, said: str, anchor: str = "end") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _labels(scale: Scale, dots: Sequence[Dot], percent: bool) -> list[str]:
    """The ends of the vertical axis, and the first and the last night."""
    ends = [
        _text(LEFT - 4, y, f"{value:.1%}" if percent else f"{value:.4g}")
        for value, y in ((scale.high, TOP + 6), (scale.low, HEIGHT - BOTTOM))
    ]
    last = [_text(WIDTH - RIGHT, HEIGHT - 4, dots[-1].date)]
    return ends + last + ([_text(LEFT, HEIGHT - 4, dots[0].date, "start")] if len(dots) > 1 else [])


def _lines(scale: Scale, dots: Sequence[Dot]) -> list[str]:
    """A line through the nights, broken where a value is not finite."""
    pieces: list[list[str]] = [[]]
    for place, dot in enumerate(dots):
        if math.isfinite(dot.value):
            pieces[-1].append(f"{scale.x(place):.1f},{scale.y(dot.value):.1f}")
        else:
            pieces.append([])
    return [f'<polyline points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1]


def sparkline(
    name: str, dots: Sequence[Dot], band: tuple[float, float] | None = None, percent: bool = False
) -> str:
    """The SVG: a line with a dot a night, and the band in which tonight was expected."""
    scale = _scale(dots, band)
    parts = [f'<svg class="trend" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">']
    parts.append(f"<title>{escape(name)}</title>")
    if band and all(map(math.isfinite, band)):
        top, foot = scale.y(band[1]), scale.y(band[0])
        size = f'width="{WIDTH - LEFT - RIGHT:.1f}" height="{max(foot - top, 1.0):.1f}"'
        parts.append(f'<rect class="band" x="{LEFT}" y="{top:.1f}" {size}/>')
    base = HEIGHT - BOTTOM
    parts.append(f'<path class="axis" d="M{LEFT} {TOP} V{base} H{WIDTH - RIGHT}"/>')
    parts += _labels(scale, dots, percent) + _lines(scale, dots)
    for place, dot in enumerate(dots):
        if math.isfinite(dot.value):
            spot = f'cx="{scale.x(place):.1f}" cy="{scale.y(dot.value):.1f}" r="2.6"'
            parts.append(f'<circle class="{dot.word}" {spot}><title>{escape(dot.said)}</title></circle>')
    return "".join([*parts, "</svg>"])
