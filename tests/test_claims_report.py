"""Claims from the command to the page: records, verdicts, forest plot, tables."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from records import make_records
from test_claims_study import ABOUT_THEM, COMPARED

from sim.analysis import quantities
from sim.analysis.claims import OPEN, SUPPORTED, Effect, Evidence, judge
from sim.run import main
from sim.session import run_study
from sim.study import Study
from sim.study.claim_load import claims_in
from sim.study.quantities import OF_NETWORKS, OF_SURFACES
from sim.views import report, report_claims, style
from sim.views.chapters import Part
from sim.views.figures_claims import TALLEST, forests

ROOT = Path(__file__).parents[1]
STUDY = """
seed = 5
[defaults]
steps = 12
replicates = 6
[[grid]]
name = "depths"
dataset = "iris"
width = 4
depth = [2, 8]
activation = ["sigmoid", "tanh"]
optimizer = {name = "sgd", lr = 0.1}
target = [{name = "learned", metric = "train_accuracy", value = 0.9}]
[[descent]]
name = "wells"
start = [[0.5, 0.5], [-0.5, 0.5], [1.0, 1.0], [-1.0, 1.0], [0.9, 0.1], [0.2, 0.2], [1.5, 0.5]]
optimizer = [{name = "sgd", lr = 0.02}, {name = "momentum", form = "heavy_ball", lr = 0.02}]
[[claim]]
name = "deeper"
sentence = "Deeper <networks> vanish more."
on = "depths"
a = {depth = 8}
b = {depth = 2}
quantity = "log10_gradient_ratio"
direction = "lower"
matters = 0.5
by = ["activation"]
[[claim]]
name = "longer"
sentence = "Momentum takes the longer path."
on = "wells"
a = {optimizer = "momentum"}
b = {optimizer = "sgd"}
quantity = "end_value"
direction = "higher"
matters = 0.01
"""


def draw_claims(directory: Path, *_) -> Part:
    """Of the report the claims alone: the other chapters take their time."""
    with mpl.rc_context(style.settings()):
        return report_claims.part(directory)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder that the command leaves."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "small.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.run._report", draw_claims)
        assert main([str(folder / "small.toml"), "--out", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"


@pytest.fixture
def only_claims(monkeypatch):
    """Reports are of the claims alone."""
    monkeypatch.setattr("sim.run._report", draw_claims)


def test_verdicts_are_in_the_tables(results):
    rows = list(csv.DictReader((results / "tables/claims_verdicts.csv").open()))
    assert [row["claim"] for row in rows] == ["deeper", "longer"]
    assert rows[0]["pairs"] == str(2 * 6)
    assert (rows[0]["units"], rows[1]["units"]) == ("6", "7")
    assert float(rows[0]["effect"]) < -2
    assert float(rows[0]["effect_low"]) <= float(rows[0]["effect"]) <= float(rows[0]["effect_high"])
    assert float(rows[0]["p_holm"]) >= float(rows[0]["p_value"])
    levels = list(csv.DictReader((results / "tables/claims_levels.csv").open()))
    assert [row["level"] for row in levels] == ["sigmoid", "tanh"]


def test_effects_are_those_of_the_records(results):
    runs, layers = (pd.read_parquet(results / f"{name}.parquet") for name in ("runs", "layers"))
    norms = layers[(layers["checkpoint"] == 0)].merge(runs[["run", "depth", "replicate"]])
    first = norms[norms["layer"] == 1].set_index("run")["log10_grad_pre"]
    last = norms[norms["layer"] == norms["depth"]].set_index("run")["log10_grad_pre"]
    ratio = runs.set_index("run").assign(ratio=first - last)
    means = ratio.groupby(["depth", "replicate"])["ratio"].mean().unstack("depth")
    rows = pd.read_csv(results / "tables/claims_verdicts.csv")
    assert rows["effect"][0] == pytest.approx((means[8] - means[2]).mean())
    ends, walks = (pd.read_parquet(results / f"{name}.parquet") for name in ("ends", "walks"))
    told = ends.merge(walks[["run", "optimizer"]])
    value = told.pivot_table(index="start", columns="optimizer", values="value")
    momentum = next(name for name in value if name.startswith("momentum"))
    assert rows["effect"][1] == pytest.approx((value[momentum] - value["sgd"]).mean())


def test_the_page_shows_the_claims(results, monkeypatch):
    nothing = Part("nothing", pd.DataFrame({"x": [1]}), [])
    for noun in report.PARTS:
        monkeypatch.setitem(report.PARTS, noun, lambda *_: nothing)
    page = report.build(results).read_text()
    assert 'id="claims-figure-forest"' in page
    assert "Deeper &lt;networks&gt; vanish more." in page
    assert re.search(r"Of 2 claims .*(supported|too little evidence)", page)
    assert (results / "figures/claims_forest.png").stat().st_size > 5000


def test_the_report_is_the_same_again(results):
    written = {path: path.read_bytes() for path in results.rglob("claims*")}
    assert len(written) == 4
    draw_claims(results)
    assert all(path.read_bytes() == content for path, content in written.items())


def test_other_claims_judge_the_same_records(results, only_claims):
    study = STUDY.replace("matters = 0.5", "matters = 50.0").replace('by = ["activation"]', "")
    (results.parent / "small.toml").write_text(study)
    assert main([str(results.parent / "small.toml"), "--out", str(results), "--quiet"]) == 0
    rows = list(csv.DictReader((results / "tables/claims_verdicts.csv").open()))
    assert rows[0]["verdict"] == "refuted"


def test_a_part_that_was_left_out_leaves_its_claims_open(tmp_path, only_claims):
    (tmp_path / "small.toml").write_text(STUDY)
    asked = [str(tmp_path / "small.toml"), "--out", str(tmp_path / "out"), "--quiet", "--only", "wells"]
    assert main(asked) == 0
    rows = list(csv.DictReader((tmp_path / "out/tables/claims_verdicts.csv").open()))
    assert (rows[0]["verdict"], rows[0]["reason"]) == (OPEN, "24 values are missing")


def test_one_grid_alone_leaves_the_tuned_claims_of_others_open(tmp_path, only_claims):
    asked = [str(ROOT / "studies/claims.toml"), "--set", "replicates=3", "--only", "gradients", "--quiet"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    rows = {row["claim"]: row for row in csv.DictReader((tmp_path / "out/tables/claims_verdicts.csv").open())}
    assert rows["sgd_slower"]["verdict"] == OPEN  # tuned, of another grid
    assert re.search("values are missing", rows["sgd_slower"]["reason"])
    assert rows["sigmoid_vanishes"]["effect"]


@pytest.mark.parametrize("dataset", ["wine", "breast_cancer", "digits"])
def test_what_the_claims_study_says_of_the_resolution_of_times_holds(dataset):
    """Times are known to within the spacing of checkpoints: 10 % of them or less from ten times that on."""
    text = (ROOT / "studies/claims.toml").read_text()
    table = tomllib.loads(text)
    speed = next(grid for grid in table["grid"] if grid["name"] == "speed")
    adam = {"name": "adam", "lr": [0.01, 0.0316]}
    asked = {**speed, "dataset": dataset, "optimizer": adam, "replicates": 6}
    study = Study.load({"seed": 2027, "defaults": table["defaults"], "grid": [asked]})
    assert set(np.diff(study.grids[0].settings.checkpoints.steps(300))) == {5}
    told = " ".join(text.replace("#", " ").split())
    assert "A checkpoint every 5 steps: times are known to 10 % from step 50 on." in told
    runs = run_study(study).runs
    soonest = runs.groupby("lr")["steps_to_learned"].median().min()
    quick = dataset != "digits"
    assert (soonest <= 10) == quick  # "learned after 5 or 10 steps"
    assert (5 / soonest <= 0.1) == (not quick)


def test_claims_about_a_comparison_are_judged_by_its_last_stage(tmp_path, only_claims):
    study = Study.load({**COMPARED, "claim": [ABOUT_THEM]})
    (tmp_path / "compared.toml").write_text(study.to_toml())
    assert main([str(tmp_path / "compared.toml"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    (row,) = csv.DictReader((tmp_path / "out/tables/claims_verdicts.csv").open())
    runs = pd.read_parquet(tmp_path / "out/runs.parquet")
    runs = runs[(runs["stage"] == "report") & (runs["setting"] == "tuned")]
    steps = runs["steps_to_target"].fillna(runs["steps"]).groupby(runs["entrant"]).mean()
    assert float(row["effect"]) == pytest.approx(steps["slow"] - steps["plain"])
    assert (row["pairs"], row["units"]) == ("12", "6")


SMALLER = (
    "replicates=3", "grid.speed.dataset=['wine', 'breast_cancer']", "grid.speed.steps=60",
    "grid.cures.dataset=['wine', 'breast_cancer']", "grid.cures.steps=40", "grid.exploding.steps=40",
    "grid.batches.steps=60", "descent.beside_poorer.map=5", "descent.noisy.map=5",
)  # fmt: skip


def test_the_shipped_claims_run_small(tmp_path, only_claims):
    changes = [word for change in SMALLER for word in ("--set", change)]
    asked = [str(ROOT / "studies/claims.toml"), *changes, "--quiet", "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    rows = list(csv.DictReader((tmp_path / "out/tables/claims_verdicts.csv").open()))
    assert len(rows) == len(Study.load(ROOT / "studies/claims.toml").claims)
    assert all(row["effect"] for row in rows)  # nothing is missing
    of_networks = [row for row in rows if row["units"] in ("2", "3")]
    assert len(of_networks) > 25
    assert {row["verdict"] for row in of_networks} == {OPEN}  # three replicates prove nothing


def test_the_claim_in_the_readme_is_judged(tmp_path, only_claims):
    written = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "[[claim]]" in written[1]
    (tmp_path / "my.toml").write_text("\n".join(written).replace("steps = 300", "steps = 12"))
    changes = ("width=4", "dataset=iris", "replicates=2", "activation=['tanh', 'sigmoid']")
    small = [word for change in changes for word in ("--set", change)]
    assert main([str(tmp_path / "my.toml"), *small, "--quiet", "--out", str(tmp_path / "out")]) == 0
    (row,) = csv.DictReader((tmp_path / "out/tables/claims_verdicts.csv").open())
    assert row["reason"] == "2 replicates are too few for an interval"


# --- quantities ------------------------------------------------------------------------------


def _tables() -> dict[str, pd.DataFrame]:
    return make_records()._asdict()


@pytest.mark.parametrize(
    "name", [*OF_NETWORKS, "steps_to_learned", "log10_steps_to_learned", "success_learned"]
)
def test_every_quantity_of_networks_is_computed(name):
    tables = _tables()
    found = quantities.of_networks(tables, name, "learned", -1)
    assert found["run"].tolist() == tables["runs"]["run"].tolist()
    assert found["value"].notna().any()


def test_every_quantity_of_surfaces_is_computed(results):
    tables = {name: pd.read_parquet(results / f"{name}.parquet") for name in ("walks", "ends")}
    for name in OF_SURFACES:
        found = quantities.of_surfaces(tables, name)
        assert len(found) == len(tables["ends"])
        assert found["value"].notna().any() or name == "path_length"


def test_no_run_is_left_out_for_having_failed():
    tables = _tables()
    runs, curves = tables["runs"], tables["curves"]
    diverged = (runs["status"] == "diverged").to_numpy()
    late = runs["steps_to_learned"].isna().to_numpy()
    assert diverged.any()

    def value(name: str) -> np.ndarray:
        return quantities.of_networks(tables, name, "learned", 0)["value"].to_numpy()

    first = curves[curves["checkpoint"] == 0].set_index("run")["train_loss"]
    assert (value("steps_to_learned")[late] == runs["steps"][late]).all()
    assert (value("final_test_accuracy")[diverged] == 0).all()
    assert (value("final_train_loss")[diverged] == runs["run"].map(first)[diverged]).all()
    assert value("diverged").sum() == diverged.sum()
    assert (value("success") == ~late).all()


def test_a_loss_that_falls_steadily_has_no_noise_and_one_that_jumps_has():
    steps = np.arange(0, 110, 10)
    runs = pd.DataFrame({"run": [0, 1], "replicate": 0, "steps": 100, "status": "reached"})
    steady = 10.0 ** (-steps / 50)
    jumping = steady * np.where(np.arange(11) % 2, 10.0, 1.0)
    curves = pd.DataFrame({"run": np.repeat([0, 1], 11), "checkpoint": np.tile(range(11), 2),
                           "step": np.tile(steps, 2), "train_loss": np.append(steady, jumping)})  # fmt: skip
    noise = quantities.of_networks({"runs": runs, "curves": curves}, "loss_noise", None, 0)["value"]
    # From checkpoint to checkpoint one decade up, one down (five changes): their sd is √1.2.
    assert noise[0] < -10
    assert noise[1] == pytest.approx(np.log10(np.std([1, -1, 1, -1, 1], ddof=1)))


# --- figure ----------------------------------------------------------------------------------


def test_long_lists_of_claims_go_on_more_pages():
    entry = {
        "name": "c", "sentence": "A sentence that takes two lines in the figure of claims.", "on": "g",
        "quantity": "success", "matters": 0.5, "direction": "higher", "a": {"f": 1}, "b": {"f": 2},
    }  # fmt: skip
    (claim,) = claims_in({"claim": [entry]}, "test")
    found = Evidence(claim, 1.0, 0.0, Effect(90.0, 80.0, 100.0, 1e-9, 14, 14))
    with mpl.rc_context(style.settings()):
        pages = forests(judge([found] * 40))
    assert len(pages) > 1
    assert all(page.figure.get_size_inches()[1] < TALLEST + 1.2 for page in pages)
    assert sum(page.caption.count("claims") for page in pages) == len(pages)
    assert "40" not in pages[0].caption
    texts = [text.get_text() for text in pages[0].figure.axes[0].texts]
    assert SUPPORTED in texts
    assert "▶ and ◀: beyond 20." in pages[0].caption
