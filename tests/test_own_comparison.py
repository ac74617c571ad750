"""A comparison of optimizers with one's own rule among them, from its file to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.run import main
from sim.store import read

RULE = """
from sim import optimizer
from sim.catalog.mathematics import sqrt

@optimizer(state=("m", "v"))
def mine(theta, g, m, v, step, lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    rate = lr / (1 - beta1**step)
    root = 1 / (1 - beta2**step) ** 0.5
    return theta - rate * (m / (sqrt(v) * root + epsilon)), m, v
"""
STUDY = """
seed = 3
[defaults]
dataset = "iris"
depth = 1
width = 4
steps = 20
checkpoints = 5
[comparison]
trials = 3
tuning_seeds = 1
target_seeds = 2
report_seeds = 2
founding = ["adam"]
[[comparison.optimizer]]
name = "adam"
search = { lr = { start = 1e-3, stop = 0.1, scale = "log" } }
[[comparison.optimizer]]
name = "own_adam"
optimizer = { path = "own.py", name = "mine" }
search = { lr = { start = 1e-3, stop = 0.1, scale = "log" } }
[[problem]]
name = "flowers"
[[problem]]
name = "wines"
dataset = "wine"
"""
WORDS = ["study.toml", "--out", "out", "--quiet"]


@pytest.fixture
def place(tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the study and the rule; figures are drawn by the slow test alone."""
    monkeypatch.chdir(tmp_path)
    if "slow" not in request.keywords:
        monkeypatch.setattr("sim.run._report", lambda *_: None)
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "own.py").write_text(RULE)
    return tmp_path


def test_ones_own_adam_is_tuned_and_scored_as_the_built_in_one(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every network of the one stands beside an equal one of the other, stage by stage."""
    assert main(WORDS) == 0
    runs, _, _ = read(place / "out")
    keys = ["grid", "stage", "setting", "trial", "replicate", "lr"]
    of = {name: mine.set_index(keys).sort_index() for name, mine in runs.groupby("entrant")}
    searched = of["adam"].drop("target", level="stage")  # only the founding optimizer sets targets
    own = of["own_adam"]
    assert own.index.equals(searched.index)
    assert {"tuning", "report"} <= set(own.index.get_level_values("stage"))
    for column in ("final_train_loss", "final_test_loss"):
        np.testing.assert_allclose(own[column], searched[column], rtol=1e-10)
    assert set(own["optimizer"]) == {"mine(path=own.py)"}

    kept = {path: path.read_bytes() for path in (place / "out").rglob("*.parquet")}
    assert main(WORDS) == 0
    assert main(["out/study.toml", *WORDS[1:]]) == 0
    assert {path: path.read_bytes() for path in kept} == kept
    (place / "own.py").write_text(RULE.replace("lr=1e-3", "lr=2e-3"))
    assert main(WORDS) == 2
    assert "holds results of a different study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("theta - rate", "'a' - rate", "study.toml: comparison.optimizer[1].optimizer: 'mine(path=own.py)' "),
        (", m, v\n", ", m\n", "comparison.optimizer[1].optimizer: 'mine(path=own.py)' returns 2 values"),
        ("def mine", "def hers", "comparison.optimizer[1].optimizer.path: 'own.py' has no optimizer"),
        ("epsilon)), m", "epsilon)) * {0: 1.0}[0], m", "[1].optimizer: 'mine(path=own.py)' does not compile"),
    ],
)  # fmt: skip
def test_a_rule_that_fails_is_told_where_the_comparison_names_it(
    place: Path, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in RULE
    (place / "own.py").write_text(RULE.replace(old, new))
    assert main(WORDS) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert said in told
    assert not (place / "out").exists()


def test_an_activation_that_does_not_compile_is_told_where_the_problem_names_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bump.py").write_text("def bump(x):\n    return x * {0: 1.0}[0], {0: 1.0}[0]\n")
    line = 'activation = { path = "bump.py", name = "bump" }\n'
    (place / "study.toml").write_text(STUDY + line)
    assert main(WORDS) == 2
    told = capsys.readouterr().err
    assert "study.toml: problem[1] 'wines'.activation: 'bump(path=bump.py)' does not compile: " in told
    assert not (place / "out").exists()


@pytest.mark.slow
def test_the_report_tells_of_ones_own_rule(place: Path) -> None:
    assert main(WORDS) == 0
    tables = place / "out" / "tables"
    known = pd.read_csv(tables / "comparison_costs_costs.csv").set_index("entrant")
    assert known.loc["own_adam", "values"] == known.loc["adam", "values"] == 2
    assert known["relative"].isna().to_dict() == {"adam": False, "own_adam": True}
    ranked = pd.read_csv(tables / "comparison_ranking_leaderboard.csv").set_index("entrant")
    assert ranked.loc["own_adam", "mean"] == ranked.loc["adam", "mean"]
    report = (place / "out" / "report.html").read_text()
    assert report.count("Not measured, so without a time: own_adam.") >= 2
    assert len(list((place / "out" / "figures").glob("*.png"))) >= 8
