"""The sections of a study file, ``[[grid]]``, ``[[descent]]`` …, and which keys each of them may have.

A file may have several kinds of sections; ``[defaults]`` holds for all sections that know a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.study.comparison_factors import COMPARISON_KEYS, PROBLEM, comparison
from sim.study.example_factors import EXAMPLE, EXAMPLE_DEFAULTS
from sim.study.factors import COMMON, GRID, SETTINGS, Key
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
    top: Mapping[str, Key] = field(default_factory=dict)
    """Keys at the top of the file that are for this section."""
    rules: str = ""
    """The table of rules that must stand beside these sections."""
    shown: str = ""
    """A study that comes along and has some."""


PRECISION = {"precision": SETTINGS["precision"]}

SECTIONS: Mapping[str, Section] = {
    "grid": Section("network", GRID, COMMON, PRECISION, shown="studies/vanishing.toml"),
    "descent": Section("start", DESCENT, DESCENT, shown="studies/surfaces.toml"),
    "example": Section("example", EXAMPLE, EXAMPLE_DEFAULTS, shown="studies/worked_example.toml"),
    "problem": Section(
        "network",
        PROBLEM,
        PROBLEM,
        {**PRECISION, "comparison": Key(comparison)},
        "comparison",
        shown="studies/optimizers.toml",
    ),
}


def sections_in(table: Mapping[str, Any]) -> list[str]:
    """The sections that a file has; a file without any is taken for one whose grids were forgotten."""
    found = [name for name, section in SECTIONS.items() if name in table or section.rules in table]
    return found or ["grid"]


def keys_of(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys that the tables of this file may have: "study", "defaults" and each of its sections."""
    present = sections_in(table)
    top = dict.fromkeys(key for name in present for key in SECTIONS[name].top)
    known = dict.fromkeys(key for name in present for key in SECTIONS[name].defaults)
    sections = {name: ("name", "question", *SECTIONS[name].keys) for name in present}
    if "comparison" in top:
        sections["comparison"] = COMPARISON_KEYS
    return {"study": (*PLAIN, *top, "defaults", *present), "defaults": tuple(known), **sections}
