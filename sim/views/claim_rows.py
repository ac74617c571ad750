"""From the records to the rows that a claim is judged by (their columns: :mod:`sim.analysis.claims`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sim import store
from sim.analysis import quantities
from sim.analysis.claims import Judged, evidence, judge
from sim.descents import plan_descents
from sim.plan import plan
from sim.store.columns import ALL_TABLES
from sim.study import Study
from sim.study.claim_cells import Member, members_of, pool_of, pools_of
from sim.study.claims import Claim
from sim.study.comparison import TARGET
from sim.study.quantities import COMPARISON, quantity_of
from sim.trials import STAGES

NOUNS = {"grid": "networks", "comparison": "networks", "descent": "walks"}
"""What the runs of each section are called."""


class ClaimRecords:
    """A study's claims and the records that answer them."""

    def __init__(self, study: Study, tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> None:
        self.study, self.tables = study, tables
        self._values: dict[tuple[Any, ...], pd.DataFrame] = {}

    @staticmethod
    def read(directory: Path) -> ClaimRecords:
        """The records of a results folder; a kind of work that was left out has none."""
        tables = {
            noun: dict(zip(ALL_TABLES[noun], store.read(directory, noun), strict=True))
            for noun in dict.fromkeys(NOUNS.values())
            if store.holds(directory, noun)
        }
        return ClaimRecords(Study.load(directory / "study.toml"), tables)

    @cached_property
    def judged(self) -> list[Judged]:
        """Every claim with its verdict, in the order of the study."""
        return judge([evidence(claim, *self.rows(claim)) for claim in self.study.claims])

    def rows(self, claim: Claim) -> tuple[pd.DataFrame, str]:
        """The rows of a claim, and which values of what its rates are chosen by are good."""
        members = members_of(self.study, claim)
        kind = pools_of(self.study, claim)["a"].kind
        criterion = claim.tuned if isinstance(claim.tuned, str) else claim.quantity
        quantity, chosen_by = quantity_of(kind, claim.quantity), quantity_of(kind, criterion)
        assert quantity is not None
        assert chosen_by is not None
        at = quantity.at if claim.checkpoint is None else claim.checkpoint
        rows = self._selected(kind, members, claim.by)
        rows = rows.merge(self._quantity(kind, members, claim.quantity, at or 0), on="run", how="left")
        if claim.tuned:
            others = self._quantity(kind, members, criterion, at or 0)
            rows = rows.merge(others.rename(columns={"value": "criterion"}), on=["run", "unit"], how="left")
        return rows.assign(unit=rows["unit"].fillna(-1).astype("int64")), chosen_by.better

    def _selected(self, kind: str, members: Sequence[Member], by: Sequence[str]) -> pd.DataFrame:
        """A row for each run of a claim: side, pair, base, arm, rate, reference, run, and the levels."""
        numbers: dict[Any, int] = {}
        numbered = lambda what: numbers.setdefault(what, len(numbers))  # noqa: E731
        rows = [
            {
                "side": member.side,
                **{name: numbered(getattr(member, name)) for name in ("pair", "base", "arm")},
                "rate": member.rate,
                "reference": member.reference,
                **dict(zip(by, member.levels, strict=True)),
                "run": run,
            }
            for member in members
            for run in self._runs.get((kind, member.pool, member.cell), [-1])
        ]
        return pd.DataFrame(rows).astype({"rate": float})

    @cached_property
    def _runs(self) -> dict[tuple[str, str, int], list[int]]:
        """(section, part, cell) -> the runs of its replicates, as the plan numbers them."""
        found: dict[tuple[str, str, int], list[int]] = {}
        sizes = {grid.name: ("grid", grid.replicates) for grid in self.study.grids}
        sizes |= {descent.name: ("descent", descent.replicates) for descent in self.study.descents}
        planned: list[Any] = [*plan(self.study).runs, *plan_descents(self.study).runs]
        for name, group in itertools.groupby(planned, key=lambda run: str(run.grid)):
            if name in sizes:
                (kind, size), runs = sizes[name], [run.index for run in group]
                for place in range(len(runs) // size):
                    found[kind, name, place] = runs[place * size : (place + 1) * size]
        return found | self._compared

    @property
    def _compared(self) -> dict[tuple[str, str, int], list[int]]:
        """The same of a comparison's last stage, whose runs are known once the earlier ones are done."""
        if self.study.comparison is None or "networks" not in self.tables:
            return {}
        runs = self.tables["networks"]["runs"]
        runs = runs[runs["stage"] == STAGES[-1]]
        cells = runs.groupby(["grid", "entrant", "setting"])["run"].apply(list)
        wanted = pool_of(self.study, COMPARISON).cells
        return {
            (COMPARISON, COMPARISON, place): cells[key]
            for place, cell in enumerate(wanted)
            if (key := (cell["problem"], cell["optimizer"], cell["setting"])) in cells
        }

    def _quantity(self, kind: str, members: Sequence[Member], name: str, at: int) -> pd.DataFrame:
        """Run, unit and value of a quantity for the parts that a claim is about."""
        noun, found = NOUNS[kind], []
        for pool in dict.fromkeys(member.pool for member in members):
            key = (kind, pool, name, at)
            if key not in self._values:
                self._values[key] = self._computed(noun, pool, name, at)
            found.append(self._values[key])
        return pd.concat(found, ignore_index=True)

    def _computed(self, noun: str, pool: str, name: str, at: int) -> pd.DataFrame:
        if noun not in self.tables:
            return pd.DataFrame({"run": [], "unit": [], "value": []})
        whole = self.tables[noun]
        first = next(iter(whole))
        runs = whole[first]
        if pool == COMPARISON and self.study.comparison is not None:
            own = runs["stage"] == STAGES[-1]
        else:
            own = runs["grid" if noun == "networks" else "descent"] == pool
        wanted = runs.loc[own, "run"]
        tables = {
            label: table[table["run"].isin(wanted)].reset_index(drop=True) for label, table in whole.items()
        }
        if noun == "walks":
            return quantities.of_surfaces(tables, name)
        grids = {grid.name: grid for grid in self.study.grids}
        targets = [target.name for target in grids[pool].settings.targets] if pool in grids else [TARGET]
        return quantities.of_networks(tables, name, targets[0] if targets else None, at)
