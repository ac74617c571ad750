"""How optimizers are compared: the same draws for all, tuning and report on different seeds, targets by rule.

Ranges widen where the best is at their edge; nothing of it hangs on threads or interruptions.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim import run
from sim.analysis import tuning
from sim.errors import StudyError
from sim.execute.data import data_for
from sim.execute.networks import architecture_of, fleet_of
from sim.kinds import planned
from sim.stages import following
from sim.store import read, timings
from sim.study import Choice, Study
from sim.study.comparison import Axis, Entrant
from sim.trials import plan_networks, seeds_of, trials_of, wider

STUDY = """
title = "Small comparison"
seed = 3
[defaults]
dataset = "iris"
depth = 1
width = 4
steps = 30
checkpoints = 7
batch_size = 16
[comparison]
trials = 4
tuning_seeds = 2
target_seeds = 3
report_seeds = 3
founding = ["sgd", "adam"]
[[comparison.optimizer]]
name = "sgd"
search = {lr = {start = 0.001, stop = 0.1, scale = "log"}}
default = {lr = 0.01}
[[comparison.optimizer]]
name = "adam"
sampler = "sobol"
search = {lr = {start = 1e-4, stop = 0.1, scale = "log"}, beta1 = [0.8, 0.9]}
[[comparison.optimizer]]
name = "heavy"
optimizer = {name = "momentum", form = "heavy_ball"}
search = {lr = {start = 0.001, stop = 0.1, scale = "log"}, beta = [0.8, 0.9]}
default = {lr = 0.01}
[[problem]]
name = "flowers"
[[problem]]
name = "wines"
dataset = "wine"
metric = "test_accuracy"
level = 0.9
"""
TABLE = tomllib.loads(STUDY)
SEEDS = {"tuning": [0, 1], "extension": [0, 1], "target": [2, 3, 4], "report": [5, 6, 7]}


def changed(**rules):
    """The study with other rules."""
    table = copy.deepcopy(TABLE)
    table["comparison"] |= rules
    return table


TIMED = ("manifest.json", "timings.csv")
"""Files that tell of seconds, which no two runs share."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a results folder but the manifest and the seconds."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Figures hang on the records alone and take their time: the slow test draws them."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("sim.run._report", lambda *_: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The study and what one thread makes of it without interruption."""
    place = tmp_path_factory.mktemp("comparison")
    (place / "small.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.run._report", lambda *_: None)
        words = ["--out", str(place / "one"), "--jobs", "1", "--quiet"]
        assert run.main([str(place / "small.toml"), *words]) == 0
    return place


@pytest.fixture(scope="module")
def records(folder) -> tuple[pd.DataFrame, pd.DataFrame]:
    runs, curves, _ = read(folder / "one")
    return runs, curves


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.load(TABLE)


# --- protocol ------------------------------------------------------------------------------------


def test_every_stage_has_seeds_of_its_own_and_every_optimizer_the_same(records, study):
    runs, _ = records
    for stage, mine in runs.groupby("stage"):
        for _, cell in mine.groupby(["grid", "entrant", "setting", "trial"]):
            assert list(cell["replicate"]) == SEEDS[stage]
    assert {stage: list(seeds_of(study.comparison, stage)) for stage in SEEDS} == SEEDS
    assert set(SEEDS["tuning"]).isdisjoint(SEEDS["target"] + SEEDS["report"])
    assert set(SEEDS["target"]).isdisjoint(SEEDS["report"])


def test_equal_replicates_start_and_see_the_same_whatever_the_optimizer(study):
    first = {}
    for run_ in plan_networks(study).runs:
        if (run_.grid, run_.replicate) == ("flowers", 1):
            architecture = architecture_of(run_)
            data = data_for(run_, [1], architecture.widths[-1], study.seed)
            theta = fleet_of(architecture, [run_], {1: 0}, study.seed).theta[0]
            first.setdefault(run_.entrant, (theta.tobytes(), data.order.tobytes(), data.tables.tobytes()))
    assert set(first) == {"sgd", "adam", "heavy"}
    assert len(set(first.values())) == 1


def test_the_untrained_networks_are_the_same_for_all_on_report_seeds(records):
    runs, curves = records
    first = curves[curves["checkpoint"] == 0].merge(runs[runs["stage"] == "report"], on="run")
    assert (first.groupby(["grid", "replicate"])["train_loss"].nunique() == 1).all()
    assert first["train_loss"].nunique() == 2 * 3


def test_every_optimizer_has_the_same_number_of_trials_on_every_problem(records):
    tried = records[0][records[0]["stage"] == "tuning"].groupby(["grid", "entrant"])["trial"].nunique()
    assert set(tried) == {4}
    assert len(tried) == 2 * 3


def test_the_best_setting_is_frozen_and_the_default_runs_beside_it(records, study):
    runs, curves = records
    chosen = tuning.chosen(study, runs, curves).set_index(["grid", "entrant"])
    report = runs[runs["stage"] == "report"]
    assert len(report) == 2 * 3 * 2 * 3
    for (grid, entrant, setting), mine in report.groupby(["grid", "entrant", "setting"]):
        if setting == "tuned":
            assert set(mine["trial"]) == {chosen.loc[(grid, entrant), "trial"]}
            assert set(mine["lr"]) == {chosen.loc[(grid, entrant), "lr"]}
        else:
            assert set(mine["lr"]) == {{"sgd": 0.01, "adam": 0.001, "heavy": 0.01}[entrant]}
            assert set(mine["trial"]) == {-1}


def test_the_target_is_the_best_median_of_the_founding_optimizers(records, study):
    runs, _ = records
    again = runs[(runs["stage"] == "target")]
    assert set(again["grid"]) == {"flowers"}  # the other target is declared
    assert set(again["entrant"]) == {"sgd", "adam"}
    best = again.groupby("entrant")["final_train_loss"].median().min()
    levels = tuning.levels(study, runs)
    assert levels == {"flowers": best, "wines": 0.9}
    report = runs[runs["stage"] == "report"]
    assert dict(report.groupby("grid")["target"].first()) == levels
    assert runs.loc[runs["stage"] != "report", "target"].isna().all()
    loosened = Study.load(changed(slack=0.1))
    assert tuning.levels(loosened, runs)["flowers"] == pytest.approx(1.1 * best)


def test_times_are_those_of_the_curves(records, study):
    runs, curves = records
    report = runs[(runs["stage"] == "report") & (runs["grid"] == "wines")]
    own = curves[curves["run"].isin(report["run"])]
    times = tuning.steps_to(report, own, "test_accuracy", 0.9)
    assert np.array_equal(times, report["steps_to_target"].fillna(30))
    assert (report["status"] == "reached").sum() == report["steps_to_target"].notna().sum() > 3


def test_the_trials_are_those_that_the_records_hold(records, study):
    runs, _ = records
    for entrant in study.comparison.entrants:
        mine = runs[(runs["stage"] == "tuning") & (runs["entrant"] == entrant.name)]
        told = mine.groupby("trial")[["optimizer", "lr"]].first()
        assert [tuple(row) for row in told.to_numpy()] == [
            (choice.label, choice.value("lr")) for choice in trials_of(study, entrant)
        ]


def test_gradients_and_seconds_are_counted(records, folder):
    runs, _ = records
    assert set(runs["gradient_evaluations"]) == {30 * 16}
    spent = timings(folder / "one")
    assert spent["networks"].sum() == len(runs)
    assert (spent["seconds"] > 0).all()
    assert spent["steps"].sum() == 30 * len(runs)
    table = pd.read_csv(folder / "one/timings.csv")
    assert list(table.columns) == ["part", "optimizer", "networks", "steps", "seconds"]
    assert table["part"].iloc[-1] == "(compiling)"
    assert table["seconds"].iloc[-1] >= 0
    trained = table[:-1]
    assert set(trained["part"]) == {"flowers", "wines"}
    assert trained["networks"].sum() == len(runs)
    assert trained["seconds"].tolist() == pytest.approx(spent["seconds"].tolist())


# --- ranges that widen ----------------------------------------------------------------------------


def entrant(study: Study, name: str) -> Entrant:
    return study.comparison.entrant(name)


def test_a_best_rate_at_the_edge_is_followed_by_the_same_factor(study):
    sgd = entrant(study, "sgd")
    tried = trials_of(study, sgd)
    factor = 100 ** (1 / 3)
    beyond, edges = wider(sgd, tried, tried[-1])
    assert edges == ("lr",)
    assert beyond.value("lr") == pytest.approx(0.1 * factor)
    assert wider(sgd, tried, tried[0])[0].value("lr") == pytest.approx(0.001 / factor)
    assert wider(sgd, tried, tried[1]) == (None, ())
    again = wider(sgd, [*tried, beyond], beyond)[0]
    assert again.value("lr") == pytest.approx(0.1 * factor**2)
    assert wider(sgd, [*tried, beyond], tried[-1]) == (None, ())


def test_a_list_is_not_extended_and_an_optimizer_s_limits_hold(study):
    axes = (Axis("lr", (0.1, 0.2)), Axis("beta1", (0.9, 0.95, 0.99), "linear"))
    adam = Entrant("adam", entrant(study, "adam").fixed, axes, "grid", entrant(study, "adam").default)
    tried = trials_of(study, adam)
    best = next(choice for choice in tried if choice.value("beta1") == 0.99)
    assert wider(adam, tried, best) == (None, ("beta1",))  # 1.035 is no decay rate: flagged, not followed


def made_up(study: Study, score) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tuning records whose final loss is ``score(choice)``."""
    rows = [
        {"run": n, "grid": r.grid, "entrant": r.entrant, "stage": r.stage, "trial": r.trial, "steps": 30,
         "final_train_loss": score(r.optimizer), "final_test_accuracy": 0.5, "status": "not_reached"}
        for n, r in enumerate(plan_networks(study).runs)
    ]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(
        {"run": [0], "step": [0], "train_loss": [1.0], "test_accuracy": [0.5]}
    )


def far_off(choice: Choice) -> float:
    """Better the larger the rate is: the best is beyond every range."""
    return 1.0 / choice.value("lr")


@pytest.mark.parametrize("extend", [0, 1, 3])
def test_a_range_widens_no_more_often_than_allowed_and_is_flagged(extend):
    study = Study.load(changed(extend=extend, founding=["sgd"], tie=0.0))
    plan = plan_networks(study)
    runs, curves = made_up(study, far_off)
    stages = []
    while plan is not None:
        known = {run_.index for run_ in plan.runs}
        stages.append(plan.stage)
        rows = [
            {"run": r.index, "grid": r.grid, "entrant": r.entrant, "stage": r.stage, "trial": r.trial,
             "steps": 30, "final_train_loss": far_off(r.optimizer), "final_test_accuracy": 0.5,
             "status": "not_reached"}
            for r in plan.runs
        ]  # fmt: skip
        runs = pd.DataFrame(rows)
        assert len(known) == len(runs)  # every run has an index of its own
        plan = following(plan, lambda: (runs, curves))  # noqa: B023  (called at once)
    assert stages == ["tuning", "target", *["extension"] * extend, "report"]
    chosen = tuning.chosen(study, runs, curves).set_index(["grid", "entrant"])
    best = chosen.loc[("flowers", "sgd")]
    assert best["trials"] == 4 + extend
    assert best["edge"] == "lr"
    assert best["lr"] == pytest.approx(0.1 * (100 ** (1 / 3)) ** extend)


def test_ties_go_to_the_more_stable_setting():
    scored = pd.DataFrame({
        "trial": [0, 1, 2, 3], "score": [1.0, 1.005, 1.009, 2.0], "diverged": [1, 0, 0, 0],
        "spread": [0.0, 0.3, 0.1, 0.0],
    })  # fmt: skip
    assert tuning.best(scored, tie=0.0) == 0
    assert tuning.best(scored, tie=0.01) == 2
    assert tuning.best(scored.assign(spread=0.0), tie=0.01) == 1
    assert tuning.best(scored.assign(score=np.inf), tie=0.01) == 3  # nothing learns: least trouble first


def test_a_diverged_network_is_worth_nothing():
    runs = pd.DataFrame({
        "status": ["reached", "diverged"], "final_train_loss": [0.5, 0.1], "final_test_accuracy": [0.5, 0.9],
    })  # fmt: skip
    assert list(tuning.final(runs, "train_loss")) == [0.5, np.inf]
    assert list(tuning.final(runs, "test_accuracy")) == [0.5, 0.0]


def test_time_to_target_may_be_the_criterion(study):
    """Two rates: one is better at the end, the other is sooner at the target."""
    rules = Study.load(changed(criterion="time_to_target", tie=0.0)).comparison
    runs = pd.DataFrame({"run": [0, 1], "entrant": "sgd", "trial": [0, 1], "steps": 30, "status": "reached",
                         "final_train_loss": [0.1, 0.2]})  # fmt: skip
    curves = pd.DataFrame({"run": [0, 0, 0, 1, 1, 1], "step": [0, 15, 30] * 2,
                           "train_loss": [2, 1, 0.1, 2, 0.4, 0.2]})  # fmt: skip
    flowers = study.problems[0]
    assert tuning.best(tuning.scores(runs, curves, flowers, rules, 0.5), 0.0) == 1
    assert tuning.best(tuning.scores(runs, curves, flowers, study.comparison, 0.5), 0.0) == 0
    assert list(tuning.scores(runs, curves, flowers, rules, 0.01)["score"]) == [30, 30]


def test_sobol_s_points_are_spread_and_hang_on_the_seed():
    table = changed(trials=64)
    for optimizer in table["comparison"]["optimizer"]:
        optimizer["sampler"] = "sobol"
    study = Study.load(table)
    tried = trials_of(study, entrant(study, "adam"))
    assert len(tried) == len(set(tried)) == 64
    decades = np.floor(np.log10([choice.value("lr") for choice in tried])).astype(int)
    assert [int((decades == d).sum()) for d in (-4, -3, -2)] == pytest.approx([64 / 3] * 3, abs=1.4)
    assert sum(choice.value("beta1") == 0.8 for choice in tried) == 32
    assert trials_of(study, entrant(study, "adam")) == tried
    assert trials_of(Study.load({**table, "seed": 4}), entrant(study, "adam")) != tried
    sgd = trials_of(study, entrant(study, "sgd"))
    assert [choice.value("lr") for choice in sgd] != [choice.value("lr") for choice in tried]


# --- equal bytes ----------------------------------------------------------------------------------


def test_two_threads_give_the_bytes_of_one(folder):
    assert run.main([str(folder / "small.toml"), "--out", str(folder / "two"), "--jobs", "2", "--quiet"]) == 0
    assert contents(folder / "two") == contents(folder / "one")


def test_a_problem_first_and_the_rest_later(folder):
    words = [str(folder / "small.toml"), "--out", str(folder / "parts"), "--quiet"]
    assert run.main([*words, "--only", "wines"]) == 0
    assert set(read(folder / "parts")[0]["grid"]) == {"wines"}
    assert run.main(words) == 0
    assert contents(folder / "parts") == contents(folder / "one")


def test_without_a_folder_the_same_is_returned(folder, records):
    found = sim.run_study(TABLE, jobs=2)
    pd.testing.assert_frame_equal(found.runs, records[0])
    pd.testing.assert_frame_equal(found.curves, records[1])


class Stopped(Exception):
    """Stands for a process that ends."""


def test_an_end_after_any_batch_costs_nothing_but_time(folder, monkeypatch):
    """The process ends after each batch that it keeps, in every stage; the same command goes on."""
    from sim.store import Store

    out, kept, ends = folder / "stopped", Store.save, 0

    def stop(store, number, records):
        kept(store, number, records)
        raise Stopped

    words = [str(folder / "small.toml"), "--out", str(out), "--jobs", "1", "--quiet"]
    stages = set()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", stop)
        while True:
            try:
                assert run.main(words) == 0
                break
            except Stopped:
                ends += 1
                stages |= {path.name for path in (out / "shards" / "networks").iterdir()}
    assert ends == len(stages) > 12
    assert run.main(words) == 0
    assert contents(out) == contents(folder / "one")


def command(folder: Path, out: str) -> subprocess.Popen[bytes]:
    line = [
        sys.executable,
        "-m",
        "sim.run",
        str(folder / "small.toml"),
        "--out",
        str(folder / out),
        "--quiet",
    ]
    return subprocess.Popen(line, cwd=Path(sim.__file__).parents[1], env=dict(os.environ))


@pytest.mark.slow
def test_kills_in_every_stage(folder):
    """kill -9 as soon as a few more batches are there, until it comes to its end; figures and page too."""
    out, kills = folder / "killed", 0
    assert command(folder, "drawn").wait() == 0
    while True:
        before = len(list(out.glob("shards/*/*.arrow")))
        process = command(folder, "killed")
        while process.poll() is None and len(list(out.glob("shards/*/*.arrow"))) < before + 3:
            time.sleep(0.001)
        if process.poll() is not None:
            break
        process.kill()
        assert process.wait() == -signal.SIGKILL
        kills += 1
    assert process.returncode == 0
    assert kills >= 4
    assert contents(out) == contents(folder / "drawn")
    assert (out / "report.html").exists()


def test_a_failed_batch_ends_the_stages_and_is_tried_again(folder, monkeypatch):
    from sim.execute import threads

    out = folder / "failed"
    words = [str(folder / "small.toml"), "--out", str(out), "--quiet"]

    def broken(batch, seed):
        if batch.number == 1:
            raise ValueError("out of order")
        return threads.train_batch(batch, seed)

    with monkeypatch.context() as patch:
        patch.setattr("sim.execute.threads.execute.__defaults__", (broken,))
        assert run.main(words) == 1
    runs, curves, _ = read(out)
    assert set(runs["stage"]) == {"tuning"}
    assert len(tuning.chosen(Study.load(TABLE), runs, curves)) == 5  # nothing is said of the sixth
    assert json.loads((out / "manifest.json").read_text())["complete"] is False
    assert run.main(words) == 0
    assert contents(out) == contents(folder / "one")


# --- bad input ------------------------------------------------------------------------------------


def with_optimizer(**keys):
    """The study whose first optimizer has other keys; None leaves a key out."""
    table = copy.deepcopy(TABLE)
    first = table["comparison"]["optimizer"][0] | keys
    table["comparison"]["optimizer"][0] = {name: value for name, value in first.items() if value is not None}
    return table


def with_problem(**keys):
    table = copy.deepcopy(TABLE)
    table["problem"][0] |= keys
    return table


RANGE = {"start": 0.001, "stop": 0.1, "scale": "log"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (changed(trails=3), r"comparison: 'trails' is not a key here.*mean 'trials'|comparison.trails"),
        (changed(trials=1), r"comparison.trials: 1 is not a whole number of 2"),
        (changed(criterion="speed"), r"comparison.criterion: 'speed' is not one.*final, time_to_target"),
        (changed(founding=["sdg"]), r"comparison.founding\[0\]: 'sdg' is no optimizer.*mean 'sgd'"),
        (changed(founding=[]), r"problem\[0\] 'flowers'.level: 'level' is missing, and comparison.founding"),
        (changed(optimizer=[]), r"comparison.optimizer: \[\] is not a list of optimizers"),
        (with_optimizer(name="adam", default=None), r"optimizer\[1\].name: 'adam' is the name of an earlier"),
        (with_optimizer(optimizer="sdg"), r"optimizer\[0\].optimizer.*'sdg' names no optimizer.*mean 'sgd'"),
        (with_optimizer(search=None), r"optimizer\[0\].search: None is no table"),
        (with_optimizer(search={"rate": RANGE}), r"search.rate: 'rate' is not a key here.*lr"),
        (with_optimizer(search={"lr": [0.1, 0.2]}), r"search: 2 settings are not the 4 trials"),
        (with_optimizer(search={"lr": {**RANGE, "num": 5}}), r"search: 5 settings are not the 4 trials"),
        (with_optimizer(search={"lr": {**RANGE, "stop": 0.001}}), r"search.lr: .* leaves no range"),
        (with_optimizer(search={"lr": {**RANGE, "start": -1}}), r"search.lr.start: -1 must be above 0"),
        (with_optimizer(search={"lr": {**RANGE, "start": 0}}), r"search.lr.start: 0 must be above 0"),
        (with_optimizer(sampler="random"), r"sampler: 'random' is not one of the choices.*sobol"),
        (with_optimizer(default={"beta": 0.9}), r"default: 'beta' is not a parameter of sgd"),
        (with_problem(depth=[1, 2]), r"problem\[0\] 'flowers'.depth: 2 values: a problem has one of each"),
        (with_problem(optimizer="sgd"), r"problem\[0\] 'flowers': 'optimizer' is not a key here"),
        (with_problem(metric="loss"), r"problem\[0\] 'flowers'.metric: 'loss' is not one of the choices"),
        (with_problem(measure=["test"]), r"metric: 'train_loss' is not measured"),
        (with_problem(metric="test_accuracy", level=2.0), r"level: 2.0 is no accuracy"),
        ({**TABLE, "problem": []}, r"problem: \[\] is an empty list"),
        ({name: entry for name, entry in TABLE.items() if name != "problem"}, r"'problem' is missing"),
        ({name: entry for name, entry in TABLE.items() if name != "comparison"}, r"'comparison' is missing"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(table, said):
    with pytest.raises(StudyError, match=said) as caught:
        Study.load(table)
    assert "\n" not in str(caught.value)


def test_what_the_data_cannot_give_is_told_before_anything_is_written(tmp_path, capsys):
    text = STUDY.replace('dataset = "wine"\n', 'dataset = "diabetes"\n')
    (tmp_path / "bad.toml").write_text(text)
    assert run.main([str(tmp_path / "bad.toml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "problem[1] 'wines'.metric: 'test_accuracy' is measured for classes only" in said
    assert not (tmp_path / "out").exists()


def test_the_study_written_out_loads_again_to_an_equal_one(study):
    again = Study.load(tomllib.loads(study.to_toml()))
    assert again == study
    assert again.digest() == study.digest()
    assert Study.load(changed(slack=0.1)).digest() != study.digest()


def test_rules_are_set_from_the_command_line(capsys, folder):
    study = Study.load(TABLE, ("comparison.trials=6", "comparison.report_seeds=9", "problem.wines.steps=20"))
    assert (study.comparison.trials, study.comparison.report_seeds) == (6, 9)
    assert len(trials_of(study, entrant(study, "sgd"))) == 6
    assert study.problems[1].grid.factors["steps"] == (20,)
    with pytest.raises(StudyError, match=r"--set comparison.trails=6.*mean 'trials'"):
        Study.load(TABLE, ("comparison.trails=6",))
    assert run.main([str(folder / "small.toml"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "48 networks" in said
    assert f"then {2 * 3 + 2 * 3 * 2 * 3} to set targets and to report, and at most {2 * 3 * 2 * 2}" in said


# --- the shipped studies ---------------------------------------------------------------------------

STUDIES = Path(__file__).parents[1] / "studies"


def test_the_shipped_comparison_is_large_enough():
    study = Study.load(STUDIES / "optimizers.toml")
    rules = study.comparison
    assert len(rules.entrants) >= 15
    assert len(study.problems) >= 12
    assert rules.report_seeds >= 30
    assert len(planned(study, ())[0][1].runs) + len(rules.entrants) * len(study.problems) * 60 >= 20_000
    for one in rules.entrants:
        rates = [choice.value("lr") for choice in trials_of(study, one)]
        assert max(rates) / min(rates) >= (1e4 if one.sampler == "grid" else 1e3) * 0.99


def test_the_shipped_comparison_runs_small(tmp_path):
    """As the study's head says, smaller still."""
    words = ["comparison.trials=3", "comparison.tuning_seeds=1", "comparison.target_seeds=2", "steps=20",
             "comparison.report_seeds=2", "comparison.extend=1", "checkpoints=5"]  # fmt: skip
    study = Study.load(STUDIES / "optimizers.toml", words)
    kept = ("sgd", "adam", "adam_three")
    from dataclasses import replace

    rules = replace(
        study.comparison, entrants=tuple(rules for rules in study.comparison.entrants if rules.name in kept)
    )
    runs = sim.run_study(replace(study, comparison=rules), jobs=2, only=["parity", "quadratic"]).runs
    assert set(runs["stage"]) >= {"tuning", "target", "report"}
    assert len(runs[runs["stage"] == "report"]) == 2 * len(kept) * 2 * 2


def small_commands() -> dict[str, list[str]]:
    """The command for a minute that the study's head gives, and those of the nightly workflow, as words."""
    head = (STUDIES / "optimizers.toml").read_text().partition("title = ")[0].replace("\n# ", "\n")
    nightly = (STUDIES.parent / ".github/workflows/nightly.yml").read_text()
    texts = {"head": head, "nightly": nightly.replace(".venv/bin/python", "python")}
    found = {}
    for place, text in texts.items():
        (line,) = re.findall(r"^ *(python -m sim.run \S*optimizers.toml.*)$", text.replace("\\\n", " "), re.M)
        found[place] = shlex.split(line)
    return found


def test_the_small_comparison_is_the_same_command_everywhere_and_can_be_planned(
    monkeypatch, capsys, tmp_path
):
    commands = small_commands()
    assert commands["head"] == commands["nightly"]
    monkeypatch.chdir(STUDIES.parent)
    words = commands["head"][3:]
    assert words[words.index("--out") + 1] == "results/optimizers_small"
    assert run.main([*words, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    (later,) = re.findall(r"then ([\d,]+) to set targets", said)
    (first,) = re.findall(r"^([\d,]+) networks", said, re.MULTILINE)
    assert int(first.replace(",", "")) + int(later.replace(",", "")) < 6_000
    assert re.search(r"about (\d\d?(\.\d)?) s on \d+ thread", said)  # a minute or less


PUBLISHED = {
    "sgd": (
        {7: 106.2466, 14: 104.4397, 35: 100.3961, 70: 95.8939, 175: 90.2333, 350: 88.0268, 700: 87.2928},
        0.2,
    ),
    "adam": ({7: 345.1772, 14: 337.0786, 35: 313.9322, 70: 279.3969, 175: 202.5659, 700: 106.6395}, 0.15),
}


def test_quadratic_deep_repeats_the_published_curves():
    """DeepOBS: the initial loss to six digits, the curves of SGD and Adam within their tolerances."""
    records = sim.run_study(STUDIES / "deepobs.toml", jobs=2)
    curves = records.curves.merge(records.runs[["run", "optimizer"]], on="run")
    assert curves.loc[curves["step"] == 0, "test_loss"].to_numpy() == pytest.approx(353.446764, abs=5e-6)
    mean = curves.groupby(["optimizer", "step"])["test_loss"].mean()
    for optimizer, (known, tolerance) in PUBLISHED.items():
        for step, value in known.items():
            assert mean[optimizer, step] == pytest.approx(value, abs=tolerance), (optimizer, step)
