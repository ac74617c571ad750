"""Helper processes: the same results as here, errors that are told, nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from sim.errors import StudyError
from sim.views import aside, processes, report

ROOT = Path(__file__).parents[1]
forking = pytest.mark.skipif(not processes.forks(), reason="forks on Linux alone, beside no other thread")


def product(a, b):
    return a * b, os.getpid()


def fail(error):
    raise error


GROUPS = [[partial(product, a, b) for b in range(a)] for a in (3, 0, 1, 12)]


@pytest.mark.parametrize("jobs", [1, 2, 3, 50])
def test_every_task_is_done_once_wherever(jobs):
    found = list(processes.results(GROUPS, jobs))
    assert sorted(place for place, _ in found) == [
        (number, place) for number, group in enumerate(GROUPS) for place in range(len(group))
    ]
    for (group, place), (value, process) in found:
        assert value == GROUPS[group][place]()[0]
        assert (process == os.getpid()) == (jobs == 1 or not processes.forks())


def test_nothing_to_do():
    assert list(processes.results([], 2)) == list(processes.results([[], []], 2)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_from_there(jobs):
    groups = [[partial(product, 2, 3), partial(fail, StudyError("grid.a: no such thing"))]]
    with pytest.raises(StudyError) as caught:
        list(processes.results(groups, jobs))
    assert str(caught.value) == "grid.a: no such thing"


@forking
def test_an_error_tells_where_it_was_raised():
    with pytest.raises(ValueError) as caught:
        list(processes.results([[partial(fail, ValueError("odd"))], [partial(product, 1, 1)]], 2))
    assert "in fail" in caught.value.__notes__[0]


@forking
def test_a_process_that_is_killed_is_noticed():
    with pytest.raises(RuntimeError, match="ended with exit code -9"):
        list(processes.results([[partial(product, 1, 1)], [lambda: os.kill(os.getpid(), signal.SIGKILL)]], 2))


@forking
def test_an_interruption_is_for_the_parent_to_answer():
    """Ctrl-C reaches all processes of the terminal: the helpers do not answer it."""

    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        return "went on"

    assert [said for _, said in processes.results([[interrupted], [interrupted]], 2)] == ["went on"] * 2


LEFT_ALONE = """
import os, signal, sys, time
from sim.views import processes

def work(connection):
    connection.send(os.getpid())
    time.sleep(60)

helper = processes.begin(work)
print(helper.receive(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@forking
def test_helpers_end_with_their_parent():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", LEFT_ALONE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        helper = int(parent.stdout.readline())
        assert parent.wait() == -signal.SIGKILL
        status = Path(f"/proc/{helper}/status")
        for _ in range(100):
            if not status.exists() or "State:\tZ" in status.read_text():
                return
            time.sleep(0.05)
        os.kill(helper, signal.SIGKILL)
        pytest.fail("the helper lives on")


def test_the_report_is_built_aside(tmp_path, monkeypatch):
    def build(directory, jobs=1):
        (directory / "told").write_text(f"{os.getpid()} {jobs}")

    monkeypatch.setattr(report, "build", build)
    for jobs in (1, 2):
        with aside.reporter(jobs) as reporting:
            reporting(tmp_path)
        process, given = map(int, (tmp_path / "told").read_text().split())
        assert given == jobs
        assert (process == os.getpid()) == (jobs == 1 or not processes.forks())
    monkeypatch.setattr(report, "build", lambda *_: fail(StudyError("holds no results")))
    with pytest.raises(StudyError, match="holds no results"), aside.reporter(2) as reporting:
        reporting(tmp_path)
