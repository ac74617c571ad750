"""The stages of a comparison: what is to be trained next, a pure function of the study and of the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.analysis.tuning import Search, levels, searches
from sim.plan import Plan
from sim.study import Study
from sim.study.comparison import Entrant, Problem
from sim.trials import STAGES, Asked, networks, with_runs

if TYPE_CHECKING:
    import pandas as pd

Records = Callable[[], "tuple[pd.DataFrame, pd.DataFrame]"]
"""Gives runs and curves of all that is trained so far."""


def following(plan: Plan, records: Records) -> Plan | None:
    """The plan with the next stage that has anything to train, None after the last one.

    The order: tuning, targets, as many rounds of extension as the study allows, report.
    """
    if plan.stage in ("", STAGES[-1]):
        return None
    return _after(plan, *records())


def _after(plan: Plan, runs: pd.DataFrame, curves: pd.DataFrame) -> Plan:
    study, asked = plan.study, []
    assert study.comparison is not None
    stage, known = "target", levels(study, runs)
    if plan.stage == "tuning":
        asked = _targets(study, searches(_by_final(study), runs, curves, known))
    if not asked:
        found = searches(study, runs, curves, known)
        stage, asked = "extension", _extensions(study, found)
        if not asked:
            stage, asked = "report", _report(study, found, known)
    return with_runs(plan, stage, networks(study).runs(asked))


def _by_final(study: Study) -> Study:
    """The same study, its settings judged by the final metric: no target is known yet."""
    assert study.comparison is not None
    return replace(study, comparison=replace(study.comparison, criterion="final"))


Found = Mapping[tuple[str, str], Search]


def _asked(study: Study, found: Found) -> Iterator[tuple[Problem, Entrant, Search]]:
    """Every problem × optimizer that was searched, in the study's order."""
    problems = {problem.name: problem for problem in study.problems}
    assert study.comparison is not None
    for (problem, entrant), search in found.items():
        yield problems[problem], study.comparison.entrant(entrant), search


def _targets(study: Study, found: Found) -> list[Asked]:
    """The founding optimizers' best settings on the problems whose target is not declared."""
    assert study.comparison is not None
    return [
        Asked(problem, entrant, "target", "tuned", search.best, search.tried[search.best])
        for problem, entrant, search in _asked(study, found)
        if problem.level is None and entrant.name in study.comparison.founding
    ]


def _extensions(study: Study, found: Found) -> list[Asked]:
    """One step beyond the edge wherever the best setting stands at one and may go on."""
    assert study.comparison is not None
    most = study.comparison.trials + study.comparison.extend
    return [
        Asked(problem, entrant, "extension", "trial", len(search.tried), search.beyond)
        for problem, entrant, search in _asked(study, found)
        if search.beyond is not None and len(search.tried) < most
    ]


def _report(study: Study, found: Found, levels: Mapping[str, float]) -> list[Asked]:
    """The best setting of each optimizer on each problem, and its default."""
    return [
        Asked(problem, entrant, "report", setting, trial, choice, levels[problem.name])
        for problem, entrant, search in _asked(study, found)
        for setting, trial, choice in (
            ("tuned", search.best, search.tried[search.best]),
            ("default", -1, entrant.default),
        )
    ]
