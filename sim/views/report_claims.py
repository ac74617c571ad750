"""The part of the report about the study's claims: one chapter, before all others."""

from __future__ import annotations

import base64
from pathlib import Path

import pandas as pd

from sim.analysis.claims import VERDICTS
from sim.study.claim_cells import pools_of
from sim.views import claims_told, reading, saving, wording
from sim.views.chapters import Chapter, Part, Shown
from sim.views.claim_rows import ClaimRecords
from sim.views.figures_claims import forests
from sim.views.tables import write_csv

RULE = (
    "Supported: the whole 95 % interval lies beyond the smallest effect that matters, and p, adjusted "
    "over all claims of the study (Holm), is below 0.05. Refuted: the whole interval lies below the "
    "smallest effect that matters. Depends: at one level of a factor the claim is supported, at another "
    "refuted. A claim that neither side is ahead is supported where the interval lies within what does "
    "not matter, or where each side is ahead at some level. Else there is too little evidence. The piece "
    "of evidence is the replicate, for walks on surfaces the start: pairs within one are averaged first."
)


def part(directory: Path) -> Part:
    """The claims of a results folder with their verdicts, figure and tables written."""
    records = ClaimRecords.read(directory)
    judged = records.judged
    claims = wording.count(len(judged), "claim")
    chapter = Chapter(
        "claims",
        "What is there to the claims?",
        f"Of {claims} {claims_told.summary(judged)}.",
        RULE,
        figures=_figures(directory, records),
        tables=_tables(directory, records),
    )
    counts = {verdict: [sum(one.verdict == verdict for one in judged)] for verdict in VERDICTS}
    return Part(claims, pd.DataFrame({"claims": [len(judged)], **counts}), [chapter])


def _figures(directory: Path, records: ClaimRecords) -> list[Shown]:
    shown = []
    for page, drawing in enumerate(forests(records.judged), 1):
        name = "forest" if page == 1 else f"forest_{page}"
        png = saving.image(drawing.figure, "png")
        saving.write(directory / f"figures/claims_{name}.png", png)
        saving.write(directory / f"figures/claims_{name}.svg", saving.image(drawing.figure, "svg"))
        picture, file = base64.b64encode(png).decode(), f"figures/claims_{name}.svg"
        title = "Effects" if page == 1 else f"Effects, page {page}"
        shown.append(Shown(f"claims-figure-{name}", title, drawing.caption, file, picture))
    return shown


def _tables(directory: Path, records: ClaimRecords) -> list[Shown]:
    kinds = {claim.name: pools_of(records.study, claim)["a"].kind for claim in records.study.claims}
    whole = claims_told.table(records.judged, kinds)
    shown = claims_told.page_table(records.judged)
    caption = (
        "Effects are a − b, in units of the quantity that each claim names; what a and b are says the CSV."
    )
    found = [_table(directory, "verdicts", "Verdicts", caption, whole, shown)]
    levels = claims_told.levels(records.judged)
    if len(levels):
        caption = "What each claim comes to at the levels it may depend on."
        found.append(_table(directory, "levels", "Levels", caption, levels, levels))
    return found


def _table(
    directory: Path, name: str, title: str, caption: str, whole: pd.DataFrame, shown: pd.DataFrame
) -> Shown:
    file = f"tables/claims_{name}.csv"
    saving.write(directory / file, write_csv(whole))
    return Shown(f"claims-table-{name}", title, caption, file, reading.rows(shown))
