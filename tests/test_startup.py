"""What is paid before training: imports, help, compiling; no kernel twice, none that nobody asked for.

Limits are those of a quiet machine of two cores. Processor seconds are compared with them, the
least of several looks, for a busy machine adds only waiting; with one thread they are what the
clock on the wall would show.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words, **settings):
    """Carry out ``python *words``; its output and the processor seconds it took."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return done.stdout, sum(after[:2]) - sum(before[:2])


def quickest(looks, *words, **settings):
    return min(run(*words, **settings)[1] for _ in range(looks))


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        (("-c", "import sim"), 0.5),
        (("-c", "import sim; sim.load_study, sim.train_arrays, sim.StudyError"), 1.0),
        (("-m", "sim.run", "--help"), 0.3),
        (("-m", "sim.bench", "--help"), 0.3),
        (("-m", "sim.bench", "nightly", "--help"), 0.3),
    ],
    ids=["import", "use", "help", "bench", "nightly"],
)
def test_starting_takes_no_time(words, limit):
    assert quickest(3, *words) < limit


# Stands in for the compiler: the names and signatures of what would be compiled, in order.
NOTED = """
import json, sys
from sim.kernels import jit

names = []

class Noted:
    nopython_signatures = (None,)

def note(function, signature, *flags):
    names.append(f"{function.__qualname__} {signature}")
    return Noted()

jit.kernel = note
from sim.execute import prepare
from sim.plan import plan
from sim.study import Study

planned = plan(Study.load(sys.argv[1]))
prepare(planned)
once = len(names)
prepare(planned)
print(json.dumps([names, once, planned.kernels]))
"""
SHARED = {"train", "product", "scaling_product", "gradient", "transpose", "gather", "rest"}
"""First words of kernels that every network needs."""


@pytest.mark.parametrize("study", ["vanishing", "smoke", "nightly"])
def test_no_kernel_is_compiled_twice_and_none_that_the_study_does_not_name(study):
    output, _ = run("-c", NOTED, f"studies/{study}.toml")
    names, once, named = json.loads(output)
    assert len(names) == once == len(set(names))
    functions = [name.partition(" ")[0] for name in names]
    assert len(set(functions)) == len(functions), "each has a name of its own, by which the cache finds it"
    seen = {kind: set() for kind in named if kind != "precision"}
    for function in functions:
        assert re.search(r"float(32|64)$", function)[0] in named["precision"]
        kind = function.partition("_")[0]
        if kind in seen:
            part = max((name for name in named[kind] if function.startswith(f"{kind}_{name}_")), default=None)
            assert part is not None, f"{function} is none of {named[kind]}"
            seen[kind].add(part)
        else:
            assert any(function.startswith(word) for word in SHARED), function
    assert {kind: sorted(parts) for kind, parts in seen.items()} == {kind: named[kind] for kind in seen}


PREPARED = """
import json, sys
from sim.kernels import jit

made, compile_kernel = {}, jit.kernel

def kernel(function, *given):
    made[function.__qualname__] = compiled = compile_kernel(function, *given)
    return compiled

jit.kernel = kernel
from sim.execute import prepare
from sim.plan import plan
from sim.study import Study

seconds = prepare(plan(Study.load(sys.argv[1])))
stats = [compiled.stats for compiled in made.values()]
misses = sum(sum(found.cache_misses.values()) for found in stats)
print(json.dumps([len(made), misses, seconds]))
"""


@pytest.mark.slow
def test_vanishing_compiles_cold_in_time_and_is_loaded_warm(tmp_path):
    """Cold: each kernel once. Warm: each from the cache, in a moment."""
    words = ("-c", PREPARED, "studies/vanishing.toml")
    output, cold = run(*words, MANYNETS_CACHE=str(tmp_path))
    kernels, misses, _ = json.loads(output)
    assert misses == kernels
    assert cold < 45.0
    output, warm = run(*words, MANYNETS_CACHE=str(tmp_path))
    assert json.loads(output)[:2] == [kernels, 0]
    assert warm < 4.0


def kernels(output, what):
    """Kernels whose code Numba says it has "saved" or "loaded", an entry each time."""
    files = re.findall(rf"^\[cache\] data {what} \w+ '(.*)'$", output, re.MULTILINE)
    return [Path(file).name for file in files]


@pytest.mark.slow
def test_a_whole_run_compiles_each_kernel_once_whatever_processes_it_has(tmp_path):
    """Cold: those that the study names are compiled and kept. Warm: the same are loaded, once, no other."""
    words = ("-m", "sim.run", "studies/smoke.toml", "--quiet", "--fresh", "--jobs", "2")
    settings = {"MANYNETS_CACHE": str(tmp_path / "kernels"), "NUMBA_DEBUG_CACHE": "1"}
    named = json.loads(run("-c", NOTED, "studies/smoke.toml")[0])[0]
    for saved, loaded in ((len(named), 0), (0, len(named))):
        output, _ = run(*words, "--out", str(tmp_path / "smoke"), **settings)
        for what, count in (("saved", saved), ("loaded", loaded)):
            found = kernels(output, what)
            assert len(found) == len(set(found)) == count
            for name in found:
                assert any(f".{kernel.partition(' ')[0]}-" in name for kernel in named), name


@pytest.mark.slow
def test_smoke_is_done_in_seconds_once_compiled(tmp_path):
    """4 s on two cores, which share nearly all of the work: there are 8 of the processors' seconds in it."""
    words = ("-m", "sim.run", "studies/smoke.toml", "--quiet", "--fresh", "--out", str(tmp_path / "smoke"))
    run(*words)
    assert quickest(3, *words) < 7.0


@pytest.mark.slow
def test_most_of_a_long_study_is_training(tmp_path):
    """At least 70 % of what vanishing.toml takes; seen twice if need be, for others may disturb it."""
    words = ("-m", "sim.run", "studies/vanishing.toml", "--quiet", "--fresh", "--out", str(tmp_path))

    def share():
        run(*words)
        seconds = json.loads((tmp_path / "manifest.json").read_text())["seconds"]
        return seconds["training"] / seconds["all"]

    run("-c", PREPARED, "studies/vanishing.toml")
    assert share() >= 0.7 or share() >= 0.7
