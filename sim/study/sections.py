"""The sections of a study file, ``[[grid]]``, ``[[descent]]`` …, and which keys each of them may have.

A file may have several kinds of sections; ``[defaults]`` holds for all sections that know a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.study.factors import COMMON, GRID, Key
from sim.study.surface_factors import DESCENT

PLAIN = ("title", "question", "seed")
"""What stands at the top of every study."""


@dataclass(frozen=True)
class Section:
    """Tables of one name, each with a name and a question of its own."""

    lost: str
    """What a study without any would have none of."""
    keys: Mapping[str, Key]
    defaults: Mapping[str, Key]
    """Those of the keys that ``[defaults]`` may hold."""
    top: tuple[str, ...] = ()
    """Keys at the top of the file that are for this section."""


SECTIONS: Mapping[str, Section] = {
    "grid": Section("network", GRID, COMMON, ("precision",)),
    "descent": Section("start", DESCENT, DESCENT),
}


def sections_in(table: Mapping[str, Any]) -> list[str]:
    """The sections that a file has; a file without any is taken for one whose grids were forgotten."""
    return [name for name in SECTIONS if name in table] or ["grid"]


def keys_of(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys that the tables of this file may have: "study", "defaults" and each of its sections."""
    present = sections_in(table)
    top = dict.fromkeys(key for name in present for key in SECTIONS[name].top)
    known = dict.fromkeys(key for name in present for key in SECTIONS[name].defaults)
    sections = {name: ("name", "question", *SECTIONS[name].keys) for name in present}
    return {"study": (*PLAIN, *top, "defaults", *present), "defaults": tuple(known), **sections}
