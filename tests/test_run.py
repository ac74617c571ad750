"""The command: what it says, what it leaves behind, how it ends. Training is made up, all else is real."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import sim
import sim.views
from sim import run
from sim.progress import Progress, duration
from sim.store import read

STUDY = """
title = "Small"
seed = 3
[defaults]
dataset = "iris"
width = 4
steps = 20
replicates = 2
optimizer = {name = "sgd", lr = 0.1}
[[grid]]
name = "depths"
question = "Does depth matter?"
depth = [1, 2, 3]
[[grid]]
name = "parts"
depth = 1
activation = ["tanh", "relu"]
"""
NETWORKS = 10


class MadeUp:
    """Stands for sim.execute: the same calls, records made up, errors where a test wants them."""

    def __init__(self, records) -> None:
        self.records, self.failing, self.trained, self.jobs = records, set(), [], None

    def check(self, plan) -> None:
        """There is nothing of a user's own to compile."""

    def prepare(self, plan) -> float:
        return 0.25

    def execute(self, plan, batches, jobs, on_done, on_failure) -> None:
        self.jobs = jobs
        for batch in batches:
            if batch.number in self.failing:
                on_failure(batch, ValueError("the matrix\nis singular"))
                continue
            self.trained += [run.index for run in batch.runs]
            on_done(batch, self.records(batch))


@pytest.fixture
def training(monkeypatch, made_up) -> MadeUp:
    """Training and report replaced; the test may make batches fail."""
    stand_in = MadeUp(made_up)
    monkeypatch.setattr("sim.kernels.jit.digest", lambda: "made up")
    drawing = SimpleNamespace(
        build=lambda directory, jobs=1: (Path(directory) / "report.html").write_text("drawn"),
        ready=lambda: None,
    )
    for package, name, module in ((sim, "execute", stand_in), (sim.views, "report", drawing)):
        monkeypatch.setattr(package, name, module, raising=False)
        monkeypatch.setitem(sys.modules, f"{package.__name__}.{name}", module)
    return stand_in


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory with one study in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(STUDY)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# It does its work


def test_a_study_is_trained_and_reported(here, training, capsys):
    assert run.main(["small.toml", "--jobs", "2"]) == 0
    said = capsys.readouterr()
    assert training.jobs == 2
    assert sorted(training.trained) == list(range(NETWORKS))
    line = rf"{NETWORKS} networks, {NETWORKS} of them trained now, in [\d.]+ s, [\d.]+ s of it training: "
    assert re.fullmatch(line + r"results/small/report\.html\n", said.out)
    assert (here / "results/small/report.html").read_text() == "drawn"
    assert len(read(here / "results/small")[0]) == NETWORKS


def test_a_second_time_only_the_report_is_drawn(here, training, capsys):
    assert run.main(["small.toml"]) == 0
    before = contents(here)
    training.trained.clear()
    assert run.main(["small.toml"]) == 0
    assert training.trained == []
    assert f"{NETWORKS} networks, 0 of them trained now" in capsys.readouterr().out
    assert contents(here) == before


def test_the_manifest_keeps_every_stretch_of_training(here, training):
    assert run.main(["small.toml", "--only", "parts", "--quiet"]) == 0
    assert run.main(["small.toml", "--jobs", "1", "--quiet"]) == 0
    manifest = json.loads((here / "results/small/manifest.json").read_text())
    first, second = manifest["sessions"]
    assert (first["networks"], second["networks"]) == (4, NETWORKS - 4)
    assert second["jobs"] == 1
    assert second["compile_seconds"] == 0.25
    assert 0 < second["train_seconds"] == manifest["seconds"]["training"] <= manifest["seconds"]["all"]
    assert second["networks_per_second"] > 0


def test_set_and_only_and_out(here, training):
    assert (
        run.main(
            ["small.toml", "--set", "grid.parts.depth=4", "--only", "parts", "--out", "there", "--quiet"]
        )
        == 0
    )
    runs = read(here / "there")[0]
    assert set(runs["grid"]) == {"parts"}
    assert set(runs["depth"]) == {4}
    assert not (here / "results").exists()


def test_fresh_trains_everything_again(here, training):
    assert run.main(["small.toml", "--quiet"]) == 0
    assert run.main(["small.toml", "--quiet", "--set", "seed=4"]) == 2
    training.trained.clear()
    assert run.main(["small.toml", "--quiet", "--set", "seed=4", "--fresh"]) == 0
    assert len(training.trained) == NETWORKS
    assert "seed = 4" in (here / "results/small/study.toml").read_text()


def test_quiet_says_nothing(here, training, capfd):
    assert run.main(["small.toml", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_a_report_is_drawn_again_from_the_records(here, training, capsys):
    assert run.main(["small.toml", "--quiet"]) == 0
    (here / "results/small/report.html").unlink()
    assert run.main(["report", "results/small"]) == 0
    assert capsys.readouterr().out == "results/small/report.html\n"
    assert (here / "results/small/report.html").exists()


# It says what it would do


def test_a_dry_run_lists_and_writes_nothing(here, training, capsys):
    before = contents(here)
    assert run.main(["small.toml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert contents(here) == before
    assert not (here / "results").exists()
    assert training.trained == []
    assert "depths" in said
    assert "Does depth matter?" in said
    assert f"{NETWORKS} networks, {NETWORKS * 20} steps" in said
    assert "activation relu, tanh" in said
    assert "precision float64" in said
    for unit in (" s on ", "B in results/small"):
        assert unit in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "grid=[]"], "'grid' cannot be set as a whole; write grid.NAME.KEY=VALUE"),
        (["--set", "defaults=3"], "'defaults' cannot be set as a whole; write defaults.KEY=VALUE"),
        (
            ["--set", "measure=[]", "--set", "target=[{name='a', metric='test_loss', value=1}]"],
            "(choices: none)",
        ),
        (["--out", ""], "--out: '' names no folder"),
        (["--out", "foreign"], "foreign: holds something other than results"),
        (["--out", "foreign/notes.txt"], "is a file, not a folder for results"),
        (["--out", "other"], "other: holds results of a different study"),
    ],
)
def test_a_dry_run_says_what_the_run_would(here, training, capsys, words, said):
    (here / "foreign").mkdir()
    (here / "foreign" / "notes.txt").write_text("mine")
    assert run.main(["small.toml", "--set", "seed=9", "--out", "other", "--quiet"]) == 0
    for dry in (["--dry-run"], []):
        assert run.main(["small.toml", *words, *dry]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert said in line
    assert sorted(path.name for path in here.iterdir()) == ["foreign", "other", "small.toml"]
    assert run.main(["small.toml", "--out", "other", "--fresh", "--dry-run"]) == 0


def test_a_study_without_targets_or_measures_runs(here, training):
    assert run.main(["small.toml", "--set", "target=[]", "--set", "measure=[]", "--quiet"]) == 0


def test_a_dry_run_of_one_grid(here, training, capsys):
    assert run.main(["small.toml", "--dry-run", "--only", "depths", "--jobs", "3"]) == 0
    said = capsys.readouterr().out
    assert "parts" not in said
    assert "on 3 threads" in said


# It says what is wrong


BAD = {
    "no study": [],
    "no file": ["absent.toml"],
    "not TOML": ["broken.toml"],
    "unknown option": ["small.toml", "--frehs"],
    "no number": ["small.toml", "--jobs", "many"],
    "no threads": ["small.toml", "--jobs", "0"],
    "unknown grid": ["small.toml", "--only", "depth"],
    "unknown factor": ["small.toml", "--set", "grid.parts.dephts=3"],
    "no value": ["small.toml", "--set", "seed"],
    "out is a file": ["small.toml", "--out", "small.toml"],
    "out is something else": ["small.toml", "--out", "other"],
    "too many words": ["small.toml", "small.toml"],
    "dry run of a bad study": ["small.toml", "--dry-run", "--set", "seed=x"],
    "report of nothing": ["report"],
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_writes_nothing(here, training, capfd, arguments):
    (here / "broken.toml").write_text("title = ")
    (here / "other").mkdir()
    (here / "other/photo.jpg").write_text("")
    before = contents(here)
    assert run.main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert contents(here) == before
    assert training.trained == []


def test_the_nearest_grid_is_named(here, training, capsys):
    assert run.main(["small.toml", "--only", "depth"]) == 2
    assert "did you mean 'depths'?" in capsys.readouterr().err


def test_failed_batches_are_named_and_the_rest_kept(here, training, capsys):
    training.failing = {1}
    assert run.main(["small.toml"]) == 1
    err = capsys.readouterr().err
    assert "failed: batch 1 of 'depths' (2 networks from run 2): ValueError: the matrix is singular\n" in err
    assert len(read(here / "results/small")[0]) == NETWORKS - 2
    manifest = json.loads((here / "results/small/manifest.json").read_text())
    assert "singular" in manifest["sessions"][0]["failures"][0]
    assert manifest["sessions"][0]["networks"] == NETWORKS - 2
    training.failing, training.trained = set(), []
    assert run.main(["small.toml", "--quiet"]) == 0
    assert training.trained == [2, 3]
    assert len(read(here / "results/small")[0]) == NETWORKS


def test_many_failures_do_not_flood_the_terminal(here, training, capsys):
    training.failing = set(range(100))
    assert run.main(["small.toml", "--set", "defaults.width=[2,3,4,5]"]) == 1
    err = capsys.readouterr().err
    assert err.count("failed: batch") == run.SHOWN_FAILURES
    assert "more batches, named in results/small/manifest.json" in err
    assert not (here / "results/small/report.html").exists()


def test_a_full_disk_keeps_what_was_written(here, training, capsys, monkeypatch):
    real, calls = os.fsync, []

    def full_after_a_while(descriptor):
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_after_a_while)
        assert run.main(["small.toml", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "No space left on device" in err
    kept = list(training.trained)
    assert run.main(["small.toml", "--quiet"]) == 0
    assert len(training.trained) < NETWORKS + len(kept)


# Progress


def test_plain_lines_come_every_few_seconds_and_know_the_time_left(monkeypatch, capsys):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("sim.progress.time.monotonic", lambda: clock.now)
    with Progress(100, 1000.0) as progress:
        for _ in range(10):  # 100 networks in 20 seconds; the second half is four times the work
            clock.now += 2.0
            progress.advance(10, 40.0 if progress.finished < 50 else 160.0)
    assert capsys.readouterr().err.splitlines() == [
        "30 of 100 networks, 5.0 networks/s, 44 s left",
        "60 of 100 networks, 5.0 networks/s, 21 s left",
        "90 of 100 networks, 5.0 networks/s, 3.4 s left",
        "100 of 100 networks, 5.0 networks/s, 0.0 s left",
    ]


def test_a_terminal_gets_a_bar(monkeypatch):
    import pty

    monkeypatch.setenv("COLUMNS", "120")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        with Progress(40, 8.0, stream=terminal) as progress:
            progress.advance(30, 4.0)
            progress.advance(10, 4.0)
        terminal.flush()
        said = b""
        while b"40 of 40" not in said and select.select([master], [], [], 5)[0]:
            said += os.read(master, 10_000)
    os.close(master)
    assert "40 of 40" in said.decode()
    assert "networks/s" in said.decode()
    assert "\x1b[" in said.decode()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (42, "42 s"), (200, "3 min 20 s"), (180, "3 min"), (7500, "2 h 5 min")],
)
def test_durations_read_as_a_person_says_them(seconds, said):
    assert duration(seconds) == said


# The process


def command(*words: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_help_answers_at_once():
    """Under 0.3 s of processor time: the clock on the wall also counts what else the machine does."""
    best = 9.0
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = command("-m", "sim.run", "--help", cwd=Path(__file__).parents[1])
        out, err = process.communicate()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert (process.returncode, err) == (0, "")
        assert "--dry-run" in out
        assert "report DIR" in out
    assert best < 0.3


def test_help_loads_nothing_heavy():
    heavy = ["numba", "pandas", "pyarrow", "scipy", "sklearn", "seaborn", "matplotlib", "pydantic"]
    code = f"import sys, sim.run; print([name for name in {heavy} if name in sys.modules])"
    out, _ = command("-c", code, cwd=Path(__file__).parents[1]).communicate()
    assert out == "[]\n"


SLOWLY = """
import sys, time
sys.path[:0] = [{tests!r}, {project!r}]
from test_run import MadeUp
from conftest import made_up_records
from types import SimpleNamespace
from pathlib import Path
import sim, sim.kernels.jit, sim.run, sim.views

sim.kernels.jit.digest = lambda: "made up"

class Slow(MadeUp):
    def execute(self, plan, batches, jobs, on_done, on_failure):
        def kept(batch, records):
            on_done(batch, records)
            print("kept", flush=True)
            time.sleep({pause})
        super().execute(plan, batches, jobs, kept, on_failure)

draw = lambda directory, jobs=1: (Path(directory) / "report.html").write_text("drawn")
drawing = SimpleNamespace(build=draw, ready=lambda: None)
for package, name, module in ((sim, "execute", Slow(made_up_records)), (sim.views, "report", drawing)):
    setattr(package, name, module)
    sys.modules[package.__name__ + "." + name] = module
sys.exit(sim.run.main(sys.argv[1:]))
"""


def slowly(folder: Path, *words: str, pause: float = 0.2) -> subprocess.Popen[str]:
    """The command in a process of its own, with a pause after each batch."""
    tests = Path(__file__).parent
    code = SLOWLY.format(tests=str(tests), project=str(tests.parent), pause=pause)
    return command("-c", code, *words, cwd=folder)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(here, training):
    process = slowly(here, "small.toml", "--out", "stopped")
    assert process.stdout.readline() == "kept\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "interrupted: finished batches are kept in stopped; the same command goes on from there"
    )
    assert run.main(["small.toml", "--out", "stopped", "--quiet"]) == 0
    assert 0 < len(training.trained) < NETWORKS
    assert run.main(["small.toml", "--out", "straight", "--quiet"]) == 0
    assert contents(here / "stopped") == contents(here / "straight")


def test_a_killed_process_leaves_what_the_next_one_goes_on_with(here, training):
    process = slowly(here, "small.toml", "--out", "killed")
    for _ in range(2):
        assert process.stdout.readline() == "kept\n"
    process.kill()
    process.communicate()
    assert run.main(["small.toml", "--out", "killed", "--quiet"]) == 0
    assert 0 < len(training.trained) < NETWORKS
    assert run.main(["small.toml", "--out", "straight", "--quiet"]) == 0
    assert contents(here / "killed") == contents(here / "straight")


def test_without_a_terminal_there_are_plain_lines(here):
    process = slowly(here, "small.toml", pause=0)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "\x1b" not in out + err
    lines = err.splitlines()
    assert lines[0].startswith("compiling kernels")
    assert lines[-2].startswith(f"{NETWORKS} of {NETWORKS} networks, ")
    assert lines[-1].startswith("drawing")
    assert out.splitlines()[-1].endswith("results/small/report.html")
