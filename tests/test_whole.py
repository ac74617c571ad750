"""The command with nothing replaced: real training, real report. (Kills: `test_equal_bytes`.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import run
from sim.store import read

STUDY = """
title = "Many small batches"
seed = 5
[defaults]
dataset = "iris"
steps = 30
checkpoints = 4
replicates = 2
[[grid]]
name = "widths"
question = "How wide must a network be?"
depth = 2
width = {start = 2, stop = 25, num = 24}
activation = "tanh"
initializer = ["glorot_normal", "zeros"]
optimizer = {name = "adam", lr = 0.01}
target = [{name = "learned", metric = "train_accuracy", value = 0.9}]
"""
NETWORKS = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the study, and its results as one thread leaves them without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "many.toml").write_text(STUDY)
    assert (
        run.main([str(folder / "many.toml"), "--out", str(folder / "straight"), "--jobs", "1", "--quiet"])
        == 0
    )
    return folder


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the manifest, tables, figures and report included."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_study_leaves_records_of_every_network(folder):
    runs, curves, layers = read(folder / "straight")
    assert len(runs) == NETWORKS
    assert set(runs["status"]) <= {"reached", "not_reached", "diverged"}
    assert runs.loc[runs["initializer"] == "zeros", "status"].eq("not_reached").all()
    assert (runs["status"] == "reached").any()
    assert len(curves) == NETWORKS * 4
    assert len(layers) == NETWORKS * 4 * 3
    for name in ("report.html", "study.toml", "manifest.json", "runs.csv"):
        assert (folder / "straight" / name).stat().st_size > 0
    assert list((folder / "straight/figures").glob("*.svg"))
    assert list((folder / "straight/tables").glob("*.csv"))


def test_a_report_comes_from_the_records_alone(folder):
    before = contents(folder / "straight")
    (folder / "straight/report.html").unlink()
    for path in [*(folder / "straight/tables").iterdir(), *(folder / "straight/figures").iterdir()]:
        path.unlink()
    assert run.main(["report", str(folder / "straight")]) == 0
    assert contents(folder / "straight") == before


def test_a_regression_has_no_accuracy():
    import sim

    grid = {"name": "g", "dataset": "sine", "depth": 1, "width": 8, "batch_size": 16, "steps": 4}
    records = sim.run_study({"seed": 1, "grid": [{**grid, "checkpoints": 3}]})
    assert records.curves["test_loss"].notna().all()
    assert records.curves[["train_accuracy", "test_accuracy"]].isna().all(axis=None)
    assert records.runs[["final_train_accuracy", "final_test_accuracy"]].isna().all(axis=None)
