"""The nightly job: what is caught, what is not, and that nothing of its history is lost."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.bench.__main__ import main
from sim.bench.nightly import learning, night, page, speed
from sim.bench.nightly.figures import LEARNING, NOTED, SPEED, START, Figure
from sim.bench.nightly.history import History, Night, Record
from sim.bench.nightly.verdict import (
    ACCEPTED,
    BAD,
    FLOOR,
    GAIN,
    NIGHTS,
    NONE,
    REGRESSION,
    SAME,
    SUSPECT,
    WITHIN,
    judge,
)  # fmt: skip
from sim.bench.points import POINTS, Point
from sim.bench.work import Team
from sim.kernels import fleet, jit
from sim.study import Study

ROOT = Path(__file__).parents[1]
ABOUT = Night("2026-01-01T03:00:00+00:00", "abc", "machine", "kernels", "study", {"numpy": "2"}, {"cores": 2})
TINY = Point("tiny", depth=2, width=8, batch=16, networks=256, steps=60)
SMALL = """
seed = 3
[[grid]]
name = "deep"
dataset = {name = "parity", bits = 3, samples = 160}
depth = 6
width = 8
activation = "tanh"
initializer = "glorot_normal"
optimizer = {name = "sgd", lr = 0.1}
batch_size = 16
steps = 20
checkpoints = 3
replicates = 6
"""


def share(value, name="A: share of the peak", scatter=0.0):
    """A figure of speed whose repeats lie around the value."""
    return Figure(name, SPEED, "", tuple(value * (1 + scatter * k) for k in (-1, 0, 1)), 0.0, 1.15)


def past(values, words=None, about=ABOUT, make=share):
    """Records of one figure, a night each."""
    words = words or [WITHIN] * len(values)
    return [
        Record(k, about, make(value), word) for k, (value, word) in enumerate(zip(values, words, strict=True))
    ]


def one(figure, records, about=ABOUT):
    (verdict,) = judge([figure], about, records)
    return verdict


QUIET = [0.70, 0.702, 0.699, 0.701, 0.7, 0.698, 0.703, 0.7]

# --- speed: pure --------------------------------------------------------------------------------


def test_speed_is_not_judged_before_there_are_nights_enough():
    assert one(share(0.1), past(QUIET[: NIGHTS - 1])).word == NONE
    assert one(share(0.1), past(QUIET[:NIGHTS])).word == REGRESSION
    elsewhere = replace(ABOUT, machine="another kind")
    assert one(share(0.1), past(QUIET), elsewhere).word == NONE


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.70, WITHIN), (0.69, WITHIN), (0.71, WITHIN), (0.6, REGRESSION), (0.8, GAIN), (1.06, SUSPECT)],
)
def test_both_sides_of_speed_are_judged(value, word):
    verdict = one(share(value), past(QUIET))
    assert verdict.word == word
    assert verdict.reference == pytest.approx(0.7)
    assert 0.7 * FLOOR <= verdict.reach < 0.07


def test_more_than_the_processor_can_do_is_suspicious_without_any_history():
    assert one(share(1.2), []).word == SUSPECT


def test_the_threshold_comes_from_the_scatter_of_the_nights():
    wild = [0.70, 0.60, 0.78, 0.66, 0.74, 0.63, 0.76, 0.7]
    assert one(share(0.58), past(QUIET)).word == REGRESSION
    assert one(share(0.58), past(wild)).word == WITHIN
    assert one(share(0.05), past(wild)).word == REGRESSION
    # Repeats that disagree tonight say less.
    assert one(share(0.58, scatter=0.3), past(QUIET)).word == WITHIN


def test_however_noisy_the_nights_some_speed_is_too_low():
    noisy = [0.70, 0.35, 0.55, 0.20, 0.65, 0.40]
    allowed = one(share(0.3), past(noisy))
    assert allowed.word == WITHIN
    assert allowed.reach > allowed.reference
    assert one(share(0.02), past(noisy)).word == REGRESSION


def test_one_wild_night_does_not_blind():
    assert one(share(0.5), past([*QUIET, 0.35, *QUIET])).word == REGRESSION


def test_a_regression_stays_one_until_it_is_mended_or_accepted():
    slow = [0.6] * 12
    records = past([*QUIET, *slow], [WITHIN] * len(QUIET) + [REGRESSION] * len(slow))
    assert one(share(0.6), records).word == REGRESSION
    assert one(share(0.7), records).word == WITHIN
    accepted = past([*QUIET, 0.6, 0.6], [WITHIN] * len(QUIET) + [REGRESSION, ACCEPTED])
    assert one(share(0.6), accepted).word == WITHIN
    assert one(share(0.7), accepted).word == GAIN


def test_what_was_gained_may_not_be_lost_again():
    records = past([*QUIET, 0.85, 0.85], [WITHIN] * len(QUIET) + [GAIN, WITHIN])
    assert one(share(0.85), records).word == WITHIN
    assert one(share(0.70), records).word == REGRESSION


def test_plain_speed_is_told_and_not_judged():
    figure = Figure("A: speed", NOTED, "network-steps/s", (1.0,))
    assert one(figure, past([100.0] * 9, make=lambda v: replace(figure, values=(v,)))).word == ""


@pytest.mark.parametrize("heavy", [False, True])
def test_a_noisy_machine_raises_few_alarms(heavy):
    """Equal speed all the time; noise between nights that all points share, of each, of each repeat."""
    draws, nights, alarmed = np.random.default_rng(5), 0, 0
    for _ in range(10):
        records: list[Record] = []
        for number in range(20):
            shared = 0.02 * draws.standard_normal()
            figures = []
            for point in range(18):
                own = 0.02 * (draws.standard_t(4) if heavy else draws.standard_normal())
                repeats = 0.6 * (1 + shared + own + 0.03 * draws.standard_t(3, 9))
                figures.append(Figure(f"{point}", SPEED, "", tuple(repeats)))
            verdicts = judge(figures, ABOUT, records)
            nights += number >= NIGHTS
            alarmed += any(verdict.word in BAD for verdict in verdicts)
            records += [Record(number, ABOUT, v.figure, v.word) for v in verdicts]
    assert nights == 150
    # A point out of line is measured a second time before it counts: these would both have to be.
    assert alarmed <= (9 if heavy else 3)


# --- learning: pure -----------------------------------------------------------------------------

OTHER_KERNELS = replace(ABOUT, kernels="other")
LOSSES = (0.51, 0.43, 0.62, 0.48, 0.55, 0.50)


def loss(values=LOSSES, kind=LEARNING):
    return Figure("cell: train loss", kind, "", tuple(values), 1e-9)


def learned(figure, about, *records):
    return one(figure, [Record(k, ABOUT, figure, word) for k, (figure, word) in enumerate(records)], about)


def test_on_the_same_kernels_every_bit_counts():
    before = (loss(), NONE)
    assert learned(loss(), ABOUT, before).word == SAME
    changed = (math.nextafter(LOSSES[0], 1), *LOSSES[1:])
    assert learned(loss(changed), ABOUT, before).word == REGRESSION
    assert learned(loss(LOSSES[::-1]), ABOUT, before).word == REGRESSION
    holes = (*LOSSES[:5], math.nan)
    assert learned(loss(holes), ABOUT, (loss(holes), NONE)).word == SAME
    assert learned(loss(holes), ABOUT, before).word == REGRESSION
    assert learned(loss(), replace(ABOUT, study="another"), before).word == NONE


@pytest.mark.parametrize("kind", [START, LEARNING])
def test_on_other_kernels_rounding_is_allowed(kind):
    rounded = [value * (1 + 1e-13 * k) for k, value in enumerate(LOSSES)]
    assert learned(loss(rounded, kind), OTHER_KERNELS, (loss(kind=kind), NONE)).word == WITHIN
    elsewhere = replace(ABOUT, machine="another kind")
    assert learned(loss(rounded, kind), elsewhere, (loss(kind=kind), NONE)).word == WITHIN


def test_rounding_may_grow_while_training_but_not_before():
    grown = np.array(LOSSES) + 0.01 * np.array([1, -1.2, 0.7, -0.4, 0.3, -0.6])
    assert learned(loss(grown), OTHER_KERNELS, (loss(), NONE)).word == WITHIN
    assert learned(loss(grown, START), OTHER_KERNELS, (loss(kind=START), NONE)).word == REGRESSION


def test_what_changes_all_replicates_alike_is_caught_within_their_spread():
    """A shift of a third of the replicates' standard deviation: the same draws are compared in pairs."""
    shifted = np.array(LOSSES) + 0.02 + 0.001 * np.array([1, -1, 0, 1, 0, -1])
    assert np.std(LOSSES) > 0.05
    assert learned(loss(shifted), OTHER_KERNELS, (loss(), NONE)).word == REGRESSION
    drawn_anew = replace(OTHER_KERNELS, versions={"numpy": "3"})
    assert learned(loss(shifted), drawn_anew, (loss(), NONE)).word == WITHIN
    assert learned(loss(np.array(LOSSES) + 1, START), drawn_anew, (loss(kind=START), NONE)).word == REGRESSION


def test_a_bad_night_is_no_reference_and_an_accepted_one_is():
    wrong = loss(np.array(LOSSES) + 1)
    assert learned(wrong, ABOUT, (loss(), NONE), (wrong, REGRESSION)).word == REGRESSION
    assert learned(wrong, ABOUT, (loss(), NONE), (wrong, ACCEPTED)).word == SAME
    assert learned(loss(), ABOUT, (loss(), NONE), (wrong, REGRESSION)).word == SAME


def test_small_changes_do_not_add_up_unseen():
    """Each night within the interval of the last, none equal: the first stays the reference."""
    records, seen = [Record(0, ABOUT, loss(), NONE)], []
    for number in range(1, 40):
        drifted = np.array(LOSSES) + 0.01 * number + 0.03 * np.array([1, -1, 1, -1, 1, -1])
        about = replace(ABOUT, kernels=str(number))
        verdict = one(loss(drifted), records, about)
        seen.append(verdict.word)
        records.append(Record(number, about, verdict.figure, verdict.word))
    assert seen[0] == WITHIN
    assert seen[-1] == REGRESSION


# --- real kernels, slowed or wrong ----------------------------------------------------------------


def _wrapped(kernel, body):
    """A kernel of the same signature that calls another and does something besides."""
    signature = kernel.nopython_signatures[0]
    names = [f"_{place}" for place in range(len(signature.args))]
    lines = f"def wrapped({', '.join(names)}):\n    kernel({', '.join(names)})\n" + body
    scope = {"kernel": kernel}
    exec(lines, scope)
    return numba.njit(signature, **jit.FLAGS)(scope["wrapped"])


SLOWED = """
    x = _1[0]
    for _ in range(10000):
        x = x * 0.5 + _1[0]
    if x > 1e30:
        _1[0] = x
"""
"""Ten thousand multiplications, one after another, at each update; they change nothing."""
WRONG = """
    for i in range(_0.size):
        _0[i] *= 0.97
"""
"""The slope of the activation three hundredths too small."""


def _spoil(monkeypatch, name, body):
    right = fleet.compiled

    def spoiled(*given, **more):
        parts = right(*given, **more)
        return parts._replace(**{name: _wrapped(getattr(parts, name), body)})

    monkeypatch.setattr(fleet, "compiled", spoiled)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def _figures():
    return learning.measured(Study.load(tomllib.loads(SMALL)), 1)


def test_a_wrong_gradient_is_caught(monkeypatch):
    """The same networks with a wrong slope, on kernels said to be the same, and on other ones."""
    right = _figures()
    assert [v.word for v in judge(right, ABOUT, [])] == [NONE] * len(right)
    records = [Record(1, ABOUT, figure, NONE) for figure in right]
    assert {v.word for v in judge(_figures(), ABOUT, records)} == {SAME}
    _spoil(monkeypatch, "activate", WRONG)
    wrong = _figures()
    for about in (ABOUT, OTHER_KERNELS):
        caught = {v.figure.name for v in judge(wrong, about, records) if v.word == REGRESSION}
        assert "deep, precision=float64: gradient of the first layer at the start" in caught
        assert "deep, precision=float64: train loss" in caught


def _nights(tmp_path, monkeypatch, count):
    """So many real nights of a small point alone; the wishes of one more."""
    monkeypatch.setitem(POINTS, "tiny", TINY)
    wishes = night.Wishes(tmp_path / "h.sqlite", tmp_path / "h.html", None, ("tiny",), repeats=3, jobs=2)
    return wishes, [night.conduct(wishes, lambda line: None) for _ in range(count)]


def _speed_of_tiny():
    with Team(2) as team:
        return speed.measure(speed.entries(team, [TINY]), 3)


def test_a_slowed_kernel_is_caught(monkeypatch):
    """Against nights that scatter by some hundredths around what is measured, however busy the machine."""
    right = _speed_of_tiny()
    calm = [
        Record(number, ABOUT, replace(figure, values=tuple(v * factor for v in figure.values)), WITHIN)
        for number, factor in enumerate((0.97, 1.03, 1.0, 0.98, 1.02, 1.01))
        for figure in right
    ]
    _spoil(monkeypatch, "update", SLOWED)
    words = {verdict.figure.name: verdict.word for verdict in judge(_speed_of_tiny(), ABOUT, calm)}
    assert words["tiny: share of the peak"] == words["tiny: share of the peak while busy"] == REGRESSION


@pytest.mark.slow
def test_a_slowed_kernel_is_caught_by_real_nights(tmp_path, monkeypatch):
    wishes, calm = _nights(tmp_path, monkeypatch, NIGHTS + 3)
    assert [outcome.code for outcome in calm[:NIGHTS]] == [night.FINE] * NIGHTS
    _spoil(monkeypatch, "update", SLOWED)
    said = []
    slow = night.conduct(wishes, said.append)
    assert slow.code == night.REGRESSED
    bad = {verdict.figure.name for verdict in slow.verdicts if verdict.word == REGRESSION}
    assert "tiny: share of the peak while busy" in bad
    assert any("once more" in line for line in said)
    assert "regression" in (tmp_path / "h.html").read_text()


def test_a_slow_moment_is_measured_again(tmp_path, monkeypatch):
    """Slow at the first look, as before at the second: the second counts."""
    monkeypatch.setitem(POINTS, "tiny", TINY)
    looks = []

    def measured(contest, repeats):
        looks.append([entry.point.name for entry in contest])
        slow = len(looks) == 8
        return [share(0.2 if slow else 0.7 + 0.001 * len(looks), "tiny: share of the peak")]

    monkeypatch.setattr(speed, "entries", lambda team, points: [SimpleNamespace(point=p) for p in points])
    monkeypatch.setattr(speed, "measure", measured)
    _, outcomes = _nights(tmp_path, monkeypatch, 8)
    assert [outcome.code for outcome in outcomes] == [night.FINE] * 8
    assert len(looks) == 9
    assert outcomes[-1].verdicts[0].figure.value == pytest.approx(0.709)
    assert outcomes[-1].headline == "as it was; 1 figure judged"


def test_speed_is_a_share_of_the_peak_beside_it():
    from sim.bench.measure import Reading
    from sim.bench.peak import Speed
    from sim.bench.work import Took

    readings = [Reading(Took(s, 2 * s), Speed(2e11, 1e11), Speed(2e11, 1e11)) for s in (1.0, 4.0, 2.0)]
    wall, busy, rate = speed.of_point(POINTS["A"], readings)
    done = POINTS["A"].networks * 300
    assert wall.value == busy.value == pytest.approx(done * POINTS["A"].flops / 2 / 2e11)
    assert rate.value == done / 2
    assert wall.ceiling == pytest.approx(1 / 0.8745, rel=1e-3)


# --- the command --------------------------------------------------------------------------------


def _command(tmp_path, *words):
    return main(["nightly", "--history", str(tmp_path / "h.sqlite"), *words])


def test_nights_of_learning_from_the_command_line(tmp_path, small, capsys):
    words = ("--study", str(small), "--points", "none")
    assert _command(tmp_path, *words) == 0
    first = capsys.readouterr()
    assert "there is no history yet, this night begins it" in first.err
    assert "no verdict yet on 7 figures of learning" in first.out
    assert _command(tmp_path, *words) == 0
    second = capsys.readouterr()
    assert "night 2: as it was; 7 figures judged" in second.out
    assert second.err == "learning: small\n"
    text = (tmp_path / "h.html").read_text()
    assert text.count("<svg") == 7
    assert "deep, precision=float64: train loss" in text


def test_an_empty_run_exits_4_and_is_not_kept(tmp_path, capsys):
    assert _command(tmp_path, "--study", "none", "--points", "none") == 4
    assert "nothing measured" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_which_all_fails_exits_4(tmp_path, small, capsys, monkeypatch):
    monkeypatch.setattr(learning, "measured", lambda study, jobs: 1 / 0)
    assert _command(tmp_path, "--study", str(small), "--points", "none") == 4
    assert "learning could not be measured: ZeroDivisionError" in capsys.readouterr().err


def test_a_part_that_fails_is_told_and_the_other_kept(tmp_path, small, capsys, monkeypatch):
    monkeypatch.setattr(speed, "entries", lambda team, points: 1 / 0)
    assert _command(tmp_path, "--study", str(small), "--points", "A") == 3
    assert "speed could not be measured" in capsys.readouterr().err
    assert len(History(tmp_path / "h.sqlite").nights) == 1


def test_a_regression_exits_3_until_it_is_accepted(tmp_path, small, capsys, monkeypatch):
    words = ("--study", str(small), "--points", "none")
    assert _command(tmp_path, *words) == 0
    right = learning.measured

    def wrong(study, jobs):
        return [replace(f, values=tuple(v + 0.5 for v in f.values)) for f in right(study, jobs)]

    monkeypatch.setattr(learning, "measured", wrong)
    capsys.readouterr()
    assert _command(tmp_path, *words) == 3
    out = capsys.readouterr().out
    assert "regression: deep, precision=float64: train loss: not equal to night 1" in out
    assert _command(tmp_path, *words) == 3
    assert _command(tmp_path, *words, "--accept") == 0
    assert _command(tmp_path, *words) == 0


@pytest.mark.parametrize(
    "words", [("--points", "Z"), ("--repeats", "1"), ("--study", "missing.toml"), ("--history", "/")]
)
def test_bad_input_exits_2(tmp_path, words, capsys):
    assert _command(tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_file_can_be_is_refused_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["nightly", "--history", str(tmp_path / "file" / "h.sqlite")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'file' / 'h.sqlite'}: no file can be made in {tmp_path / 'file'}\n"
    )


def test_a_page_that_cannot_be_written_does_not_lose_the_night(tmp_path, small, capsys):
    (tmp_path / "file").touch()
    words = ("--study", str(small), "--points", "none", "--page", str(tmp_path / "file" / "h.html"))
    assert _command(tmp_path, *words) == 2
    assert "night 1 is kept" in capsys.readouterr().err
    assert len(History(tmp_path / "h.sqlite").nights) == 1


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nimport sim.bench.__main__ as bench\n"
        "try:\n    bench.main(['nightly', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'numba', 'numpy', 'pandas', 'rich', 'sqlite3'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--history" in done.stdout


# --- the history --------------------------------------------------------------------------------


def test_records_come_back_as_they_went(tmp_path):
    figures = [
        (Figure("one", LEARNING, "share", (0.1, math.nan, -math.inf, 1e-310), 1e-9), NONE),
        (Figure("two", SPEED, "", (0.5, 0.25, 1 / 3), 0.0), GAIN),
    ]
    path = tmp_path / "deeper" / "h.sqlite"
    assert History(path).append(ABOUT, figures) == 1
    assert History(path).append(OTHER_KERNELS, figures[1:]) == 2
    found = History(path)
    assert [about for _, about in found.nights] == [ABOUT, OTHER_KERNELS]
    assert [record.word for record in found.records] == [NONE, GAIN, GAIN]
    values = found.records[0].figure.values
    assert [values[0], *values[2:]] == [0.1, -math.inf, 1e-310]
    assert math.isnan(values[1])
    assert found.records[1].figure == figures[1][0]
    row = sqlite3.connect(path).execute(
        "SELECT revision, began, machine, versions, kernels, kind, value, unit FROM records WHERE night = 2"
    )  # fmt: skip
    assert row.fetchall() == [
        ("abc", ABOUT.began, "machine", '{"numpy": "2"}', "other", SPEED, 1 / 3, "")
    ]  # fmt: skip


@given(st.lists(st.floats(), min_size=1, max_size=6))
def test_any_values_come_back(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("any") / "h.sqlite"
    History(path).append(ABOUT, [(Figure("x", LEARNING, "", tuple(values)), NONE)])
    (record,) = History(path).records
    assert np.array_equal(record.figure.values, values, equal_nan=True)
    assert np.array_equal(np.signbit(record.figure.values), np.signbit(values)) or any(
        map(math.isnan, values)
    )


def _filled(path, nights=3):
    for _ in range(nights):
        History(path).append(ABOUT, [(loss(), SAME), (share(0.7), WITHIN)])
    return path.read_bytes()


def _not_a_database(path):
    path.write_text("commit,value\nabc,0.7\n")


def _damaged(path):
    content = bytearray(_filled(path, 40))
    content[3 * 4096 : 9 * 4096] = b"\xa5" * (6 * 4096)
    path.write_bytes(content)


def _cut_short(path):
    content = _filled(path, 40)
    path.write_bytes(content[: len(content) // 2])


def _of_another_program(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE nights (night INTEGER)")


def _of_another_version(path):
    _filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def _without_sense(path):
    _filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE nights SET versions = '{'")


@pytest.mark.parametrize(
    "spoil",
    [_not_a_database, _damaged, _cut_short, _of_another_program, _of_another_version, _without_sense],
)
def test_a_corrupt_history_is_reported_and_left_as_it_is(tmp_path, spoil, small, capsys):
    path = tmp_path / "h.sqlite"
    spoil(path)
    before = path.read_bytes()
    assert _command(tmp_path, "--study", str(small), "--points", "none") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: cannot be read as a history of nights (")
    assert error.count("\n") == 1
    assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"h.sqlite", "small.toml"}


def test_an_empty_file_is_a_history_to_begin(tmp_path):
    path = tmp_path / "h.sqlite"
    path.touch()
    assert History(path).is_new
    _filled(path)
    assert len(History(path).nights) == 3


WRITER = """
import sys
from pathlib import Path
from sim.bench.nightly import history
from sim.bench.nightly.figures import Figure
about = history.Night("now", "abc", "machine", "kernels", "study", {}, {})
for _ in range(5):
    history.History(Path(sys.argv[1])).append(about, [(Figure("x", "learning", "", (1.0,)), "equal")])
"""


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "h.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], env=environment) for _ in range(3)
    ]  # fmt: skip
    assert [writer.wait() for writer in writers] == [0] * 3
    assert [number for number, _ in History(path).nights] == list(range(1, 16))


def test_a_night_appended_while_another_reads_is_not_half_seen(monkeypatch, tmp_path):
    path, connect, said = tmp_path / "h.sqlite", History._connect, []
    History(path).append(ABOUT, [(Figure("a", "learning", "", (1.0,)), "equal")])

    def append(statement):
        if statement.startswith("SELECT night, name") and not said:
            with closing(sqlite3.connect(path, timeout=0)) as other:
                try:
                    other.execute("INSERT INTO nights SELECT NULL, 'now', '', '', '', '', '{}', '{}'")
                    number = other.execute("SELECT max(night) FROM nights").fetchone()
                    other.execute("INSERT INTO figures SELECT ?, 'b', '', '', 1, 1, 0, '[]', ''", number)
                    other.commit()
                    said.append("written")
                except sqlite3.OperationalError as error:
                    said.append(str(error))

    def watched(self, mode):
        connection = connect(self, mode)
        connection.set_trace_callback(append)
        return connection

    monkeypatch.setattr(History, "_connect", watched)
    assert [record.figure.name for record in History(path).records] == ["a"]
    assert said == ["database is locked"]


KILLED = """
import os, signal, sys
from pathlib import Path
from sim.bench.nightly import history
from sim.bench.nightly.figures import Figure
def cut(connection, night, judged):
    connection.execute("PRAGMA cache_size = 5")
    insert(connection, night, judged)
    os.kill(os.getpid(), signal.SIGKILL)
insert, history._insert = history._insert, cut
about = history.Night("now", "abc", "machine", "kernels", "study", {}, {})
many = [(Figure(str(k), "learning", "", (1.0,) * 50), "equal") for k in range(2000)]
history.History(Path(sys.argv[1])).append(about, many)
"""


@pytest.mark.parametrize("nights", [0, 3])
def test_a_killed_writer_loses_its_own_night_alone(tmp_path, nights):
    """Killed with many pages of its night already in the file: they are taken back at the next look."""
    path = tmp_path / "h.sqlite"
    if nights:
        _filled(path, nights)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "h.sqlite-journal").exists()
    assert len(History(path).nights) == nights
    _filled(path, 2)
    assert len(History(path).nights) == nights + 2


# --- the page and the job -------------------------------------------------------------------------


def test_the_page_shows_every_figure_and_escapes_names(tmp_path):
    odd = replace(loss(), name="<cell> & co")
    records = [*past(QUIET), Record(8, ABOUT, odd, REGRESSION), Record(8, ABOUT, share(0.6), REGRESSION)]
    verdicts = judge([share(0.6), odd], ABOUT, records[:8])
    text = page.page("1 regressions", verdicts, ABOUT, records)
    assert text.count("<svg") == 2
    assert "<cell>" not in text
    assert "&lt;cell&gt; &amp; co" in text
    assert text.count('<circle class="bad"') == 2
    assert 'class="band"' in text


def test_the_job_of_the_night_calls_the_command_and_keeps_its_history():
    text = (ROOT / ".github/workflows/nightly.yml").read_text()
    assert "schedule:" in text
    steps = text.partition("    steps:\n")[2].split("\n      - ")
    (folder,) = re.findall(r"-m sim\.bench nightly --history (\w+)/history\.sqlite", text)
    assert any("-m pytest -m slow" in step for step in steps)
    kept = {re.search(r"uses: ([\w/-]+)@", step)[1]: step for step in steps if f"path: {folder}" in step}
    assert set(kept) == {"actions/cache/restore", "actions/cache/save", "actions/upload-artifact"}
    for action, step in kept.items():
        assert ("always()" in step) == (action != "actions/cache/restore"), "a regression is kept too"


def test_the_study_of_the_night_is_small_and_has_both_precisions():
    from sim.plan import plan

    planned = plan(Study.load(ROOT / "studies" / "nightly.toml"))
    assert planned.flops < 5e10  # a second or two
    assert planned.kernels["precision"] == ("float32", "float64")
    assert {"batch", "layer", "none"} == set(planned.kernels["normalizer"])


@pytest.mark.slow
def test_a_changed_tree_is_caught_by_the_command(tmp_path, small):
    """Nights of the project as it is, then of a copy in which tanh's slope is wrong and a rule slow."""

    def nightly(tree):
        command = [sys.executable, "-m", "sim.bench", "nightly", "--history", str(tmp_path / "h.sqlite")]
        wanted = ["--study", str(small), "--points", "E", "--repeats", "5"]
        return subprocess.run([*command, *wanted], cwd=tree, capture_output=True, text=True)

    for _ in range(NIGHTS + 3):
        done = nightly(ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "sim", copy / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    _edit(copy / "sim/catalog/activations.py", r"(\ndef tanh\(.*?, )(fma\([^\n]+\))\n", r"\1 0.9 * \2\n")
    _edit(
        copy / "sim/kernels/parts.py",
        r"(def _constants\(.*?\n    \"\"\"[^\n]*\n)",
        r"\1    for i in range(3000):\n        constants[0] = constants[0] * REAL(0.999) + REAL(i)\n",
    )
    done = nightly(copy)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "regression: deep, precision=float64: gradient of the first layer at the start" in done.stdout
    assert "regression: E: share of the peak while busy" in done.stdout


def _edit(path, pattern, replacement):
    changed, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.DOTALL)
    assert count == 1, path
    path.write_text(changed)
