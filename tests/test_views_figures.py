"""Figures: true to the frames, labelled, readable at page size, the same bytes each time."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from views_records import draw, everything, grid, special

from sim.analysis import convergence, gradients, overfitting
from sim.views import report, saving, style, wording
from sim.views.figures_learning import middle
from sim.views.registry import applicable, figure

ALL = [(part.name, view.name) for part in everything().grids() for view in applicable(figure, part)]
ONCE = {view: name for name, view in reversed(ALL)}
SWIFT_FIRST = [
    pytest.param(name, view, marks=() if ONCE[view] == name else pytest.mark.slow) for name, view in ALL
]  # fmt: skip


def panel(drawn: Figure, title: str) -> Axes:
    """The panel with this title."""
    return next(axis for axis in drawn.axes if axis.get_title(loc="left") == title)


def line(axis: Axes, colour: object, dashed: bool = False) -> np.ndarray:
    """x and y of the first line of a colour that has more than marks; dashed or not."""
    lines = [one for one in axis.lines if one.get_color() == colour and one.get_linestyle() != "None"]
    return next(one for one in lines if one.is_dashed() == dashed).get_xydata()


def texts(drawn: Figure) -> list[Text]:
    """Every text that is drawn."""
    found = drawn.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if text.get_text().strip()]


@pytest.mark.parametrize(("name", "view"), SWIFT_FIRST)
def test_every_figure_is_labelled_readable_and_repeatable(name: str, view: str) -> None:
    told, again = draw(view, grid(name)), draw(view, grid(name))
    drawn = told.figure
    assert told.caption == again.caption
    assert told.caption.endswith(".")
    for kind in ("png", "svg"):
        assert saving.image(drawn, kind) == saving.image(again.figure, kind)
    assert drawn.get_figwidth() * 2.54 == pytest.approx(17.0)
    assert drawn.get_figheight() < 10.5
    pixels = image.imread(io.BytesIO(saving.image(drawn, "png")))
    assert pixels.shape[1] == pytest.approx(style.PAGE_WIDTH * style.DPI, abs=1)
    assert pixels[..., :3].std() > 0.02

    assert drawn.get_supxlabel() or any(axis.get_xlabel() for axis in drawn.axes)
    assert drawn.get_supylabel() or any(axis.get_ylabel() or axis.get_yticklabels() for axis in drawn.axes)
    assert min(text.get_fontsize() for text in texts(drawn)) >= 8
    if not view.endswith(("heatmap", "effects")):
        (legend,) = drawn.legends
        assert legend.get_title().get_text() or legend.get_texts()[0].get_text() == "all networks"
    with mpl.rc_context(style.settings()):
        used = drawn.get_tightbbox()
    width, height = drawn.get_size_inches()
    assert (used.x0 > -0.01, used.y0 > -0.01, used.x1 < width + 0.01, used.y1 < height + 0.01) == (True,) * 4


def test_gradients_are_drawn_as_counted() -> None:
    part = grid("initialization")
    drawn = draw("gradient_by_layer", part)
    frame = gradients.by_layer(part.runs, part.layers, ["activation", "depth", "initializer"])
    colours = dict(zip(part.levels("initializer"), style.colours(part.levels("initializer")), strict=True))
    for (activation, depth, initializer), rows in frame.groupby(["activation", "depth", "initializer"]):
        axis = panel(drawn.figure, f"{activation}, depth {depth}")
        shown = line(axis, colours[initializer])
        np.testing.assert_array_equal(shown, rows[["layer", "mean_log10"]].to_numpy())
    ratio = gradients.first_to_last(part.runs, part.layers, ["activation", "depth", "initializer"])
    assert wording.power(ratio["log10_ratio"].min()) in drawn.caption
    assert wording.power(ratio["log10_ratio"].max()) in drawn.caption


def test_a_zero_gradient_is_marked_and_named() -> None:
    drawn = draw("gradient_by_layer", grid("initialization"))
    zero = style.colours(["a", "b", "c"])[1]
    axis = panel(drawn.figure, "tanh, depth 10")
    (marks,) = (one for one in axis.lines if one.get_linestyle() == "None")
    assert marks.get_color() == zero
    assert list(marks.get_xdata()) == list(range(1, 11))
    assert "exactly zero" in drawn.caption
    assert "exactly zero" not in draw("gradient_by_layer", grid("cures")).caption


def test_theory_is_dashed_where_it_speaks() -> None:
    part = special({"depth": [10], "activation": ["relu"], "initializer": ["he_normal", "glorot_normal"]})
    drawn = draw("gradient_by_layer", part)
    for colour, slope in zip(style.colours(["a", "b"]), (0.0, -0.5 * np.log10(2)), strict=True):
        (first, start), (last, end) = line(drawn.figure.axes[0], colour, dashed=True)
        assert (end - start) / (first - last) == pytest.approx(slope, abs=2e-3)


def test_factors_are_written_into_their_cells() -> None:
    part = grid("initialization")
    drawn = draw("factor_heatmap", part)
    kept = part.of(part.runs[part.runs["depth"] == 10])
    frame = gradients.per_layer_factor(kept.runs, part.layers, ["activation", "initializer"])
    axis = drawn.figure.axes[0]
    written = {(text.get_position()): text.get_text() for text in axis.texts if text.get_text()}
    rows, columns = part.levels("activation"), part.levels("initializer")
    for cell in frame.itertuples():
        place = columns.index(cell.initializer) + 0.5, rows.index(cell.activation) + 0.5
        assert written[place] == ("0" if cell.initializer == "zeros" else wording.short(cell.factor))
    mesh = axis.collections[0]
    assert mesh.norm.vmin == -mesh.norm.vmax
    hatched = [patch for patch in axis.patches if patch.get_hatch()]
    assert {patch.get_x() for patch in hatched} == {columns.index("zeros")}
    assert wording.number(frame["factor"].min()) in drawn.caption
    assert wording.number(frame["factor"].max()) in drawn.caption


def test_training_shows_the_first_layer_solid_and_the_last_dotted() -> None:
    part = grid("cures")
    drawn = draw("gradient_over_training", part)
    frame = gradients.over_training(part.conditioned.runs, part.layers, ["condition", "place"][:1])
    levels = part.conditioned.levels("condition")
    for level, colour in zip(levels, style.colours(levels), strict=True):
        for place, dashed in (("first hidden", False), ("last hidden", True)):
            rows = frame[(frame["condition"] == level) & (frame["place"] == place)]
            xy = line(drawn.figure.axes[0], colour, dashed)
            np.testing.assert_array_equal(xy, rows[["step", "mean_log10"]].to_numpy())


def test_success_is_in_per_cent() -> None:
    part = special({"depth": [2, 10], "activation": ["tanh", "sigmoid"]})
    drawn = draw("success_heatmap", part)
    frame = convergence.success(part.runs, ["activation", "depth"], "learned")
    shown = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert shown == [f"{100 * share:.0f}" for share in frame["share"]]
    assert f"{frame['successes'].sum()} of {len(part.runs)} networks" in drawn.caption
    assert "test accuracy ≥ 0.8" in drawn.caption


def test_kaplan_meier_curves_are_steps_to_the_budget() -> None:
    part = special({"activation": ["tanh", "sigmoid"], "depth": [5]})
    drawn = draw("kaplan_meier", part)
    curves = convergence.kaplan_meier(part.runs, ["activation"], "learned")
    for level, colour in zip(["tanh", "sigmoid"], style.colours(["a", "b"]), strict=True):
        rows = curves[curves["activation"] == level]
        (curve,) = (one for one in drawn.figure.axes[0].lines if one.get_color() == colour)
        assert curve.get_drawstyle() == "steps-post"
        np.testing.assert_allclose(curve.get_xydata(), np.column_stack([rows["step"], 100 * rows["share"]]))
        assert curve.get_xdata()[-1] == 300
    widths = [one.get_linewidth() for one in drawn.figure.axes[0].lines[:2]]
    assert widths[0] > 2 * widths[1]  # where they agree, the first is seen on both sides of the second


def test_upright_names_are_folded_near_their_middle() -> None:
    from sim.views.heatmaps import _folded

    names = ["normal(std=0.01)", "glorot_normal", "zeros", "abcdefghijklmnop"]
    folded = ["normal\n(std=0.01)", "glorot_\nnormal", "zeros", "abcdefghijklmnop"]
    assert [_folded(name) for name in names] == folded


def test_saturation_is_drawn_as_counted() -> None:
    part = special({"activation": ["tanh", "sigmoid"], "depth": [5]})
    drawn = draw("saturation_by_layer", part)
    frame = gradients.saturation(part.runs, part.layers, ["depth"])
    xy = drawn.figure.axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(xy, np.column_stack([frame["layer"], 100 * frame["saturated"]]))
    assert f"layer {frame['layer'].iloc[-1]}" in drawn.caption


def test_overfitting_shows_train_above_test() -> None:
    part = special({"depth": [2, 5], "samples": [50, 500]})
    drawn = draw("train_and_test", part)
    frame = overfitting.gap(part.runs, ["depth", "samples"])
    axis = drawn.figure.axes[0]
    for depth, colour in zip([2, 5], style.colours([2, 5]), strict=True):
        rows = frame[frame["depth"] == depth]
        np.testing.assert_allclose(line(axis, colour), rows[["samples", "train_accuracy"]])
        np.testing.assert_allclose(line(axis, colour, dashed=True), rows[["samples", "test_accuracy"]])
    assert axis.get_xscale() == "log"
    assert wording.number(frame["accuracy_gap"].max()) in drawn.caption


def test_a_diverged_network_counts_as_worst_in_the_median() -> None:
    part = special({"initializer": ["glorot_normal"], "depth": [5]}, replicates=3)
    wide = part.curves.pivot(index="step", columns="run", values="test_loss")
    wide.iloc[3:, 0] = np.nan
    ordered = np.sort(wide.fillna(np.inf).to_numpy(), axis=1)[:, 1]
    np.testing.assert_array_equal(middle(wide, "test_loss"), ordered)
    wide.iloc[3:, 1] = np.nan
    assert middle(wide, "test_loss").iloc[3:].isna().all()


def test_raw_runs_stand_behind_the_median() -> None:
    part = special({"activation": ["tanh"], "depth": [5]})
    axis = draw("learning_curves", part).figure.axes[0]
    hairs = axis.collections[0].get_segments()
    assert len(hairs) == len(part.runs)
    mine = part.curves[part.curves["run"] == part.runs["run"].iloc[0]]
    np.testing.assert_array_equal(hairs[0], mine[["step", "test_loss"]].to_numpy())


def test_paired_effects_are_the_table_s() -> None:
    from sim.analysis import comparison

    part = grid("cures")
    drawn = draw("paired_effects", part)
    frame = comparison.paired_effect(part.runs, "normalizer", "none")
    axis = drawn.figure.axes[0]
    names = [text.get_text() for text in axis.get_yticklabels()]
    place = axis.collections[-1].get_offsets()[names.index("batch norm")]
    assert place[0] == frame["mean_difference"].iloc[0]
    assert wording.number(frame["mean_difference"].iloc[0]) in drawn.caption


def test_the_report_knows_every_figure_module() -> None:
    assert set(figure) >= {view for _, view in ALL}
    assert report.PAGE_ROWS > 0


def test_steps_spaced_by_factors_stand_on_a_logarithm() -> None:
    from matplotlib.figure import Figure

    from sim.views.drawing import step_axis

    for steps, scale in (
        (np.linspace(0, 300, 11), "linear"),
        (np.append(0, 3000 ** np.linspace(0, 1, 12)), "symlog"),
    ):
        axis = Figure().subplots()
        step_axis(axis, steps)
        assert axis.get_xscale() == scale
        low, high = axis.get_xlim()
        assert low > -0.1 * high
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "10", "1,000"]
