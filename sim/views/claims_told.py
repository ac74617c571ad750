"""Claims in words: what was compared, what came out, as tables of the page and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sim.analysis.claims import Effect, Judged
from sim.study.claims import Claim
from sim.study.quantities import quantity_of
from sim.views import wording


def summary(judged: Sequence[Judged]) -> str:
    """How many claims came out how: 12 supported, 3 refuted."""
    counts = pd.Series([one.verdict for one in judged]).value_counts(sort=False)
    return wording.enumeration(f"{count} {verdict}" for verdict, count in counts.items())


def selection(chosen: Mapping[str, Any]) -> str:
    """A selection in words: optimizer adam, depth 10 or 20."""
    told = (f"{name.replace('_', ' ')} {_values(value)}" for name, value in chosen.items() if name != "on")
    return ", ".join(told)


def _values(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(_values(entry) for entry in value)
    if isinstance(value, dict):
        given = ", ".join(f"{name}={entry}" for name, entry in value.items() if name != "name")
        return f"{value.get('name', '')}({given})" if given else str(value.get("name"))
    return str(value).lower() if isinstance(value, bool) else str(value)


def quantity(claim: Claim, kind: str) -> str:
    """The quantity in words, with what is done to it."""
    found = quantity_of(kind, claim.quantity)
    assert found is not None
    told = found.told
    if claim.checkpoint is not None:
        told += f" at checkpoint {claim.checkpoint}" if claim.checkpoint >= 0 else " at the end"
    if claim.misset is not None:
        told += f", change when the best rate is missed ×{claim.misset:g}"
    if claim.relative_to:
        told += f", change against {selection(claim.relative_to)}"
    return f"share of wins − ½: {told}" if claim.compare == "wins" else told


def table(judged: Sequence[Judged], kinds: Mapping[str, str]) -> pd.DataFrame:
    """A row a claim: what it says, how its sides differ, the effect a − b, how sure it is, the verdict."""
    return pd.DataFrame([_row(one, kinds[one.evidence.claim.name]) for one in judged])


def _row(one: Judged, kind: str) -> dict[str, Any]:
    claim, effect = one.evidence.claim, one.evidence.effect
    return {
        "claim": claim.name,
        "sentence": claim.sentence,
        "verdict": one.verdict,
        "depends_on": one.depends_on,
        "a": selection(claim.a),
        "b": selection(claim.b) if claim.than is None else wording.setting(claim.than),
        "where": selection(claim.where),
        "quantity": quantity(claim, kind),
        "direction": claim.direction,
        "matters": claim.matters,
        "a_mean": one.evidence.a_mean,
        "b_mean": one.evidence.b_mean,
        **_numbers(effect),
        "p_holm": one.p_holm,
        "best_rates_at_the_edge": one.evidence.edge,
        "reason": one.reason,
    }


def _numbers(effect: Effect | None) -> dict[str, Any]:
    nan = float("nan")
    if effect is None:
        return {"effect": nan, "effect_low": nan, "effect_high": nan, "pairs": 0, "units": 0, "p_value": nan}
    return {
        "effect": effect.mean,
        "effect_low": effect.low,
        "effect_high": effect.high,
        "pairs": effect.pairs,
        "units": effect.units,
        "p_value": effect.p,
    }


def page_table(judged: Sequence[Judged]) -> pd.DataFrame:
    """What of it stands on the page: the sentence first, then what came out."""
    rows = []
    for one in judged:
        claim = one.evidence.claim
        verdict = f"{one.verdict} ({told_factor(one)})" if one.depends_on else one.verdict
        numbers = _numbers(one.evidence.effect)
        numbers.pop("p_value")
        rows.append({
            "sentence": claim.sentence, "verdict": verdict, **numbers, "matters": claim.matters,
            "p_holm": one.p_holm,
        })  # fmt: skip
    return pd.DataFrame(rows)


def told_factor(one: Judged) -> str:
    """The factor that a verdict depends on, in words."""
    return f"by {one.depends_on.replace('_', ' ').replace('.', ' ')}"


def levels(judged: Sequence[Judged]) -> pd.DataFrame:
    """A row a claim × level: the effect there, its interval (95 % for all levels together), adjusted p."""
    rows = [
        {
            "claim": one.evidence.claim.name,
            "factor": level.factor,
            "level": level.level if isinstance(level.level, str) else wording.setting(level.level),
            **_numbers(level.effect),
            "matters": one.evidence.claim.matters,
            "p_holm": p,
        }
        for one in judged
        for level, p in zip(one.evidence.levels, one.level_p, strict=True)
    ]
    return pd.DataFrame(rows)
