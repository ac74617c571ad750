"""Claims from the file: every key read; what they select is checked by :mod:`sim.study.claim_check`."""

from __future__ import annotations

from typing import Any

from sim.errors import StudyError, complaint
from sim.study.claims import CLAIM, Claim, claim_of
from sim.study.factors import UNSET
from sim.study.trouble import LONGEST, Brief
from sim.study.values import Trouble, inside


def claims_in(table: dict[str, Any], source: str) -> tuple[Claim, ...]:
    """Take the claims out of a study's table; raises StudyError for a key or value that cannot be read."""
    written = table.pop("claim", [])
    if not isinstance(written, list):
        raise StudyError(
            complaint(f"{source}: claim", Brief(written), "is not a list of claims: write [[claim]]")
        )
    found: list[Claim] = []
    for place, entry in enumerate(written):
        where = place_of(source, place, entry.get("name") if isinstance(entry, dict) else None)
        try:
            found.append(_read(entry))
            _check_name(found)
        except Trouble as trouble:
            raise error_of(where, trouble) from None
    return tuple(found)


def place_of(source: str, place: int, name: object) -> str:
    """Where a claim stands: ``a.toml: claim[0] 'name'``."""
    called = f" {name!r}" if isinstance(name, str) and len(name) <= LONGEST else ""
    return f"{source}: claim[{place}]{called}"


def error_of(where: str, trouble: Trouble) -> StudyError:
    """A trouble below a claim as the one line that the user sees."""
    return StudyError(
        complaint(
            where + trouble.path, Brief(trouble.value), trouble.problem, trouble.choices, trouble.nearest
        )
    )


def _read(entry: Any) -> Claim:
    if not isinstance(entry, dict):
        raise Trouble(entry, "is not a table of keys")
    for name in entry:
        if name not in CLAIM:
            raise Trouble(name, "is not a key here", CLAIM)
    for name, key in CLAIM.items():
        if name not in entry and key.default is UNSET:
            raise Trouble(name, "is missing")
    if ("b" in entry) == (entry.get("than") is not None):
        raise Trouble("b", "and 'than': write exactly one of the two")
    return claim_of({name: inside(f".{name}", CLAIM[name].read, value) for name, value in entry.items()})


def _check_name(found: list[Claim]) -> None:
    names = [claim.name for claim in found]
    if names.index(names[-1]) < len(names) - 1:
        raise Trouble(names[-1], f"is the name of claim[{names.index(names[-1])}] already", path=".name")
