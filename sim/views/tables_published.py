"""Shares that others published, beside those found here: the same settings, equal budgets, best rates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.study.model import Published
from sim.study.surface_factors import is_published
from sim.views import wording
from sim.views.registry import Sheet
from sim.views.surface_records import DescentRecords, descent_table

SHARES = ["optimizer", "lr", "steps", "starts", "share_best", "share_best_low", "share_best_high"]
ENDS = ("", "_low", "_high")
"""A share, and the ends of its interval."""
CLOSE = 0.003
"""A measured share this close to a published one agrees with it."""


def _has_published(records: DescentRecords) -> bool:
    """Some share was published for an optimizer and a budget of this descent."""
    budgets = set(records.descent.factors["steps"])
    return any(row.steps in budgets for row in records.descent.published)


@descent_table(title="Published and measured", applies=_has_published)
def published(records: DescentRecords) -> Sheet:
    """Shares that others found beside those of the same settings here."""
    optimizers = {choice.label: choice for choice in records.descent.factors["optimizer"]}
    rows = [
        {"published": row.share, **walk, "difference": walk["share_best"] - row.share}
        for walk in records.walks[SHARES].to_dict("records")
        for row in records.descent.published
        if is_published(row, optimizers[walk["optimizer"]], int(walk["steps"]))
    ]
    frame = pd.DataFrame(rows)
    agree, total = int((frame["difference"].abs() <= CLOSE).sum()), wording.count(len(frame), "share")
    first = frame.sort_values("share_best").iloc[-1]["optimizer"]
    steps = records.walks["steps"].max()
    longest = records.walks[records.walks["steps"] == steps].sort_values("share_best", ascending=False)
    return Sheet(
        frame,
        f"{agree} of {total} {wording.verb(len(frame), 'agree')} within {CLOSE}. With the published budgets "
        f"{records.optimizers[first]} leads; with {wording.count(int(steps), 'step')} for everyone: "
        f"{_ranking(records, longest)}.{_turns(records, longest, first)}",
    )


def _ranking(records: DescentRecords, walks: pd.DataFrame, share: str = "share_best") -> str:
    """Optimizers with their shares, the best first."""
    ordered = walks.sort_values(share, ascending=False, kind="stable")
    return ", ".join(
        f"{records.optimizers[label]} {value:.4f}"
        for label, value in zip(ordered["optimizer"], ordered[share], strict=True)
    )


def _turns(records: DescentRecords, walks: pd.DataFrame, leader: str) -> str:
    """What becomes of the leader's place with another setting of the same optimizer."""
    shares = walks.set_index("optimizer")["share_best"]
    name_of = {choice.label: choice.name for choice in records.descent.factors["optimizer"]}
    told = []
    for label in shares.index:
        if label == leader or name_of[label] != name_of[leader]:
            continue
        passed = shares[(shares > shares[label]) & (shares < shares[leader])].index
        behind = wording.enumeration(records.optimizers[other] for other in passed)
        other = records.optimizers[label]
        told.append(
            f" The ranking turns: {other} falls behind {behind}." if behind else f" So it stays with {other}."
        )
    return "".join(told)


def _compares_rates(records: DescentRecords) -> bool:
    """Shares were published for some of the learning rates of this descent."""
    alone = not {"surface", "noise"} & set(records.varying)
    return bool(records.descent.published) and "lr" in records.varying and alone


@descent_table(title="Published rates and best rates, with equal budgets", applies=_compares_rates)
def equal_budgets(records: DescentRecords) -> Sheet:
    """What was published, the same settings with the largest budget, and each optimizer's best rate."""
    steps = records.walks["steps"].max()
    walks, best = (frame[frame["steps"] == steps] for frame in (records.walks, records.tuned))
    rows = []
    for walk in best.to_dict("records"):
        lr, shown = _published_rate(records, walk["optimizer"])
        same = walks[(walks["optimizer"] == walk["optimizer"]) & np.isclose(walks["lr"], lr)]
        then = same.iloc[0] if len(same) else {}
        rows.append(
            {
                "optimizer": walk["optimizer"],
                "published_steps": shown.steps if shown else np.nan,
                "published": shown.share if shown else np.nan,
                "published_rate": lr,
                **{f"share_there{end}": then.get(f"share_best{end}", np.nan) for end in ENDS},
                "best_rate": walk["lr"],
                **{f"share_best{end}": walk[f"share_best{end}"] for end in ENDS},
                "edge": walk["edge"],
            }
        )
    frame = pd.DataFrame(rows)
    there = _ranking(records, frame.dropna(subset="share_there"), "share_there")
    return Sheet(
        frame,
        f"With {wording.count(int(steps), 'step')} for everyone, at the published learning rates: {there}. "
        f"Each at the best of its rates: {_ranking(records, frame)}. Rates were chosen on the starts that "
        "judge them.",
    )


def _published_rate(records: DescentRecords, label: str) -> tuple[float, Published | None]:
    """The published rate of an optimizer and its row; of an unpublished variant, the rate of its namesake."""
    found: tuple[float, Published | None] = (np.nan, None)
    for choice in records.descent.factors["optimizer"]:
        for row in records.descent.published:
            if is_published(row, choice, row.steps) and "lr" in dict(row.optimizer.parameters):
                if choice.label == label:
                    return float(choice.value("lr")), row
                if choice.name == label.partition("(")[0]:
                    found = float(choice.value("lr")), None
    return found
