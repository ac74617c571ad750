"""The part of the report about surfaces: a chapter for each descent, with views of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sim.views import panel, style, wording
from sim.views.chapters import Chapter, Part, figures_of, tables_of
from sim.views.surface_records import DescentRecords, SurfaceRecords, descent_figure, descent_table

# Views register themselves when their modules are imported.
from sim.views import figures_basins, figures_dependence, figures_everywhere  # noqa: F401  isort: skip
from sim.views import figures_surfaces, tables_published, tables_surfaces  # noqa: F401  isort: skip


def part(directory: Path) -> Part:
    """The descents of a results folder, their tables and figures written."""
    records = SurfaceRecords.read(directory)
    descents = records.descents()
    chapters = [_chapter(descent, directory) for descent in descents]
    starts = wording.count(int(records.walks["starts"].sum()), "start")
    walks = wording.count(len(records.walks), "walk")
    return Part(f"{walks} from {starts} together", overview(descents), chapters)


def _chapter(descent: DescentRecords, directory: Path) -> Chapter:
    figures = list(figures_of(descent, descent_figure, directory))
    tables = list(tables_of(descent, descent_table, directory))
    told = tables if (descent.descent.published and tables) or not figures else figures
    answer = told[0].caption if told else ""
    question = descent.question or descent.name
    shown = panel.panel(descent) if panel.applies(descent) else ""
    return Chapter(descent.name, question, answer, facts(descent), figures, tables, shown)


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
