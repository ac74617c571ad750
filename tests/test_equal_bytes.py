"""Equal studies leave equal bytes: any threads, any batches, fresh or cached kernels, killed or not.

Every file of a results folder is compared but the manifest, which holds all that may differ.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import sim
from sim import run
from sim.store import read

STUDY = """
title = "Equal bytes"
seed = 5
[defaults]
dataset = "wine"
precision = "float64"
checkpoints = 4
[[grid]]
name = "widths"
question = "How wide must a network be?"
depth = 3
width = {start = 5, stop = 51, num = 24}
activation = "tanh"
initializer = ["glorot_normal", "he_normal"]
optimizer = {name = "adam", lr = [0.001, 0.01]}
batch_size = 20
steps = 500
replicates = 3
target = [{name = "learned", metric = "train_accuracy", value = 0.9}]
[[grid]]
name = "trouble"
question = "What of networks that diverge, drop units, or see odd batches?"
depth = [0, 2]
width = 9
activation = "relu"
normalizer = ["none", "batch"]
dropout = [0.0, 0.2]
optimizer = {name = "sgd", lr = [0.1, 1000.0]}
batch_size = [7, "full"]
steps = 60
replicates = 2
"""
NETWORKS = 24 * 2 * 2 * 3 + 2 * 2 * 2 * 2 * 2 * 2
BATCHES = 24 + 2 * 2 * 2
KILLS_IN_TRAINING = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the study, and what one thread makes of it without interruption."""
    folder = tmp_path_factory.mktemp("equal")
    (folder / "equal.toml").write_text(STUDY)
    words = [str(folder / "equal.toml"), "--out", str(folder / "straight"), "--jobs", "1", "--quiet"]
    assert run.main(words) == 0
    return folder


TIMED = ("manifest.json", "timings.csv")
"""Files that tell of seconds, which no two runs share."""


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the manifest and the seconds."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def assert_equal(directory: Path, straight: Path) -> None:
    """The folder holds the files of the uninterrupted one and no other, byte for byte."""
    one, other = contents(straight), contents(directory)
    assert sorted(other) == sorted(one)
    assert [name for name in one if one[name] != other[name]] == []


def command(folder: Path, out: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    study = [str(folder / "equal.toml"), "--out", str(folder / out), "--quiet"]
    line, project = [sys.executable, "-m", "sim.run", *study, *words], Path(sim.__file__).parents[1]
    return subprocess.Popen(line, cwd=project, env={**os.environ, **environment})


Shards = dict[str, tuple[int, int]]


def shards(directory: Path) -> Shards:
    """Name of each finished batch -> its inode and the nanosecond it was written."""
    marks = {path.name: path.stat() for path in directory.glob("shards/*/*.arrow")}
    return {name: (mark.st_ino, mark.st_mtime_ns) for name, mark in marks.items()}


def networks_in(directory: Path) -> int:
    """How many networks the finished batches hold."""
    return sum(
        len(pa.ipc.open_stream(path.open("rb")).read_all()) for path in directory.glob("shards/*/*.arrow")
    )


def sessions(directory: Path) -> list[int]:
    """Networks that each stretch of training finished, of those that were not killed."""
    manifest = json.loads((directory / "manifest.json").read_text())
    return [session["networks"] for session in manifest.get("sessions", [])]


def wait_until(arrived: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until ``arrived()``; fails if the process ends before."""
    while not arrived():
        assert process.poll() is None
        time.sleep(0.0005)


# --- Threads and batches --------------------------------------------------------------------------------


def test_the_study_is_worth_comparing(folder):
    """Something in it learned, something diverged, and every kind of file is there."""
    runs, curves, _ = read(folder / "straight")
    assert len(runs) == NETWORKS
    assert set(runs["status"]) == {"reached", "not_reached", "diverged"}
    assert len(curves) < NETWORKS * 4  # diverged networks have fewer rows
    files = contents(folder / "straight")
    assert {"runs.parquet", "runs.csv", "curves.parquet", "layers.parquet", "report.html"} <= set(files)
    assert {Path(name).suffix for name in files if "/" in name} == {".csv", ".png", ".svg"}


def test_two_threads(folder):
    words = [str(folder / "equal.toml"), "--out", str(folder / "two"), "--jobs", "2", "--quiet"]
    assert run.main(words) == 0
    assert_equal(folder / "two", folder / "straight")


@pytest.mark.parametrize(
    ("most_runs", "most_work"),
    [(512, 1.0), (5, 1.2e10), (10**6, 1e18)],
    ids=["one network a batch", "five", "as many as can be"],
)
def test_batches_of_any_size(folder, monkeypatch, most_runs, most_work):
    """The same numbers in memory, on two threads, as the files of one thread hold."""
    monkeypatch.setattr("sim.plan.BATCH_RUNS", most_runs)
    monkeypatch.setattr("sim.plan.BATCH_FLOPS", most_work)
    records = sim.run_study(tomllib.loads(STUDY), jobs=2)
    for found, kept in zip(
        (records.runs, records.curves, records.layers), read(folder / "straight"), strict=True
    ):
        pd.testing.assert_frame_equal(found, kept, check_exact=True)


def test_batches_of_one_network_on_disk(folder, monkeypatch):
    """Other shards, the same files."""
    monkeypatch.setattr("sim.plan.BATCH_RUNS", 1)
    monkeypatch.setattr("sim.views.report.build", lambda *_: None)
    sim.run_study(folder / "equal.toml", folder / "single", jobs=2)
    one, other = contents(folder / "straight"), contents(folder / "single")
    assert {"runs.parquet", "runs.csv", "curves.parquet", "layers.parquet", "study.toml"} <= set(other)
    assert [name for name in other if one[name] != other[name]] == []


# --- Interruption ----------------------------------------------------------------------------------------


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, of a process that has not come to its end."""
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_kills_at_random_moments(folder):
    """Six kills while it trains, one while it merges, one while it draws: nothing is lost or differs."""
    draws, killed = random.Random(7), folder / "killed"
    kept: Shards = {}
    counts = []
    for round_ in range(KILLS_IN_TRAINING):
        process = command(folder, "killed", "--jobs", str(1 + round_ % 2))
        more = len(kept) + draws.randint(1, 2)
        wait_until(lambda least=more: len(shards(killed)) >= least, process)
        time.sleep(draws.uniform(0, 0.06))
        kill(process)
        now = shards(killed)
        assert kept.items() <= now.items()  # no finished batch was trained or written again
        kept = now
        counts.append(len(kept))
    assert 0 < counts[0] < counts[-1] < BATCHES
    assert sessions(killed) == []
    missing = NETWORKS - networks_in(killed)

    process = command(folder, "killed")
    merging = ("layers.parquet.tmp", "runs.parquet")
    wait_until(lambda: any((killed / name).exists() for name in merging), process)
    kill(process)
    assert sessions(killed) == [missing]

    process = command(folder, "killed")
    some = draws.randint(1, 5)
    wait_until(lambda: len(list(killed.glob("figures/*.png"))) >= some, process)
    kill(process)
    assert run.main([str(folder / "equal.toml"), "--out", str(killed), "--quiet"]) == 0
    assert sessions(killed) == [missing]  # what was trained is trained
    assert_equal(killed, folder / "straight")


def test_ctrl_c(folder):
    """Exit code 130; the same command goes on with what is missing."""
    stopped = folder / "stopped"
    process = command(folder, "stopped", "--jobs", "2")
    wait_until(lambda: len(shards(stopped)) >= 3, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    kept = networks_in(stopped)
    assert 0 < kept < NETWORKS
    assert run.main([str(folder / "equal.toml"), "--out", str(stopped), "--quiet"]) == 0
    assert sessions(stopped)[1:] == [NETWORKS - kept]
    assert_equal(stopped, folder / "straight")


# --- Compiled now or before -------------------------------------------------------------------------------


@pytest.mark.slow
def test_fresh_and_cached_kernels(folder, tmp_path):
    """An empty cache, then the same one filled, in processes of their own."""
    took = {}
    for out in ("fresh", "cached"):
        assert command(folder, out, MANYNETS_CACHE=str(tmp_path)).wait() == 0
        assert_equal(folder / out, folder / "straight")
        manifest = json.loads((folder / out / "manifest.json").read_text())
        took[out] = manifest["sessions"][0]["compile_seconds"]
    assert took["cached"] < took["fresh"] / 3
