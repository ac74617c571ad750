"""manynets: thousands of small neural networks, trained side by side, turned into evidence.

A **study** asks a question; the **plan** lists its **runs**; **kernels** train networks made
of **catalog** parts; the **store** keeps the records; **analysis** turns records into
evidence, beside what **theory** predicts; **views** tell it.

The floors, each importing only from those below::

    session   the Python face: load_study, run_study
    run       the command: study -> plan -> execute -> store -> report
    listing, forecast, progress   what the command prints: the catalog, a dry run, a bar
    kinds     networks, walks on surfaces, worked examples: who plans and executes which
    stages    what a comparison of optimizers trains next
    bench     how fast, against the machine and against others
    command   how a command answers mistakes   the same exit codes everywhere
    views     tables, figures, report      DataFrames in, files out
    analysis  evidence                     DataFrames in, DataFrames out
    execute   batches -> records           on threads
    store     records on disk              written whole or not at all, resumed, merged
    costs     what networks take in seconds, beside their flops
    plan, descents, trials, examples   study -> runs -> batches   pure
    study     TOML -> frozen study         every error names file, key, value, choices
    explicit, given  training from explicit arrays
    theory    what mathematics predicts
    kernels   what is compiled             arrays in, arrays out
    catalog   what can vary                one decorated function a variant, plain Python
    errors    the one error a user can cause

Shape letters: L layers, U units of a layer, B samples of a mini-batch, K outputs, R networks
of a batch, S replicates (tables of data), C checkpoints.  Matrices in kernels are (units, B):
the mini-batch lies along the SIMD lanes.  h = W a + b is a layer's pre-activation, δ = ∂L/∂h.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.catalog.activations import activation
    from sim.catalog.datasets import Table, dataset
    from sim.catalog.initializers import initializer
    from sim.catalog.optimizers import optimizer
    from sim.catalog.surfaces import surface
    from sim.errors import StudyError
    from sim.explicit import Trained, train_arrays
    from sim.session import RunRecords, load_study, run_study

__all__ = [
    "RunRecords", "StudyError", "Table", "Trained", "activation", "dataset", "initializer", "load_study",
    "optimizer", "run_study", "surface", "train_arrays",
]  # fmt: skip

_HOMES = {
    "RunRecords": "session",
    "StudyError": "errors",
    "Table": "catalog.datasets",
    "Trained": "explicit",
    "activation": "catalog.activations",
    "dataset": "catalog.datasets",
    "initializer": "catalog.initializers",
    "load_study": "session",
    "optimizer": "catalog.optimizers",
    "run_study": "session",
    "surface": "catalog.surfaces",
    "train_arrays": "explicit",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import sim`` itself loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(f"sim.{_HOMES[name]}"), name)
