"""The part of the report about surfaces: a chapter for each descent, with views of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from sim.views import panel, style, wording
from sim.views.chapters import Chapter, Draft, Part, figures_of, tables_of, written
from sim.views.surface_records import DescentRecords, SurfaceRecords, descent_figure, descent_table

# Views register themselves when their modules are imported.
from sim.views import figures_basins, figures_dependence, figures_everywhere  # noqa: F401  isort: skip
from sim.views import figures_surfaces, tables_published, tables_surfaces  # noqa: F401  isort: skip


def part(directory: Path, jobs: int = 1) -> Part:
    """The descents of a results folder, their tables and figures written."""
    records = SurfaceRecords.read(directory)
    descents = records.descents()
    drafts = [
        Draft(
            partial(_words, descent),
            figures_of(descent, descent_figure),
            tables_of(descent, descent_table),
        )
        for descent in descents
    ]
    chapters = [
        replace(chapter, answer=_answer(descent, chapter))
        for descent, chapter in zip(descents, written(drafts, directory, jobs), strict=True)
    ]
    starts = wording.count(int(records.walks["starts"].sum()), "start")
    walks = wording.count(len(records.walks), "walk")
    return Part(f"{walks} from {starts} together", overview(descents), chapters)


def _words(descent: DescentRecords) -> Chapter:
    shown = panel.panel(descent) if panel.applies(descent) else ""
    return Chapter(descent.name, descent.question or descent.name, "", facts(descent), shown)


def _answer(descent: DescentRecords, chapter: Chapter) -> str:
    """What the first figure shows, or the first table where that has printed numbers to compare with."""
    figures, tables = chapter.figures, chapter.tables
    told = tables if (descent.descent.published and tables) or not figures else figures
    return told[0].caption if told else ""


def facts(descent: DescentRecords) -> str:
    """How many walks from how many starts, what varies, what is the same."""
    written = descent.descent
    counted = {factor: descent.runs[factor].nunique() for factor in descent.varying}
    varied = wording.enumeration(f"{style.label(name)} ({count})" for name, count in counted.items())
    where = (
        f"a map of {written.map} × {written.map} starts"
        if written.map
        else wording.count(written.starts, "chosen start")
    )
    same = [factor for factor in ("surface", "noise", "steps") if factor not in descent.varying]
    fixed = ", ".join(f"{style.label(name)} {_shown(descent.runs[name].iloc[0])}" for name in same)
    walks = wording.count(len(descent.runs), "walk")
    replicates = wording.count(written.replicates, "replicate")
    each = " each" if len(descent.runs) > 1 else ""
    reached = (
        f"; within {wording.setting(written.radius)} of a minimum a start has reached it"
        if any(descent.known(surface) for surface in descent.surfaces)
        else "; no minimum is known"
    )
    return (
        f"{walks} from {where}, {replicates}{each}. Varied: {varied or 'nothing'}. The same for all: "
        f"{fixed or 'nothing'}{reached}."
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else wording.setting(value)


def overview(descents: list[DescentRecords]) -> pd.DataFrame:
    """How many starts each descent has and what became of them."""
    rows = []
    for descent in descents:
        status = descent.ends["status"].value_counts()
        counts = {name: int(status.get(name, 0)) for name in ("reached", "not_reached", "diverged")}
        rows.append(
            {"descent": descent.name, "walks": len(descent.runs), "starts": len(descent.ends), **counts}
        )
    return pd.DataFrame(rows)
