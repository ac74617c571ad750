"""The trends as one HTML page that needs nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sim.bench.nightly.figures import LEARNING, NOTED, SPEED, START, Figure
from sim.bench.nightly.history import Night, Record
from sim.bench.nightly.sparkline import Dot, sparkline
from sim.bench.nightly.verdict import ACCEPTED, BAD, GAIN, REGRESSION, SUSPECT, Verdict
from sim.views import wording
from sim.views.saving import write

SHOWN_NIGHTS = 60
"""Nights of a trend, and rows of the list of nights."""
CLASSES = {REGRESSION: "bad", SUSPECT: "bad", GAIN: "gain", ACCEPTED: "gain"}


@dataclass(frozen=True)
class Trend:
    """A figure of tonight as the page shows it."""

    name: str
    value: str
    expected: str
    word: str
    style: str
    reason: str
    drawing: str


@dataclass(frozen=True)
class Row:
    """A night in the list of nights."""

    number: int
    about: Night
    figures: int
    outcome: str
    style: str


def told(figure: Figure, value: float) -> str:
    """A value as a reader takes it in."""
    if not math.isfinite(value):
        return "–"
    if figure.kind == SPEED:
        return f"{value:.1%}"
    return f"{value:,.0f} {figure.unit}" if figure.kind == NOTED else f"{value:.6g}"


def _dots(verdict: Verdict, records: Sequence[Record], about: Night) -> list[Dot]:
    """The nights a figure may be compared with: of this kind of machine, or of this study."""
    figure = verdict.figure
    learned = figure.kind in (START, LEARNING)
    kept = [
        record
        for record in records
        if (
            record.about.study == about.study
            if learned
            else record.about.machine == about.machine
        )
    ]  # fmt: skip
    return [
        Dot(
            record.figure.value,
            f"night {record.night}, {record.about.began}: {told(record.figure, record.figure.value)}, "
            f"{record.word or 'not judged'} ({record.about.revision[:9]})",
            CLASSES.get(record.word, ""),
            record.about.began[:10],
        )
        for record in kept[-SHOWN_NIGHTS:]
    ]


def trend(verdict: Verdict, records: Sequence[Record], about: Night) -> Trend:
    """``records``: of this figure, all nights, tonight's included."""
    figure = verdict.figure
    expected = told(figure, verdict.reference)
    if verdict.band:
        expected = " to ".join(told(figure, end) for end in verdict.band)
    drawing = sparkline(figure.name, _dots(verdict, records, about), verdict.band, figure.kind == SPEED)
    style = CLASSES.get(verdict.word, "")
    return Trend(
        figure.name, told(figure, figure.value), expected, verdict.word, style, verdict.reason, drawing
    )


def _nights(records: Sequence[Record]) -> list[Row]:
    found: dict[int, list[Record]] = {}
    for record in records:
        found.setdefault(record.night, []).append(record)
    rows = []
    for number, members in found.items():
        bad = [record.figure.name for record in members if record.word in BAD]
        gains = [record.figure.name for record in members if record.word in (GAIN, ACCEPTED)]
        outcome = f"{wording.count(len(bad), 'regression')}: {', '.join(bad[:3])}" if bad else "fine"
        if gains and not bad:
            outcome = f"{wording.count(len(gains), 'change')}: {', '.join(gains[:3])}"
        style = "bad" if bad else "gain" if gains else ""
        rows.append(Row(number, members[0].about, len(members), outcome, style))
    return rows[:-SHOWN_NIGHTS - 1:-1]  # fmt: skip


def page(headline: str, verdicts: Sequence[Verdict], about: Night, records: Sequence[Record]) -> str:
    """The page; ``records`` are all nights, tonight's included."""
    from jinja2 import Environment, StrictUndefined

    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.figure.name, []).append(record)
    trends = {
        kind: [
            trend(verdict, by_name.get(verdict.figure.name, []), about)
            for verdict in verdicts
            if verdict.figure.kind == kind
        ]
        for kind in (SPEED, NOTED, LEARNING, START)
    }
    source = resources.files("sim.bench.nightly").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        headline=headline,
        about=about,
        trends=trends,
        changes=[t for kind in trends for t in trends[kind] if t.style],
        nights=_nights(records),
    )


def draw(
    path: Path, headline: str, verdicts: Sequence[Verdict], about: Night, records: Sequence[Record]
) -> None:
    """Write the page, whole or not at all."""
    write(path, page(headline, verdicts, about, records).encode())
