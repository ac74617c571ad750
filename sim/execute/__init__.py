"""Batches -> records, on threads or on a Dask cluster.

``data``: what the networks of a batch see, and in which order.  ``networks``: what they
are and what they start from.  ``records``: what was noted of them, as tables.  ``train``:
one batch from plan to tables.  ``own``: whether what a user wrote compiles.
``threads`` and ``cluster``: many batches at once.
"""

from __future__ import annotations

from sim.execute.own import check
from sim.execute.threads import execute
from sim.execute.train import Records, prepare, train_batch

__all__ = ["Records", "check", "execute", "prepare", "train_batch"]
