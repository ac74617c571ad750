"""What walks are judged by, in the words of axes and captions: a minimum that is known, or else rest."""

from __future__ import annotations

from dataclasses import dataclass

from sim.views.surface_records import DescentRecords


@dataclass(frozen=True)
class Goal:
    """The words for starts that arrive."""

    share: str
    """The axis of the share of starts that do."""
    steps: str
    """The axis of the steps this takes."""
    arrive: str
    """What half of the starts do where a median time is known."""
    best: str
    """What the starts do that are counted."""
    remark: str = ""
    """What must be said besides."""

    @property
    def left_out(self) -> str:
        """Which times a figure does not show."""
        return f"Times are left out where fewer than half of the starts {self.arrive}."


MINIMUM = Goal(
    share="starts at the best minimum (%)",
    steps="median steps to a minimum",
    arrive="stay at a minimum",
    best="reach the best minimum",
)
REST = Goal(
    share="starts that come to rest (%)",
    steps="median steps to rest",
    arrive="come to rest",
    best="come to rest",
    remark="No minimum of this surface is known; a walk rests where gradient and step are next to nothing.",
)


def goal(records: DescentRecords) -> Goal:
    """What is counted of a descent's walks: where no minimum is known, whether they come to rest."""
    return MINIMUM if any(map(records.known, records.surfaces)) else REST
