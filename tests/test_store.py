"""Records survive whatever happens: kills, other orders, other batches, other people's folders."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sim.errors import StudyError
from sim.plan import Batch, Plan, plan
from sim.store import Store, Unwritable, read
from sim.store.columns import conform, schemas
from sim.store.folder import RECORDS
from sim.store.merge import gather, windows
from sim.study import Study

STUDY = {
    "title": "Two grids",
    "seed": 3,
    "defaults": {
        "dataset": "iris",
        "width": 4,
        "steps": 20,
        "replicates": 3,
        "optimizer": {"name": "sgd", "lr": 0.1},
    },
    "grid": [
        {
            "name": "depths",
            "depth": [0, 1, 3],
            "activation": ["tanh", "relu"],
            "initializer": ["glorot_normal", "he_normal"],
            "target": [{"name": "learned", "metric": "test_accuracy", "value": 0.8}],
        },
        {"name": "widths", "depth": 2, "activation": "tanh", "initializer": "zeros"},
    ],
}


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.load(STUDY)


@pytest.fixture(scope="module")
def planned(study: Study) -> Plan:
    return plan(study)


def fill(directory, study, planned, made_up, order=None, fresh=False):
    """What a run does, with records made up: everything that is missing, then the merge."""
    with Store(directory, study, planned, fresh) as store:
        done = store.done()
        for batch in order or planned.batches:
            if batch.number not in done:
                store.save(batch.number, made_up(batch))
        store.finish()


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest, which alone may differ."""
    files = sorted(path for path in Path(directory).rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in files if path.name != "manifest.json"
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, study, planned) -> dict[str, bytes]:
    from conftest import made_up_records

    directory = tmp_path_factory.mktemp("uninterrupted") / "results"
    fill(directory, study, planned, made_up_records)
    return contents(directory)


# What comes out is what went in


def test_records_come_back_in_order_with_every_column(tmp_path, study, planned, made_up):
    fill(tmp_path, study, planned, made_up)
    runs, curves, layers = read(tmp_path)
    assert list(runs["run"]) == [run.index for run in planned.runs]
    assert list(runs["initializer"]) == [run.initializer.label for run in planned.runs]
    for table, keys in ((curves, ["run", "checkpoint"]), (layers, ["run", "checkpoint", "layer"])):
        assert table[keys].equals(table[keys].sort_values(keys, ignore_index=True))
        assert not table.duplicated(keys).any()
    given = pd.concat([made_up(batch).layers for batch in planned.batches]).sort_values(
        ["run", "checkpoint", "layer"]
    )
    assert np.array_equal(layers["log10_grad_pre"], given["log10_grad_pre"])
    assert np.isneginf(layers["log10_grad_pre"]).sum() == len(planned.runs)
    assert runs["steps_to_learned"].isna().all()
    for table, (name, schema) in zip((runs, curves, layers), schemas(study).items(), strict=True):
        assert list(table.columns) == schema.names, name


def test_csv_and_parquet_say_the_same(tmp_path, study, planned, made_up):
    fill(tmp_path, study, planned, made_up)
    parquet, text = read(tmp_path)[0], pd.read_csv(tmp_path / "runs.csv")
    assert list(parquet.columns) == list(text.columns)
    assert np.array_equal(parquet["final_test_loss"], text["final_test_loss"])  # every digit
    assert parquet["activation"].tolist() == text["activation"].tolist()
    assert ",nan," not in (tmp_path / "runs.csv").read_text().lower()


def test_a_column_nobody_knows_is_an_error(study):
    schema = schemas(study)["curves"]
    with pytest.raises(KeyError, match="gradient_norm"):
        conform(pd.DataFrame({"run": [0], "checkpoint": [0], "gradient_norm": [1.0]}), schema)
    conformed = conform(pd.DataFrame({"run": [1, 0], "checkpoint": [0, 0]}), schema)
    assert conformed["run"].to_pylist() == [0, 1]
    assert np.isnan(conformed["test_loss"].to_numpy()).all()


def test_the_manifest_tells_with_what_and_how_much(tmp_path, study, planned, made_up):
    fill(tmp_path, study, planned, made_up)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert (
        manifest["networks"]["finished"] == len(planned.runs) == sum(manifest["networks"]["status"].values())
    )
    assert manifest["study_digest"] == study.digest()
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["processor"]


# Equal bytes


def test_bytes_do_not_depend_on_the_order_of_batches(tmp_path, study, planned, made_up, uninterrupted):
    order = list(planned.batches)
    np.random.default_rng(1).shuffle(order)
    fill(tmp_path / "results", study, planned, made_up, order)
    assert contents(tmp_path / "results") == uninterrupted


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_bytes_do_not_depend_on_the_batches(tmp_path, study, planned, made_up, uninterrupted, size):
    runs = sorted(planned.runs, key=lambda run: (run.replicate, run.index))  # batches that interleave
    batches = [
        Batch(i, tuple(runs[start : start + size])) for i, start in enumerate(range(0, len(runs), size))
    ]
    fill(tmp_path / "results", study, replace(planned, batches=tuple(batches)), made_up)
    assert contents(tmp_path / "results") == uninterrupted


def test_bytes_do_not_depend_on_the_windows_being_full(tmp_path, study, planned, made_up, monkeypatch):
    monkeypatch.setattr("sim.store.merge.WINDOW_ROWS", 40)
    assert len(list(windows(planned.runs))) > 5
    assert [run for window in windows(planned.runs) for run in window] == [run.index for run in planned.runs]
    fill(tmp_path / "a", study, planned, made_up)
    fill(tmp_path / "b", study, planned, made_up, planned.batches[::-1])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert pq.ParquetFile(tmp_path / "a" / "layers.parquet").num_row_groups == len(
        list(windows(planned.runs))
    )


def test_a_window_is_in_one_piece_however_many_shards_it_comes_from(tmp_path, study, planned, made_up):
    """Pages of a Parquet column end where pieces end, which small files do not show."""
    with Store(tmp_path, study, planned) as store:
        for batch in planned.batches:
            store.save(batch.number, made_up(batch))
        where = {run.index: store._shard_of[batch.number] for batch in planned.batches for run in batch.runs}
    tables = gather([run.index for run in planned.runs], where, schemas(study))
    assert {column.num_chunks for table in tables.values() for column in table.columns} == {1}
    assert len(tables["runs"]) == len(planned.runs)


# Kills


class Killed(BaseException):
    """Stands for kill -9: no handler may catch it and go on writing."""


class Executioner:
    """Lets the first ``lives`` file operations happen, then none: a dead process writes nothing."""

    OPERATIONS = (
        (Path, "replace"),
        (Path, "rename"),
        (Path, "unlink"),
        (Path, "rmdir"),
        (Path, "mkdir"),
        (os, "fsync"),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lives: int) -> None:
        self.lives = lives
        for owner, name in self.OPERATIONS:
            monkeypatch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def _mortal(self, operation):
        def attempt(*arguments, **options):
            self.lives -= 1
            if self.lives < 0:
                raise Killed
            return operation(*arguments, **options)

        return attempt


def test_a_kill_before_any_file_operation_costs_nothing_but_time(
    tmp_path, study, planned, made_up, uninterrupted, monkeypatch
):
    """The process dies before its first, second, third … file operation; each time another one finishes."""
    lives, killed = 0, True
    while killed:
        directory = tmp_path / str(lives) / "results"
        directory.parent.mkdir()
        with monkeypatch.context() as patch:
            Executioner(patch, lives)
            try:
                fill(directory, study, planned, made_up)
                killed = False
            except Killed:
                pass
        fill(directory, study, planned, made_up)
        assert contents(directory) == uninterrupted, f"killed before operation {lives}"
        lives += 1
    assert lives > 3 * len(planned.batches)


def test_only_whole_batches_count_as_done(tmp_path, study, planned, made_up, monkeypatch):
    with Store(tmp_path, study, planned) as store:
        store.save(planned.batches[1].number, made_up(planned.batches[1]))
        with monkeypatch.context() as patch:
            Executioner(patch, 1)  # its bytes reach the disk, its name does not
            with pytest.raises(Killed):
                store.save(planned.batches[0].number, made_up(planned.batches[0]))
        assert len(list((tmp_path / "shards" / "networks").iterdir())) == 2
    with Store(tmp_path, study, planned) as store:
        assert store.done() == {planned.batches[1].number}
        assert len(list((tmp_path / "shards" / "networks").iterdir())) == 1


HOLDER = """
import sys, time
from sim.plan import plan
from sim.store import Store
from sim.study import Study
study = Study.load(eval(sys.argv[2]))
store = Store(sys.argv[1], study, plan(study))
print("held", flush=True)
time.sleep(60)
"""


def test_one_process_at_a_time_and_the_dead_do_not_count(tmp_path, study, planned):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), repr(STUDY)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StudyError, match="another process is writing there"):
            Store(tmp_path, study, planned)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    Store(tmp_path, study, planned).close()


# Going on


def test_a_finished_folder_is_left_as_it_is(tmp_path, study, planned, made_up):
    fill(tmp_path, study, planned, made_up)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in RECORDS["networks"]}
    with Store(tmp_path, study, planned) as store:
        assert store.done() == {batch.number for batch in planned.batches}
        store.finish()
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in RECORDS["networks"]} == before
    assert not (tmp_path / "shards").exists()


def test_grids_one_after_the_other_give_the_bytes_of_all_at_once(
    tmp_path, study, planned, made_up, uninterrupted
):
    part = plan(study, only=["widths"])
    fill(tmp_path, study, part, made_up)
    assert set(read(tmp_path)[0]["grid"]) == {"widths"}
    assert not json.loads((tmp_path / "manifest.json").read_text())["complete"]
    with Store(tmp_path, study, planned) as store:
        assert store.done() == {batch.number for batch in part.batches}
    fill(tmp_path, study, planned, made_up)
    assert contents(tmp_path) == uninterrupted


def test_a_shard_counts_for_exactly_its_own_runs(tmp_path, study, planned, made_up):
    whole = planned.batches[0]
    half = replace(whole, runs=whole.runs[: len(whole.runs) // 2])
    with Store(tmp_path, study, replace(planned, batches=(half,))) as store:
        store.save(half.number, made_up(half))
        assert store.done() == {half.number}
    with Store(tmp_path, study, planned) as store:
        assert store.done() == set()


def test_failed_batches_are_missing_and_tried_again(tmp_path, study, planned, made_up, uninterrupted):
    with Store(tmp_path, study, planned) as store:
        for batch in planned.batches[1:]:
            store.save(batch.number, made_up(batch))
        store.finish()
    lost = {run.index for run in planned.batches[0].runs}
    assert lost.isdisjoint(read(tmp_path)[0]["run"])
    assert len(read(tmp_path)[0]) == len(planned.runs) - len(lost)
    fill(tmp_path, study, planned, made_up)
    assert contents(tmp_path) == uninterrupted


def test_words_may_change_the_question_may_not(tmp_path, study, planned, made_up):
    fill(tmp_path, study, planned, made_up)
    renamed = Study.load({**STUDY, "title": "Another title"})
    Store(tmp_path, renamed, plan(renamed)).close()
    assert "Another title" in (tmp_path / "study.toml").read_text()
    other = Study.load({**STUDY, "seed": 4})
    with pytest.raises(StudyError, match=r"different study.*--out.*--fresh"):
        Store(tmp_path, other, plan(other))
    assert "seed = 3" in (tmp_path / "study.toml").read_text()


def test_batches_of_other_kernels_are_not_mixed(tmp_path, study, planned, made_up, monkeypatch):
    with Store(tmp_path, study, planned) as store:
        store.save(planned.batches[0].number, made_up(planned.batches[0]))
    monkeypatch.setattr("sim.kernels.jit.digest", lambda: "0123")
    with pytest.raises(StudyError, match=r"other kernels.*0123.*--fresh"):
        Store(tmp_path, study, planned)


# Folders


def test_a_folder_with_something_else_is_refused_and_untouched(tmp_path, study, planned):
    (tmp_path / "holiday.txt").write_text("photos")
    for fresh in (False, True):
        with pytest.raises(StudyError, match="something other than results"):
            Store(tmp_path, study, planned, fresh)
    assert contents(tmp_path) == {"holiday.txt": b"photos"}


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_in_the_way_is_one_line(tmp_path, study, planned, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError) as refused:
        Store(tmp_path / "file" / below, study, planned)
    assert "\n" not in str(refused.value)
    assert str(tmp_path / "file") in str(refused.value)


def test_fresh_starts_over_and_spares_what_others_left(tmp_path, study, planned, made_up, uninterrupted):
    earlier = Study.load({**STUDY, "seed": 4})
    with Store(tmp_path, earlier, plan(earlier)) as store:
        store.save(planned.batches[0].number, made_up(planned.batches[0]))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").write_text("")
    notes = {"notes.txt": b"mine", "figures/sketch.pdf": b"mine", "shards/notes.txt": b"mine"}
    for name, text in notes.items():
        (tmp_path / name).write_bytes(text)
    fill(tmp_path, study, planned, made_up, fresh=True)
    assert contents(tmp_path) == uninterrupted | notes


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, study, planned, made_up, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store(tmp_path, study, planned) as store:
        store.save(planned.batches[0].number, made_up(planned.batches[0]))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(Unwritable, match="No space left on device"):
                store.save(planned.batches[1].number, made_up(planned.batches[1]))
            with pytest.raises(Unwritable, match="No space left on device"):
                store.finish()
        assert store.done() == {planned.batches[0].number}
        assert len(list((tmp_path / "shards" / "networks").iterdir())) == 1


def test_reading_what_is_no_result_is_one_line(tmp_path, study, planned):
    with pytest.raises(StudyError, match="holds no results"):
        read(tmp_path)
    Store(tmp_path, study, planned).close()
    with pytest.raises(StudyError, match="not finished"):
        read(tmp_path)


def test_records_may_be_arrow_tables(tmp_path, study, planned, made_up, uninterrupted):
    import pyarrow as pa

    def as_arrow(batch):
        made = made_up(batch)
        return SimpleNamespace(**{name: pa.Table.from_pandas(table) for name, table in vars(made).items()})

    fill(tmp_path, study, planned, lambda batch: _without_index(as_arrow(batch)))
    assert contents(tmp_path) == uninterrupted


def _without_index(records):
    tables = {name: table.drop_columns(["__index_level_0__"]) for name, table in vars(records).items()}
    return SimpleNamespace(**tables)
