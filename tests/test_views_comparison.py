"""Figures and tables of a comparison: they exist, say what stands behind them, and show the known truth."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from comparison_records import BUDGET, PROBLEMS, RATES, made_comparison
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from views_records import draw, fill, special

from sim.catalog.optimizers import optimizer
from sim.study import Study
from sim.views import figures_sensitivity, kin, report_comparison, style
from sim.views.comparison import CHAPTERS, FIGURES, TABLES, ComparisonRecords, Crowd, complete
from sim.views.figures_comparison_times import quartiles
from sim.views.figures_comparison_tuning import budget_curves, rates
from sim.views.records import Records
from sim.views.registry import applicable
from sim.views.tables import write_csv

assert figures_sensitivity.FEWEST == 3  # imported: its views are registered


@lru_cache(maxsize=1)
def small() -> ComparisonRecords:
    """Three problems, eight optimizers of three kinds."""
    return made_comparison(3, 8)


def views(families: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(view, id=f"{chapter}-{view.name}")
        for chapter, family in families.items()
        for view in family.values()
        if view.name != "settings"
    ]


def test_every_chapter_has_figures_and_tables_and_no_name_twice():
    assert set(FIGURES) == set(TABLES) == set(CHAPTERS)
    assert all(FIGURES[chapter] and TABLES[chapter] for chapter in CHAPTERS)
    named = [name for family in FIGURES.values() for name in family]
    assert {
        "leaderboard", "profiles", "win_matrix", "arrivals", "curves", "rate_sensitivity", "good_width",
        "tuning_budget", "time_memory",
    } <= set(named)  # fmt: skip
    assert len(named) == len(set(named))


@pytest.mark.parametrize("view", views(FIGURES))
def test_every_figure_says_what_it_shows_and_how_many_runs_stand_behind_it(view):
    records = small()
    with mpl.rc_context(style.settings()):
        drawing = view.function(records)
        drawing.figure.draw_without_rendering()
    width, height = drawing.figure.get_size_inches()
    assert width == pytest.approx(style.PAGE_WIDTH)
    assert height < 10.5  # a page
    assert re.search(r"[\d,]+ (tuning )?runs?\b", drawing.caption)
    assert re.search("censored|diverge|arrive|edge", drawing.caption)


@pytest.mark.parametrize("view", views(TABLES))
def test_every_table_has_rows_and_a_sentence(view):
    sheet = view.function(small())
    assert len(sheet.frame)
    assert sheet.caption.strip().endswith(".")
    assert "nan" not in sheet.caption
    assert sheet.frame.to_csv(index=False)


@pytest.mark.slow
def test_twelve_problems_and_sixteen_optimizers_stay_on_a_page():
    records = made_comparison()
    assert len(records.entrants) == 16
    with mpl.rc_context(style.settings()):
        for name, chapter in (
            ("arrivals", "problems"),
            ("curves", "problems"),
            ("rate_sensitivity", "tuning"),
        ):
            figure = FIGURES[chapter][name].function(records).figure
            assert figure.get_size_inches()[1] < 10.5


def test_the_leaderboard_has_the_order_of_the_paces_it_was_made_with():
    records = small()
    time = records.runs.groupby("entrant")["time"].apply(lambda t: np.minimum(t, BUDGET).mean())
    places = [list(time.sort_values().index).index(name) for name in records.ranked]
    assert np.corrcoef(places, np.arange(len(places)))[0, 1] > 0.9
    assert records.board["group"].is_monotonic_increasing
    caption = FIGURES["ranking"]["leaderboard"].function(records).caption
    assert f"First group: {records.ranked[0]}" in caption
    never = int(records.runs["steps_to_target"].isna().sum())
    assert f"{len(records.runs):,} runs" in caption
    assert f"{never:,} never reach" in caption


def test_kin_share_a_colour_and_differ_in_markers():
    crowd = Crowd(
        {"sgd": "sgd", "momentum": "momentum", "adam": "adam", "mine": "adam(beta1=0.5)", "own": "x"}
    )
    looks = crowd.looks
    assert looks["sgd"].color == looks["momentum"].color != looks["adam"].color
    assert looks["sgd"].marker != looks["momentum"].marker
    assert looks["mine"].kinship == "Adam and relatives"
    assert list(crowd.kinships) == ["gradient descent", "Adam and relatives", "own"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_names_keep_their_order_and_their_distance(heights):
    placed = kin.spread(heights, apart=0.085)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(placed[order]) >= 0.085 - 1e-6).all()
    assert placed.min() >= 0.0
    assert placed.max() <= 1.0 + 1e-9


LONG = "adam(beta1=0.7, epsilon=1e-06, bias_correction=False)"


@pytest.mark.parametrize("spacing", [0.0, 1e-3, 0.3], ids=["equal", "close", "apart"])
def test_every_line_is_named_beside_its_end_and_no_name_lies_over_another(spacing):
    crowd = Crowd({name: name for name in [*sorted(optimizer)[:24], LONG]})
    lines = {
        name: (np.array([1.0, 4.0]), np.array([0.2, 0.5 + spacing * (place % 3 - 1)]))
        for place, name in enumerate(crowd.parts)
    }
    with mpl.rc_context(style.settings()):
        figure, axes = kin.kin_panels(crowd, lines, "x", "y")
        for axis in axes:
            axis.set_xlim(1, 4)
            axis.set_ylim(0, 1)
        kin.name_lines(crowd, axes, lines)
        renderer = FigureCanvasAgg(figure).get_renderer()
    named = [(text, axis) for axis in axes for text in axis.texts]
    assert sorted(text.get_text() for text, _ in named) == sorted(kin.wrapped(name) for name in lines)
    boxes = [text.get_window_extent(renderer) for text, _ in named]
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    panels = [axis.get_window_extent(renderer) for axis in axes]
    for (text, axis), box in zip(named, boxes, strict=True):
        end = axis.transData.transform((4.0, 0.5))[0]  # of the lines
        assert end < box.x0
        assert box.x1 <= min(figure.bbox.x1, axis.bbox.x1 + 1)
        assert not any(box.overlaps(panel) for panel in panels if panel.x0 > axis.bbox.x0)
        (name,) = (name for name in lines if kin.wrapped(name) == text.get_text())
        leads = [line for line in axis.lines if line.get_transform() == axis.transAxes]
        place = text.get_position()[1]
        assert [line.get_marker() for line in leads if list(line.get_ydata()) == [place]] == [
            crowd.looks[name].marker
        ]
        begun = [line.get_ydata()[0] for line in leads if list(line.get_ydata())[1:] == [place]]
        assert begun == pytest.approx([lines[name][1][-1]])


def test_only_problems_that_everyone_finished_are_compared():
    runs = small().runs
    short = runs.drop(runs[(runs["problem"] == PROBLEMS[1]) & (runs["entrant"] == "adam")].index[:1])
    assert set(complete(short)["problem"]) == {PROBLEMS[0], PROBLEMS[2]}
    assert len(complete(runs)) == len(runs)


def test_quartiles_take_a_diverged_run_as_the_worst():
    wide = pd.DataFrame({1: [1.0, 1.0], 2: [2.0, np.nan], 3: [3.0, 3.0], 4: [4.0, np.nan]}, index=[0, 10])
    loss = quartiles(wide, "train_loss")
    assert loss["low"].tolist() == [2.0, 3.0]
    assert np.isnan(loss["high"].iloc[1])
    assert loss["runs"].tolist() == [4, 2]
    assert np.isnan(quartiles(wide, "test_accuracy")["low"].iloc[1])


def test_good_regions_hold_the_rate_each_optimizer_was_made_with():
    records = small()
    _, regions = rates(records)
    made = records.runs.groupby("entrant")["lr"].first()
    miss = np.abs(np.log10(regions["best"] / regions["entrant"].map(made)))
    assert miss.median() < 0.6  # the rates tried stand 0.6 decades apart
    assert (regions["decades"] > 0).mean() > 0.9


def test_who_learns_nothing_has_no_good_region():
    records = small()
    lazy = records.trials["entrant"] == "sgd"
    trials = records.trials.assign(value=records.trials["value"].mask(lazy, 0.9))
    _, regions = rates(replace(records, trials=trials))
    idle = (regions["entrant"] == "sgd").to_numpy()
    assert regions.loc[idle, "decades"].isna().all()
    assert not regions.loc[idle, "open"].any()
    assert regions.loc[~idle, "decades"].notna().any()


def test_a_good_rate_learned_something():
    records = small()
    poor = records.trials["entrant"] == "sgd"
    value = np.where(records.trials["lr"] == RATES[4], 0.5, 0.9)  # 0.9 is within twice 0.5, but not learned
    trials = records.trials.assign(value=records.trials["value"].mask(poor, value))
    table, regions = rates(replace(records, trials=trials))
    mine = regions[regions["entrant"] == "sgd"]
    assert (mine["threshold"] == 0.75).all()
    assert mine["decades"].tolist() == pytest.approx([2 * 0.625 * 0.625] * 3)  # to 0.75 on both sides
    assert not mine["open"].any()
    assert "ceiling" not in table


def test_budgets_are_counted_in_steps_and_gradients():
    records = report_comparison.comparison_of(stored())
    frame = TABLES["costs"]["budgets"].function(records).frame.set_index("entrant")
    runs = stored().runs
    for name in ("sgd", "adam"):
        mine = runs[runs["entrant"] == name]
        assert frame.loc[name, "networks"] == len(mine)
        assert frame.loc[name, "steps"] * 32 == frame.loc[name, "evaluations"]
        assert frame.loc[name, "evaluations"] == mine["gradient_evaluations"].sum()
        for stage in ("tuning", "report"):
            made = mine.loc[mine["stage"] == stage, "gradient_evaluations"].sum()
            assert frame.loc[name, stage] == made > 0
    assert (frame[["target", "extension"]] == 0).all(axis=None)


def test_tuning_longer_never_hurts():
    steps = budget_curves(small()).groupby(["problem", "entrant"])["best"].diff().dropna()
    assert (steps <= 1e-12).all()


def test_a_bound_that_the_trials_cannot_give_is_empty_and_said_to_be_so(tmp_path):
    sheet = TABLES["tuning"]["tuning_budget"].function(small())
    written = pd.read_csv(io.BytesIO(write_csv(sheet.frame)), keep_default_na=False, dtype=str)
    assert not written.isin(["inf", "-inf"]).any(axis=None)
    none = written["median_low"] == ""
    assert none.any()
    assert not none.all()
    assert f"{none.sum()} have no lower" in sheet.caption
    assert f"{(written['median_high'] == '').sum()} no upper bound" in sheet.caption
    of, n = written["of"].astype(int), written["trials"].astype(int)
    assert none.equals(of < np.log2(40) * n)  # 2^(−of/n): chance that all trials exceed the median best of n
    assert "5.3 times" in sheet.caption


OPTIMIZERS = ["sgd", "momentum", "adam"]


def test_sensitivity_of_each_optimizer_in_a_grid():
    grid = special({"optimizer": OPTIMIZERS, "depth": [2, 5, 10], "activation": ["sigmoid"]})
    drawing = draw("sensitivity_to_depth", grid)
    assert "36 networks; 12 never reach the target, 0 diverge" in drawing.caption
    table = fill("by_depth", grid)
    assert set(table.frame["largest"]) == {5}  # the made-up sigmoid learns up to depth 5
    assert "(5 hidden layers)" in table.caption
    names = [view.name for view in applicable(figures_sensitivity.figure, grid)]
    assert "sensitivity_to_depth" in names
    assert "sensitivity_to_batch_size" not in names


def test_input_scale_is_read_from_the_scaling():
    scales = ["standardize", "scale(by=0.1)", "scale(by=10)"]
    grid = special({"optimizer": OPTIMIZERS, "scaling": scales})
    frame = fill("by_input_scale", grid).frame
    assert frame.groupby("optimizer")["input_scale"].apply(list).tolist() == [[0.1, 1.0, 10.0]] * 3
    mixed = special({"optimizer": OPTIMIZERS, "scaling": ["standardize", "none", "minmax"]})
    assert not figures_sensitivity.sweeps(mixed, figures_sensitivity.SCALE)


# --- from the records of a study -------------------------------------------------------------------

RANGE = {"start": 1e-4, "stop": 10.0, "scale": "log"}
STUDY = {
    "title": "Compared",
    "question": "Which?",
    "defaults": {"dataset": "wine", "steps": BUDGET, "depth": 1, "width": 4},
    "comparison": {
        "trials": 9, "tuning_seeds": 2, "report_seeds": 10, "founding": ["sgd"],
        "optimizer": [
            {"name": "sgd", "search": {"lr": RANGE}, "default": {"lr": 0.1}},
            {"name": "adam", "search": {"lr": RANGE}},
        ],
    },
    "problem": [{"name": name, "level": 0.1} for name in PROBLEMS[:2]],
}  # fmt: skip


@lru_cache(maxsize=1)
def stored() -> Records:
    """Records as the store gives them: stages one below the other."""
    made, names = made_comparison(2, 8), ("sgd", "adam")
    report = made.runs[made.runs["entrant"].isin(names)].assign(setting="tuned")
    plain = made.defaults[made.defaults["entrant"].isin(names)].assign(
        setting="default", stage="report", trial=-1
    )
    tuning = made.trials[made.trials["entrant"].isin(names)].assign(setting="trial")
    runs = pd.concat([tuning, report, plain], ignore_index=True).drop(
        columns=["problem", "value", "spent", "start"]
    )
    runs["steps_to_target"] = runs["steps_to_target"].where(runs["stage"] == "report")
    moved = runs["run"].to_numpy()
    runs["run"] = np.arange(len(runs))
    number = dict(zip(moved[~np.isnan(moved)], runs["run"][~np.isnan(moved)], strict=True))
    curves = made.curves[made.curves["run"].isin(number)].assign(run=lambda c: c["run"].map(number))
    return Records(Study.load(STUDY), runs, curves, pd.DataFrame({"run": []}))


def test_stages_of_a_study_become_runs_trials_and_defaults():
    records = report_comparison.comparison_of(stored())
    assert (len(records.runs), len(records.trials), len(records.defaults)) == (40, 72, 40)
    assert records.problems == PROBLEMS[:2]
    assert records.targets["digits"].value == 0.1
    assert set(records.trials.columns) >= {"value", "spent", "start"}
    broken = records.trials["status"] == "diverged"
    assert np.isinf(records.trials.loc[broken, "value"]).all()
    assert len(records.chosen) == 4


def test_chapters_are_written_with_their_files(tmp_path):
    with mpl.rc_context(style.settings()):
        part = report_comparison.told(report_comparison.comparison_of(stored()), tmp_path)
    assert [chapter.name for chapter in part.chapters] == [f"comparison_{name}" for name in CHAPTERS]
    for chapter in part.chapters:
        for shown in (*chapter.figures, *chapter.tables):
            assert (tmp_path / shown.file).stat().st_size > 0
        assert "runs" in chapter.facts
    assert part.overview["report"].tolist() == [20, 20]
    board = pd.read_csv(tmp_path / "tables/comparison_ranking_leaderboard.csv")
    assert set(board["entrant"]) == {"sgd", "adam"}


@pytest.mark.slow
def test_equal_records_give_equal_files(tmp_path):
    for name in ("once", "again"):
        with mpl.rc_context(style.settings()):
            report_comparison.told(report_comparison.comparison_of(stored()), tmp_path / name)
    files = sorted((tmp_path / "once").rglob("*.*"))
    assert len(files) > 25
    for path in files:
        other = tmp_path / "again" / path.relative_to(tmp_path / "once")
        assert path.read_bytes() == other.read_bytes(), path.name
