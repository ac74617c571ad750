"""The benchmark: what it counts, what it divides by what, that a run of it says all it should."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sim.bench import material, measure, peak, reference, scaling, split
from sim.bench.measure import Reading
from sim.bench.peak import Speed
from sim.bench.peers import contest
from sim.bench.peers.registry import Task, peers
from sim.bench.points import POINTS, Point
from sim.bench.work import Team, Took, architecture, checkpoint_steps, networks_a_call, work

ROOT = Path(__file__).parents[1]
TINY = Point("tiny", depth=2, width=8, batch=16, networks=5, steps=20)


@pytest.fixture(scope="module")
def team():
    with Team(2) as threads:
        yield threads


# --- points ----------------------------------------------------------------------------------


def test_operations_are_those_counted_by_hand():
    # 64 → 32 → 32 → 32 → 32 → 10: 2048 + 3 · 1024 + 320 weights, 32 samples, 2 operations, 3 products.
    assert POINTS["A"].flops == (2048 + 3 * 1024 + 320) * 32 * 2 * 3
    assert POINTS["A"].needed_flops == POINTS["A"].flops - 2 * 32 * 2048
    assert round(POINTS["A"].needed_flops / POINTS["A"].flops, 2) == 0.87
    # 64 → 30 → 30 → 30 → 10, 50 samples: nothing is rounded up to a vector.
    assert POINTS["G"].flops == (64 * 30 + 2 * 900 + 300) * 50 * 6
    assert POINTS["E"].parameters == 64 * 8 + 8 + 8 * 8 + 8 + 8 * 10 + 10


def test_traffic_is_that_counted_by_hand():
    adam, plain = POINTS["A"], POINTS["A-sgd"]
    # θ four times, the gradient twice, both moments read and written.
    assert adam.traffic - plain.traffic == 4 * adam.parameters * 4
    assert adam.traffic == 4 * (10 * adam.parameters + 32 * (2 * 64 + 8 * 4 * 32 + 4 * 10))
    assert POINTS["F"].traffic == 2 * adam.traffic


@pytest.mark.parametrize(
    ("name", "depth", "width", "batch", "networks"),
    [
        ("A", 4, 32, 32, 1024), ("B", 8, 32, 32, 512), ("C", 16, 16, 32, 1024), ("D", 4, 64, 64, 256),
        ("E", 2, 8, 16, 4096), ("F", 4, 32, 32, 1024), ("G", 3, 30, 50, 1024), ("H", 4, 32, 32, 1024),
        ("A-sgd", 4, 32, 32, 1024),
    ],
)  # fmt: skip
def test_points_are_the_agreed_ones(name, depth, width, batch, networks):
    point = POINTS[name]
    assert (point.depth, point.width, point.batch, point.networks) == (depth, width, batch, networks)
    assert point.widths == (64, *[width] * depth, 10)
    assert point.steps == 300
    assert point.precision == ("float64" if name == "F" else "float32")
    assert point.optimizer == ("sgd" if name == "A-sgd" else "adam")
    assert (point.normalizer, point.checkpoints) == (("batch", 20) if name == "H" else ("none", 0))
    assert POINTS["A"].lr == 1e-3


def test_material_is_drawn_by_the_number_of_the_network():
    point = TINY.of(batch=500)  # an epoch has two mini-batches: the order enters others
    orders = [material.order(point, network) for network in range(2)]
    rows = len(material.material().labels)
    assert rows == 1438
    for order in orders:
        assert order.shape == (20, 500)
        assert order.min() >= 0
        assert order.max() < rows
        assert len(np.unique(order[:2])) == 1000  # within an epoch no row twice
    assert not np.array_equal(*orders)
    first, again, other = (material.first_weights(TINY, network)[0] for network in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    spread = np.concatenate([material.first_weights(TINY, n)[0].ravel() for n in range(40)]).std()
    assert spread == pytest.approx(math.sqrt(2 / (64 + 8)), rel=0.02)


# --- work ------------------------------------------------------------------------------------


def test_a_point_is_trained_as_anybody_would_train_it(team):
    """The calls of the benchmark against the same networks trained one by one from explicit arrays."""
    from sim import train_arrays

    known, calls = material.material(), work(TINY).fresh()
    team.carry_out(calls)
    (call,) = calls
    for network in (0, 4):
        alone = train_arrays(
            known.features, known.labels, material.first_weights(TINY, network),
            [np.zeros(fan_out) for fan_out, _ in TINY.shapes], material.order(TINY, network),
            optimizer={"name": "adam", "lr": TINY.lr}, precision=TINY.precision,
        )  # fmt: skip
        plan = call.architecture.layout
        for layer, weight in zip(plan.layers, alone.weights, strict=True):
            size = layer.fan_in * layer.fan_out
            trained = call.fleet.theta[network, layer.weight : layer.weight + size]
            assert np.array_equal(trained, weight.ravel())
    own = material.accuracy([w[None] for w in alone.weights], [b[None] for b in alone.biases])
    assert call.accuracy()[4] == pytest.approx(own[0], abs=1e-3)


def test_fresh_calls_forget_what_was_trained(team):
    prepared = work(TINY)
    first, second = prepared.fresh(), prepared.fresh()
    team.carry_out(first)
    assert not np.array_equal(first[0].fleet.theta, second[0].fleet.theta)
    team.carry_out(second)
    assert np.array_equal(first[0].fleet.theta, second[0].fleet.theta)


def test_networks_are_cut_into_calls_that_lose_none():
    cut = work(TINY.of(networks=130, steps=300))
    sizes = [len(call.fleet.theta) for call in cut.calls]
    assert sum(sizes) == 130
    assert max(sizes) == networks_a_call(cut.point)
    assert list(checkpoint_steps(POINTS["H"]))[:2] == [0, 16]
    assert len(checkpoint_steps(POINTS["H"])) == 20
    assert checkpoint_steps(POINTS["H"])[-1] == 300


@pytest.mark.parametrize("networks", [100, 300, 1000])
def test_a_stream_trains_as_many_networks_as_it_says(team, networks, monkeypatch):
    trained = []
    monkeypatch.setattr(scaling, "_train_fresh", lambda call: trained.append(len(call.fleet.theta)))
    stream = scaling.Stream(team, TINY, networks)
    trained.clear()
    stream()
    assert sum(trained) == stream.networks
    assert abs(stream.networks - networks) <= networks_a_call(TINY) / 2
    assert sum(len(call.fleet.theta) for call in stream.calls) < 2 * scaling.DISTINCT


# --- the peak and what is measured against it ----------------------------------------------------


def test_share_is_work_over_the_neighbouring_peaks():
    reading = Reading(Took(2.0, 3.0), before=Speed(90.0, 45.0), after=Speed(110.0, 55.0))
    assert reading.peak == 100.0
    assert reading.share(50.0) == pytest.approx(50.0 / 2.0 / 100.0)
    assert reading.busy_share(50.0) == pytest.approx(50.0 / 3.0 / 50.0)


def test_contestants_take_turns_between_peaks():
    said, clock = [], iter(range(100))

    def contestant(name):
        def work_once():
            said.append(name)
            return Took(1.0, 1.0)

        return work_once

    def look():
        said.append("peak")
        return Speed(float(next(clock)), 1.0)

    readings = measure.in_turns({"a": contestant("a"), "b": contestant("b")}, look, 2)
    assert said == ["peak", "a", "peak", "b", "peak", "a", "peak", "b", "peak"]
    assert [(r.before.wall, r.after.wall) for r in readings["b"]] == [(1.0, 2.0), (3.0, 4.0)]


def test_figures_are_medians_of_what_was_read():
    point = POINTS["A"]
    readings = [Reading(Took(s, 2 * s), Speed(2e11, 1e11), Speed(2e11, 1e11)) for s in (1.0, 4.0, 2.0)]
    found = measure.figures(point, 100, readings)
    done = 100 * 300
    assert found["network_steps_per_second"] == {"median": done / 2, "minimum": done / 4, "maximum": done}
    share = done * point.flops / 2 / 2e11
    assert found["share_of_peak"]["median"] == pytest.approx(share)
    assert found["busy_share_of_peak"]["median"] == pytest.approx(share)
    assert found["needed_share_of_peak"]["median"] == pytest.approx(
        share * (6 * 5440 - 2 * 2048) / (6 * 5440)
    )
    assert found["gflops"]["maximum"] == pytest.approx(done * point.flops / 1e9)


def _within(look, lowest, highest, looks=5):
    """Whether one of several looks lies there: others may take the machine for a while."""
    return any(lowest < look() < highest for _ in range(looks))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_peak_is_what_the_processor_can_do(precision):
    """As many vector multiply-adds a cycle as some processor has units for, and C does not do better."""
    loop = peak.loop_for(precision)
    flops = loop.flops / peak.quickest(loop, 15)
    assert _within(lambda: peak.one_core(precision).flops / flops, 0.75, 1.25)
    assert _within(lambda: peak.one_core(precision).instructions, 0.4, 4.3)
    if reference.compiled_ratio(loop) is None:
        pytest.skip("no C compiler")
    assert _within(lambda: reference.compiled_ratio(loop), 0.85, 1.2)


@pytest.mark.parametrize("chains", peak.CHAINS)
def test_no_chain_of_the_peak_loop_is_left_out(chains):
    """The result depends on every chain: each settles at 1, so their sum over all lanes is known."""
    from sim.kernels import jit
    from sim.kernels.simd import lanes

    real = jit.REAL["float64"]
    kernel = peak.chains_kernel(real, chains)
    assert kernel(200, 0.5, 0.5) == chains * lanes(real)
    start = sum((1, 2, 4, 8, 3, 5, 9, 6, 10, 12, 7, 11)) * 0.5
    both = start if chains == 12 else start + start * 0.5
    assert kernel(0, 0.5, 0.5) == both * lanes(real)


def test_busy_seconds_do_not_count_waiting(team):
    took = team.carry_out([lambda: time.sleep(0.05)] * 4)
    assert took.seconds > 0.09
    assert took.busy < 0.05


# --- splits ------------------------------------------------------------------------------------


def test_leaving_the_products_out_leaves_the_weights_alone(team):
    made = architecture(TINY)
    call = work(TINY, made).fresh()[0]
    before = call.fleet.theta.copy()
    from dataclasses import replace

    replace(call, architecture=split.without(made, "optimizer"))()
    assert np.array_equal(call.fleet.theta, before)
    assert made.kernels is not split.without(made, "optimizer").kernels
    call()
    assert not np.array_equal(call.fleet.theta, before)


def test_every_function_of_the_training_loop_has_its_place_in_the_split():
    made = architecture(TINY)
    names = {name for group in made.kernels[1:] for name in group._fields}
    assert names == set(split.KINDS)


def test_split_adds_up(team):
    found = split.split(team, TINY.of(networks=64), measure.team_peak(team, "float32"), 3)
    assert {"products", "transposes", "activations", "optimizer", "loss", "data", "rest"} <= set(found)
    assert 0 < found["products"] < found["total"]
    assert found["total"] == pytest.approx(sum(value for name, value in found.items() if name != "total"))
    assert found["total"] > 0


# --- the document ----------------------------------------------------------------------------------


def _shape(value):
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return type(value).__name__


def test_a_tiny_run_says_all_it_should(monkeypatch, tmp_path):
    """The whole document of one small point, through JSON, as tables and as figures."""
    from rich.console import Console

    from sim.bench import bandwidth, figures, report, show

    monkeypatch.setitem(POINTS, "tiny", TINY.of(checkpoints=3, networks=40))
    monkeypatch.setattr(bandwidth, "MEMORY_BYTES", 2**20)
    monkeypatch.setattr(bandwidth, "MOVED_BYTES", 2**21)
    found = json.loads(json.dumps(report.document(report.Wishes(("tiny",), jobs=2, quick=True))))
    spread = {"median": "float", "minimum": "float", "maximum": "float"}
    (point,) = found["points"]
    assert _shape(point) | {"split_microseconds": 0} == {
        "name": "str", "depth": "int", "width": "int", "batch": "int", "networks": "int", "steps": "int",
        "precision": "str", "optimizer": "str", "normalizer": "str", "checkpoints": "int",
        "parameters": "int", "flops": "int", "needed_share_of_flops": "float", "flops_a_byte": "float",
        "seconds": "list", "peak_gflops": spread, "network_steps_per_second": spread, "gflops": spread,
        "share_of_peak": spread, "needed_share_of_peak": spread, "busy_share_of_peak": spread,
        "train_accuracy": "float", "split_microseconds": 0,
        "statistics": {"checkpoints": "int", "share_of_training": spread},
    }  # fmt: skip
    assert len(point["seconds"]) == 3
    assert point["networks"] == 5
    assert 0.0 < point["share_of_peak"]["median"] < 1.5
    assert {"versions", "kernel_digest", "processor", "threads", "register_bytes"} <= set(found["machine"])
    assert set(found["peak"]) == {"float32"}
    assert set(found["bytes_a_second"]) == {"L2", "memory"}
    console = Console(width=200, record=True, file=(tmp_path / "out.txt").open("w"))
    show.show(found, console)
    text = console.export_text()
    assert "tiny" in text
    assert f"{point['share_of_peak']['median'] * 100:.1f} (" in text
    paths = figures.draw(found, tmp_path)
    assert {path.name for path in paths} == {"roofline.png", "roofline.svg"}
    assert all(path.stat().st_size > 1000 for path in paths)


def test_the_scaling_figure_shows_all_four(tmp_path):
    from sim.bench import figures

    share = {"minimum": 0.4, "median": 0.5, "maximum": 0.6}
    report = {
        "scaling": {
            name: [{name: value, "share_of_peak": share} for value in (1, 2, 4)] for name in figures.SCALED
        }
    }
    figure = figures.scaling(report)
    assert [axis.get_xlabel() for axis in figure.axes] == list(figures.SCALED.values())
    for axis in figure.axes:
        assert [list(line.get_ydata()) for line in axis.lines] == [[50.0] * 3]


def _command(*words):
    return subprocess.run(
        [sys.executable, "-m", "sim.bench", *words], cwd=ROOT, capture_output=True, text=True
    )


def test_the_command_helps_without_loading_what_it_does_not_need():
    code = (
        "import sys\nimport sim.bench.__main__ as bench\n"
        "try:\n    bench.command(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'numba', 'numpy', 'pandas', 'rich'} & set(sys.modules), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--peers" in done.stdout


@pytest.mark.parametrize("words", [("--points", "A,Z"), ("--repeats", "2"), ("--jobs", "0")])
def test_the_command_refuses_what_makes_no_sense(words):
    done = _command(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


# --- peers ---------------------------------------------------------------------------------------


def test_peers_are_named_and_say_what_they_need():
    assert {
        "scikit_learn", "torch_loop", "torch_vmap", "torch_vmap_compiled", "torch_batched", "jax_vmap",
        "jax_tuned", "numpy_chunks",
    } == set(peers())  # fmt: skip
    for part in peers().values():
        assert part.title
        assert part.libraries
        assert part.networks > 0


def test_a_peer_without_its_library_is_reported(monkeypatch):
    monkeypatch.setattr(contest, "missing", lambda part: ["torch"] if "torch" in part.libraries else [])
    listed = {entry.name: entry.trouble for entry in contest.entries(TINY)}
    assert listed["torch_loop"] == "not installed: torch"
    assert listed["numpy_chunks"] == ""


def test_a_peer_that_fails_is_reported_with_its_last_word():
    wrong = TINY.of(precision="float99")
    entry = contest.Entry("numpy_chunks", "NumPy", 2)
    with contest.Peer(entry, wrong, 1) as member, pytest.raises(contest.Failed, match="float99"):
        member.prepare()


def test_chunks_hold_every_network_once():
    task = Task(POINTS["A"].of(networks=96), 0, 96, 1)
    for caches in (0.1, 1.0, 7.0, 1000.0):
        parts = task.chunks(caches)
        assert [n for part in parts for n in range(96)[part]] == list(range(96))


def test_agreement_is_a_point_of_the_same_networks():
    ours = np.array([0.9, 0.8, 0.1])
    assert contest.agree(np.array([0.905, 0.805]), ours)
    assert not contest.agree(np.array([0.92, 0.82]), ours)


AGREEING = [
    ("numpy_chunks", "numpy", "adam"), ("numpy_chunks", "numpy", "sgd"), ("scikit_learn", "sklearn", "adam"),
    ("scikit_learn", "sklearn", "sgd"), ("torch_loop", "torch", "adam"), ("torch_vmap", "torch", "adam"),
    ("torch_vmap", "torch", "sgd"), ("torch_vmap_compiled", "torch", "adam"),
    ("torch_batched", "torch", "adam"), ("torch_batched", "torch", "sgd"), ("jax_vmap", "optax", "adam"),
    ("jax_vmap", "optax", "sgd"), ("jax_tuned", "jax", "adam"), ("jax_tuned", "jax", "sgd"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "library", "optimizer"), AGREEING)
def test_a_peer_learns_what_the_kernels_learn(team, name, library, optimizer):
    """Same data, first weights and mini-batches: the same accuracy, network by network, within a point."""
    pytest.importorskip(library, reason=f"{library} is not installed (extra: peers)")
    point = POINTS["A"].of(networks=8, optimizer=optimizer)
    ours = measure.Ours(team, work(point))
    table = contest.contest(point, ours, measure.team_peak(team, "float32"), 1, (name,))
    (row,) = table[1:]
    assert "trouble" not in row, row
    assert row["agrees"]
    assert row["train_accuracy"] == pytest.approx(table[0]["train_accuracy"], abs=0.003)
    assert row["train_accuracy"] > 0.9
    assert row["times_faster"]["median"] > 0
