"""What a dry run says of time: overhead of tiny networks is counted, all is right within a factor of two."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from sim import execute
from sim.costs import BATCH, FLOPS_A_SECOND, NETWORK, Cost, cost_of
from sim.forecast import forecast
from sim.plan import Plan, plan
from sim.store import Store
from sim.study import Study

ROOT = Path(__file__).parents[1]
TINY = {
    "name": "tiny", "dataset": {"name": "parity", "bits": 4}, "depth": 1, "width": 4, "batch_size": 16,
    "steps": 300, "replicates": 512, "measure": ["train"], "checkpoints": 11,
    "optimizer": [
        {"name": "sgd", "lr": [0.03, 0.1, 0.3, 1.0]}, {"name": "adam", "lr": [0.003, 0.01, 0.03, 0.1]},
    ],
}  # fmt: skip


def tiny(**changes: Any) -> Plan:
    return plan(Study.load({"title": "t", "grid": [{**TINY, **changes}]}))


STUDIES = {
    "smoke": "studies/smoke.toml", "vanishing": "studies/vanishing.toml", "deepobs": "studies/deepobs.toml",
    "tiny": "",
}  # fmt: skip


def planned(name: str) -> Plan:
    return plan(Study.load(ROOT / STUDIES[name])) if STUDIES[name] else tiny()


MEASURED = {"smoke": 0.33, "tiny": 2.2, "vanishing": 84.0, "deepobs": 10.0}
"""Core seconds of training and keeping records on the machine of `sim.costs`."""


@pytest.mark.parametrize("name", MEASURED)
def test_forecasts_are_within_a_factor_of_two_of_what_was_measured(name):
    seconds = cost_of(planned(name).batches).seconds(jobs=1)
    assert MEASURED[name] / 2 < seconds < MEASURED[name] * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smoke", "tiny"])
def test_forecasts_hold_on_this_machine(name, tmp_path):
    """Core seconds rather than those of the clock, which others on the machine would lengthen."""
    work = planned(name)
    execute.prepare(work)
    with Store(tmp_path / "out", work.study, work, True) as store:
        store.take_up(work)
        keep = lambda batch, records: store.save(batch.number, records)  # noqa: E731
        started = time.process_time()
        execute.execute(work, work.batches, 1, keep, lambda _, error: pytest.fail(str(error)))
        took = time.process_time() - started
    assert took / 3 < cost_of(work.batches).seconds(jobs=1) < took * 3


def test_tiny_networks_cost_more_than_their_products():
    work = tiny()
    cost = cost_of(work.batches)
    assert cost.alone + cost.beside > 5 * work.flops / FLOPS_A_SECOND
    assert cost.alone > work.networks * NETWORK
    short = cost_of(tiny(steps=10).batches)
    assert short.alone == pytest.approx(cost.alone)
    assert short.beside < 0.2 * cost.beside
    assert cost_of(tiny(depth=4).batches).beside > 1.3 * cost.beside
    twice = cost_of(tiny(replicates=1024).batches)
    assert twice.alone + twice.beside == pytest.approx(2 * (cost.alone + cost.beside), rel=0.05)


def test_samples_that_batches_share_are_prepared_once():
    few, many = (cost_of(tiny(replicates=count, optimizer=TINY["optimizer"][0]).batches) for count in (8, 32))
    one = cost_of(tiny(replicates=8).batches)  # a batch more, of the same tables
    assert many.alone > 3 * (few.alone - BATCH)
    assert one.alone - few.alone < few.alone


def test_only_kernels_run_beside_one_another():
    assert Cost(alone=3.0, beside=4.0).seconds(1) == 7.0
    assert Cost(alone=3.0, beside=4.0).seconds(4) == 4.0
    assert Cost(1.0, 2.0) + Cost(3.0, 4.0) == Cost(4.0, 6.0)


def test_a_comparison_counts_the_stages_to_come(tmp_path):
    sgd = {"name": "sgd", "search": {"lr": {"start": 0.01, "stop": 1.0, "scale": "log"}}}
    rules = {"trials": 2, "tuning_seeds": 1, "report_seeds": 2000, "founding": ["sgd"], "optimizer": [sgd]}
    defaults = {"dataset": "iris", "steps": 20, "width": 4}
    study = Study.load({"defaults": defaults, "comparison": rules, "problem": [{"name": "iris"}]})
    told = forecast(study, (), 1, tmp_path)
    (first,) = re.findall(r"^(\d+) networks", told, re.MULTILINE)
    (later,) = re.findall(r"^then ([\d,]+) to set targets", told, re.MULTILINE)
    (seconds,) = re.findall(r"^about ([\d.]+) s on 1 thread, ", told, re.MULTILINE)
    assert (first, later) == ("2", "4,010")
    assert re.search("^4 kernels to compile", told, re.MULTILINE)  # tanh, none, softmax, sgd
    assert float(seconds) > 4012 * NETWORK
