"""What the data say about a grid, and which views it gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from views_records import everything, grid, special

from sim.errors import StudyError
from sim.views import report  # noqa: F401  (registers the views)
from sim.views.arrangement import PANELS, arrange, factors_of
from sim.views.records import Records
from sim.views.registry import applicable, figure, table
from sim.views.tuning import best_rates, tuned


def test_each_grid_has_its_own_rows_and_no_others() -> None:
    for part in everything().grids():
        runs = set(part.runs["run"])
        assert set(part.runs["grid"]) == {part.name}
        assert set(part.curves["run"]) == runs == set(part.layers["run"])


def test_varying_leaves_out_what_another_factor_decides() -> None:
    records = special({"depth": [2, 10, 5]})
    runs = records.runs.assign(steps=records.runs["depth"] * 100)
    assert records.of(runs).varying == ("depth",)
    assert special({"optimizer": ["sgd", "adam"], "lr": [0.1, 0.2]}).varying == ("optimizer", "lr")


def test_levels_are_ascending_numbers_and_names_as_planned() -> None:
    records = special({"depth": [10, 2, 5], "activation": ["tanh", "relu"]})
    assert records.levels("depth") == [2, 5, 10]
    assert records.levels("activation") == ["tanh", "relu"]


def test_several_treatments_become_one_condition() -> None:
    part = grid("cures").conditioned
    assert part.levels("condition") == ["plain", "residual", "batch norm", "batch norm + residual"]
    assert factors_of(part) == ["condition"]
    both = part.runs[part.runs["condition"] == "batch norm + residual"]
    assert (both["normalizer"] == "batch").all()
    assert both["residual"].all()


def test_an_untrained_network_is_counted_once() -> None:
    part = grid("optimizers")
    assert part.untrained.varying == ("depth",)
    assert len(part.untrained.runs) == 2 * part.runs["replicate"].nunique()


@pytest.mark.parametrize(
    ("name", "some", "none"),
    [
        ("initialization", {"factor_heatmap", "gradient_by_layer"}, {"train_and_test", "paired_effects"}),
        (
            "cures",
            {"paired_effects", "kaplan_meier"},
            {"train_and_test", "factor_heatmap", "success_heatmap"},
        ),
        ("overfitting", {"train_and_test", "paired_effects"}, {"measured_and_predicted"}),
        ("optimizers", {"success_heatmap", "kaplan_meier"}, {"factor_heatmap", "paired_effects"}),
    ],
)
def test_data_choose_the_figures(name: str, some: set[str], none: set[str]) -> None:
    chosen = {view.name for view in applicable(figure, grid(name))}
    assert some <= chosen
    assert not none & chosen


def test_what_was_not_measured_is_not_shown() -> None:
    part = grid("initialization")
    blind = part.layers.assign(log10_grad_pre=np.nan, saturated=np.nan)
    unmeasured = type(part)(part.name, part.question, part.runs, part.curves, blind)
    assert [view.name for view in applicable(figure, unmeasured)] == ["learning_curves"]
    assert [view.name for view in applicable(table, unmeasured)] == ["train_test_gap"]


def test_panels_are_capped_and_the_rest_is_said() -> None:
    names = [f"normal(std={i})" for i in range(1, 16)]
    part = special(
        {"depth": [2, 3, 4, 5, 6], "activation": ["tanh", "relu", "sigmoid"], "initializer": names}, 1
    )
    arranged = arrange(part, hue=("initializer",), column=("depth",), row=("activation",))
    assert len(arranged.panels) <= PANELS
    assert len(arranged.hues) == 10
    assert "10 of 15 levels of initializer" in arranged.remarks()


def test_held_factors_are_said() -> None:
    part = special({"depth": [2, 5], "samples": [50, 500], "activation": ["tanh", "relu"]})
    arranged = arrange(part, hue=("activation",), column=("depth",))
    assert arranged.held == {"samples": 500}
    assert set(arranged.grid.runs["samples"]) == {500}
    assert "Held fixed: 500 training rows." in arranged.remarks()


def test_a_factor_is_held_where_success_varies_most() -> None:
    part = special({"depth": [2, 5], "optimizer": ["sgd", "adam"], "activation": ["sigmoid", "tanh"]})
    reached = (part.runs["activation"] == "tanh") & (part.runs["depth"] == 2)
    part = part.of(part.runs.assign(steps_to_learned=np.where(reached, 100.0, np.nan)))
    assert arrange(part, hue=("optimizer",), column=("depth",)).held == {"activation": "tanh"}
    without = replace(part, targets=())
    assert arrange(without, hue=("optimizer",), column=("depth",)).held == {"activation": "sigmoid"}


def test_rates_are_chosen_on_other_networks_than_shown() -> None:
    part = special({"optimizer": ["sgd", "adam"], "lr": [0.01, 0.1, 1.0]}, replicates=6)
    best = {"sgd": 0.1, "adam": 0.01}
    good = part.runs["lr"] == part.runs["optimizer"].map(best)
    even = part.runs["replicate"] % 2 == 0
    # On odd replicates another rate looks best: it must not be taken.
    reached = good & even | (part.runs["lr"] == 1.0) & ~even
    part = part.of(part.runs.assign(steps_to_learned=np.where(reached, 100.0, np.nan)))
    shown = tuned(part)
    assert set(zip(shown.runs["optimizer"], shown.runs["lr"], strict=True)) == set(best.items())
    assert set(shown.runs["replicate"] % 2) == {1}
    assert "odd" in shown.notes[0]


def test_a_best_rate_at_the_edge_is_flagged() -> None:
    part = special({"optimizer": ["sgd"], "lr": [0.01, 0.1, 1.0]})
    for best, edge in ((0.1, False), (1.0, True)):
        runs = part.runs.assign(steps_to_learned=np.where(part.runs["lr"] == best, 10.0, np.nan))
        (row,) = best_rates(part.of(runs), runs).to_dict("records")
        assert (row["lr"], row["edge"]) == (best, edge)


def test_a_folder_without_records_is_refused(tmp_path: object) -> None:
    with pytest.raises(StudyError):
        Records.read(tmp_path)  # type: ignore[arg-type]
