"""How long networks trained, compiling and evaluation of nothing else aside: in the manifest, and of a
comparison in timings.csv, for it differs between equal runs.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.store import manifest, shards

if TYPE_CHECKING:
    import pandas as pd

    from sim.plan import Batch

FILE, COMPILING = "timings.csv", "(compiling)"
COLUMNS = ("grid", "optimizer", "networks", "steps", "seconds")


class Timings:
    """Sums over the batches of one stretch of work, by part of the study and optimizer."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0, 0.0])

    def add(self, batch: Batch, seconds: float) -> None:
        """A batch took so many seconds of one core; its runs share them by their steps."""
        total = sum(run.steps for run in batch.runs)
        for run in batch.runs:
            sums = self._sums[run.grid, getattr(run, "entrant", "") or run.optimizer.name]
            sums[0] += 1
            sums[1] += run.steps
            sums[2] += seconds * run.steps / max(total, 1)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each part and optimizer, as :func:`timings` gives them back."""
        return [
            dict(zip(COLUMNS, (*names, networks, steps, round(seconds, 6)), strict=True))
            for names, (networks, steps, seconds) in sorted(self._sums.items())
        ]


def timings(directory: str | Path) -> pd.DataFrame:
    """Seconds of one core that training took, all stretches together; empty where none was timed to its end.

    Columns: grid, optimizer (an entrant's name in a comparison), networks, steps (of all of them together),
    seconds.
    """
    import pandas as pd

    sessions = manifest.load(Path(directory) / "manifest.json").get("sessions", [])
    rows = pd.DataFrame(
        [row for session in sessions for row in session.get("timings", [])], columns=list(COLUMNS)
    )
    return rows.groupby(["grid", "optimizer"], sort=False, as_index=False).sum()


def write(directory: str | Path) -> None:
    """Write the seconds of a results folder into its timings.csv, as :func:`timings` sums them.

    Columns: part (a grid or a problem), optimizer, networks, steps, seconds (of one core). The last row,
    ``(compiling)``, has the seconds that compiling took, or loading what was compiled before; no other row
    holds any of them.
    """
    import pandas as pd

    from sim.store.folder import said_in_one_line

    folder = Path(directory)
    sessions = manifest.load(folder / "manifest.json").get("sessions", [])
    seconds = sum(session.get("compile_seconds", 0.0) for session in sessions)
    table = timings(folder).rename(columns={"grid": "part"}).convert_dtypes()
    last = pd.DataFrame([{"part": COMPILING, "seconds": seconds}])
    text = pd.concat([table, last]).round({"seconds": 6}).to_csv(index=False, lineterminator="\n")
    with said_in_one_line(folder / FILE):
        shards.atomically(folder / FILE, [text.encode()])
