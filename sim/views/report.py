"""A results folder's records -> its tables, figures and report; the same bytes for the same records."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from sim import store
from sim.errors import StudyError
from sim.study import Study
from sim.views import (
    reading,
    report_claims,
    report_comparison,
    report_examples,
    report_networks,
    report_surfaces,
    saving,
    style,
)
from sim.views.chapters import PAGE_ROWS, Part

PARTS: dict[str, Callable[[Path, int], Part]] = {
    "grid": report_networks.part,
    "problem": report_comparison.part,
    "descent": report_surfaces.part,
    "example": report_examples.part,
}
"""What tells the records of each section of a study."""


def ready() -> None:
    """Import and load what every report needs: to whoever waits for records anyway it costs no time."""
    import jinja2  # noqa: F401
    import pyarrow.dataset  # noqa: F401
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0, 0, "0")
    for kind in saving.SAVED:
        saving.image(figure, kind)


def build(directory: str | Path, jobs: int = 1) -> Path:
    """Write tables/*.csv, figures/*.png and *.svg and report.html from the records; returns the page's path.

    Up to ``jobs`` processes count and draw, the bytes are the same for any number. Raises StudyError where
    the folder holds no finished records. Every file is written whole or not at all; tables and figures of an
    earlier report that no longer apply are removed.
    """
    import matplotlib as mpl

    directory = Path(directory)
    if not (directory / "study.toml").exists():
        raise StudyError(f"{directory}: holds no results")
    study = Study.load(directory / "study.toml")
    held = {noun: sections for noun, sections in study.parts.items() if store.holds(directory, noun)}
    if not held:
        raise StudyError(f"{directory}: is not finished: run its study again")
    told = [name for sections in held.values() for name, parts in sections.items() if parts and name in PARTS]
    with mpl.rc_context(style.settings()):
        claims = [report_claims.part(directory)] if study.claims else []
        parts = [*claims, *(PARTS[name](directory, jobs) for name in told)]
        parts = [part for part in parts if part.chapters] or parts  # --only may leave sections without runs
    return _publish(directory, study, parts)


def _publish(directory: Path, study: Study, parts: list[Part]) -> Path:
    """Write the page of these parts; what an earlier report drew and this one did not is removed."""
    from jinja2 import Environment, StrictUndefined

    chapters = [chapter for part in parts for chapter in part.chapters]
    _remove_others(
        directory,
        {
            file
            for chapter in chapters
            for shown in (*chapter.tables, *chapter.figures)
            for file in (shown.file, shown.moving)
        },
    )
    source = resources.files("sim.views").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(source).render(
        study=study,
        chapters=chapters,
        summary=f"{'; '.join(part.summary for part in parts)}, seed {study.seed}.",
        overviews=[reading.rows(part.overview) for part in parts],
        page_rows=PAGE_ROWS,
    )
    page = directory / "report.html"
    saving.write(page, text.encode())
    return page


def _remove_others(directory: Path, written: set[str]) -> None:
    """Tables and figures that an earlier report left and this one did not write."""
    kept = written | {file.removesuffix(".svg") + ".png" for file in written}
    for pattern in ("tables/*.csv", "figures/*.png", "figures/*.svg", "figures/*.gif"):
        for path in directory.glob(pattern):
            if path.relative_to(directory).as_posix() not in kept:
                path.unlink()
