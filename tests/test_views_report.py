"""The report: one whole page without the network, its files the same bytes each time."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from records import GRIDS, make_records
from views_records import draw, everything, fill, grid, special

from sim.analysis import convergence, gradients, overfitting
from sim.errors import StudyError
from sim.study import Study
from sim.views import report, style, wording
from sim.views.answers import answer
from sim.views.reading import facts, rows
from sim.views.registry import applicable, figure, table
from sim.views.tables import write_csv

VOID = {"meta", "img", "br", "hr", "link", "input"}
TABLES = [(part.name, view.name) for part in everything().grids() for view in applicable(table, part)]


class Page(HTMLParser):
    """Tags must close in order; addresses, anchors and text are collected."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.anchors: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("src", "href") if (value := given.get(name))]
        self.anchors += [given["id"]] if given.get("id") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def results(folder: Path, **factors: list[object]) -> Path:
    """A results folder with the standard grids or one of these factors."""
    grids = {"one": factors} if factors else GRIDS
    records = make_records(grids)  # type: ignore[arg-type]
    target = {"name": "learned", "metric": "test_accuracy", "value": 0.8}
    parts = [
        {"name": name, "question": f"What of <{name}>?", "dataset": "digits", "depth": 2, "steps": 300,
         "activation": "tanh", "initializer": "glorot_normal", "optimizer": {"name": "sgd", "lr": 0.1},
         "replicates": 4, "target": [target]}
        for name in grids
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    study = Study.load({"title": "Vanishing <gradients> & cures", "seed": 7, "grid": parts})
    (folder / "study.toml").write_text(study.to_toml())
    for name in ("runs", "curves", "layers"):
        getattr(records, name).to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = results(tmp_path_factory.mktemp("results"))
    assert report.build(folder) == folder / "report.html"
    return folder


def test_the_page_is_whole_and_needs_no_network(built: Path) -> None:
    text = (built / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text
    assert len(text) < 8_000_000
    for address in page.addresses:
        assert not address.startswith(("http:", "https:", "//"))
        if address.startswith("#"):
            assert address[1:] in page.anchors
        elif not address.startswith("data:image/png;base64,"):
            assert (built / address).is_file()
    assert len(page.anchors) == len(set(page.anchors))


def test_the_page_shows_every_table_and_figure(built: Path) -> None:
    page = Page((built / "report.html").read_text(encoding="utf-8"))
    spoken = " ".join("".join(page.words).split())
    for part in everything().grids():
        for family, kind, ending in ((figure, "figures", "svg"), (table, "tables", "csv")):
            for view in applicable(family, part):
                assert f"{kind}/{part.name}_{view.name}.{ending}" in page.addresses
                assert f"{part.name}-{kind[:-1]}-{view.name}" in page.anchors
                assert view.title in spoken
        assert f"What of <{part.name}>?" in spoken
        assert facts(part) in spoken
        assert answer(part) in spoken
        for view in applicable(table, part):
            assert fill(view.name, part).caption in spoken
    assert "Vanishing <gradients> & cures" in spoken
    assert sum(address.startswith("data:") for address in page.addresses) == len(
        list((built / "figures").glob("*.png"))
    )


def test_building_again_in_another_process_gives_the_same_bytes_and_sweeps(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", depth=[2, 5], activation=["tanh", "sigmoid"])
    report.build(folder)
    (folder / "notes.csv").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "figures" / "old_figure.png").write_bytes(b"old")
    (folder / "tables" / "old_table.csv").write_bytes(b"old")
    command = f"from sim.views import report; report.build({str(folder)!r})"
    subprocess.run([sys.executable, "-c", command], check=True, env={"PYTHONHASHSEED": "77", "TZ": "UTC"})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_without_records_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        report.build(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "view"), TABLES)
def test_a_table_s_csv_reads_back_to_the_same_numbers(name: str, view: str) -> None:
    frame = fill(view, grid(name)).frame
    assert len(frame)
    text = write_csv(frame)
    assert text == write_csv(fill(view, grid(name)).frame)
    read = pd.read_csv(io.BytesIO(text), keep_default_na=False, na_values=[""])
    for column in frame.select_dtypes("number"):
        np.testing.assert_array_equal(read[column].to_numpy(), frame[column].to_numpy(), err_msg=column)


def test_captions_tell_the_numbers_of_the_frame() -> None:
    part = grid("initialization")
    factors = gradients.per_layer_factor(part.runs, part.layers, part.varying)
    told = fill("per_layer_factor", part).caption
    assert f"In {(factors['factor_high'] < 1).sum()} of {len(factors)} cells" in told
    assert wording.number(factors["factor"].min()) in told
    assert wording.number(factors["factor"].max()) in told

    shares = convergence.success(part.runs, [], "learned").iloc[0]
    told = fill("success_share", part).caption
    assert (
        f"{shares['successes']:.0f} of {len(part.runs)} networks ({wording.percent(shares['share'])}" in told
    )
    assert wording.percent(shares["share_low"]) in told

    times = convergence.time_to_target(part.runs, part.varying, "learned")
    told = fill("steps_to_target", part).caption
    assert f"{np.isfinite(times['median']).sum()} of {len(times)} cells" in told
    assert f"after {times['median'].min():.0f} steps" in told

    part = grid("overfitting")
    gaps = overfitting.gap(part.runs, part.varying)
    told = fill("train_test_gap", part).caption
    assert wording.number(gaps["accuracy_gap"].max()) in told
    few = overfitting.gap(part.runs[part.runs["samples"] == 50], [])["accuracy_gap"][0]
    assert f"With 50 training rows the gap in accuracy is {wording.number(few)}" in answer(part)


def test_the_answer_names_what_helps() -> None:
    told = answer(grid("cures"))
    assert told.startswith(("Batch norm helps most", "Residual helps most"))
    runs = grid("cures").runs
    share = (runs["status"] == "reached").mean()
    assert wording.percent(share) in told


def test_medians_beyond_the_budget_say_so() -> None:
    part = special({"activation": ["tanh", "sigmoid"], "depth": [10]})
    shown = rows(fill("steps_to_target", part).frame)
    place = shown.heads.index("median steps")
    assert [row[place] for row in shown.cells][1] == ">300"


def test_a_table_for_reading_joins_a_value_and_its_interval() -> None:
    frame = pd.DataFrame({
        "lr": [0.01], "share": [0.5], "share_low": [0.25], "share_high": [0.75], "diverged": [2],
        "diverged_share": [0.1], "diverged_low": [0.05], "diverged_high": [0.3], "residual": [True],
        "lonely_low": [1.0], "name": ["a<b"], "empty": [np.nan], "empty_low": [np.nan],
        "empty_high": [np.nan],
    })  # fmt: skip
    shown = rows(frame)
    assert shown.cells == [
        ["0.01", "0.500 [0.250, 0.750]", "2", "0.100 [0.0500, 0.300]", "yes", "1", "a<b", "–"]
    ]
    assert shown.heads[0] == "learning rate"
    assert shown.numeric == [True, True, True, True, False, True, False, True]


def test_captions_hold_no_loose_ends() -> None:
    for part in everything().grids():
        for family in (figure, table):
            for view in applicable(family, part):
                told = view.function(part).caption
                assert "nan" not in told
                assert "None" not in told
                assert "()" not in told
                assert "  " not in told


def test_the_answer_names_how_deep_each_optimizer_trains() -> None:
    part = special({"optimizer": ["sgd", "adam", "rmsprop"], "depth": [2, 5, 10]})
    deepest = part.runs["optimizer"].map({"sgd": 2, "adam": 10, "rmsprop": 0})
    reached = np.where(part.runs["depth"] <= deepest, 100.0, np.nan)
    told = answer(part.of(part.runs.assign(steps_to_learned=reached)))
    assert "or more reach the target down to depth 10 with adam, depth 2 with sgd." in told


def test_the_answer_says_what_more_steps_bring() -> None:
    part = special({"steps": [100, 1000], "depth": [5]})
    reached = np.where(part.runs["steps"] == 1000, 500.0, np.nan)
    told = answer(part.of(part.runs.assign(steps_to_learned=reached)))
    assert "With 100 steps 0 % of the networks reach the target, with 1,000 100 %." in told


def test_a_cure_of_explosion_is_shown_as_one() -> None:
    """Clipping that costs the networks that finish a little and saves all others."""
    part = special({"clipping": ["none", "norm(limit=1)"], "depth": [2, 5]})
    plain, lost = part.runs["clipping"] == "none", part.runs["depth"] == 5
    accuracy = np.where(plain, 0.9, 0.8) + 0.001 * part.runs["replicate"] * plain
    status = np.where(plain & lost, "diverged", "reached")
    part = part.of(part.runs.assign(final_test_accuracy=accuracy, status=status))
    assert "diverged: 50 % → 0 % with clip norm(limit=1)." in answer(part)
    drawn = draw("paired_effects", part)
    assert "over 4 of 8 pairs, in the others a network diverged" in drawn.caption
    assert "Diverged without → with it: clip norm(limit=1) 50 % → 0 %." in drawn.caption
    grey = drawn.figure.axes[0].collections[-1].get_facecolor()[0]
    whole = draw("paired_effects", part.of(part.runs[~lost])).figure.axes[0].collections[-1]
    assert list(grey[:3]) == pytest.approx(list(to_rgb(style.verdict_colours()[2])))
    assert list(whole.get_facecolor()[0][:3]) == pytest.approx(list(to_rgb(style.verdict_colours()[1])))


def test_the_answer_keeps_activations_apart_that_train_to_different_depths() -> None:
    part = special({"activation": ["tanh", "relu"], "optimizer": ["sgd", "adam"], "depth": [2, 5, 10]})
    deepest = {("tanh", "sgd"): 10, ("tanh", "adam"): 10, ("relu", "sgd"): 0, ("relu", "adam"): 5}
    pairs = zip(part.runs["activation"], part.runs["optimizer"], part.runs["depth"], strict=True)
    reached = [100.0 if depth <= deepest[name, how] else np.nan for name, how, depth in pairs]
    told = answer(part.of(part.runs.assign(steps_to_learned=reached)))
    assert (
        "reach the target down to depth 10 with sgd and adam (tanh); down to depth 5 with adam (relu)."
        in told
    )


def test_the_answer_names_what_gives_no_gradient_at_all() -> None:
    part = grid("initialization")
    assert "; zeros: exactly zero." in answer(part)
    without = part.of(part.runs[part.runs["initializer"] != "zeros"])
    assert "exactly zero" not in answer(without)


def test_steps_are_told_with_their_resolution() -> None:
    part = special({"activation": ["tanh", "sigmoid"], "depth": [5]})
    told = "known only to the checkpoint, 60 steps apart."
    assert told in draw("kaplan_meier", part).caption
    assert told in fill("steps_to_target", part).caption
    uneven = replace(part, curves=part.curves.assign(step=part.curves["step"].replace(60, 7)))
    assert "checkpoints are log-spaced." in fill("steps_to_target", uneven).caption
    budgets = special({"steps": [300, 3000], "depth": [5]})
    assert "60 to 600 steps apart." in fill("steps_to_target", budgets).caption


@pytest.mark.parametrize(("replicates", "possible"), [(4, False), (6, True)])
def test_too_few_replicates_for_holm_are_said(replicates: int, possible: bool) -> None:
    part = special({"clipping": ["none", "norm(limit=1)"], "depth": [5]}, replicates=replicates)
    told = fill("paired_effect", part).caption
    never = f"With {replicates} replicates no comparison among 1 can pass Holm's correction"
    assert told.startswith(never) != possible
    assert ("stand after Holm's" in told) == possible


def test_some_treatments_have_too_many_rows_for_holm() -> None:
    part = special({"normalizer": ["none", "batch", "layer"], "residual": [False, True]}, replicates=6)
    told = fill("paired_effect", part).caption
    assert "stand after Holm's" in told
    assert told.endswith("; with 6 replicates no comparison among 2 can pass Holm's correction.")


def test_a_gradient_that_vanishes_in_training_is_said_to() -> None:
    part = special({"activation": ["tanh"], "depth": [5]})
    late = part.layers["step"] >= 180
    lost = part.layers.assign(log10_grad_pre=part.layers["log10_grad_pre"].where(~late, -np.inf))
    told = draw("gradient_over_training", replace(part, layers=lost)).caption
    assert "after 120 steps and is exactly zero in all networks from step 180 on." in told
    assert "exactly zero" not in draw("gradient_over_training", part).caption
