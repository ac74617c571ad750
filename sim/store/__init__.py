"""Records on disk: one folder a study, kept so that a kill at any moment loses one batch at most.

``columns`` says which columns records have, ``shards`` writes and reads the records of one batch,
``merge`` puts all shards in the order of the plan into Parquet and CSV, ``folder`` holds the
:class:`Store` that a run writes through, ``manifest`` what may differ between equal runs.
"""

from __future__ import annotations

from sim.store.columns import schemas
from sim.store.folder import Store, Unwritable, holds, read, refuse_foreign, refuse_others
from sim.store.timings import timings

__all__ = ["Store", "Unwritable", "holds", "read", "refuse_foreign", "refuse_others", "schemas", "timings"]
