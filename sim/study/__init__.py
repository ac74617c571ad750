"""The study: a TOML file read into frozen, validated objects.

``choices`` names parts of the catalog, ``model`` holds the objects, ``values`` reads lists and ranges,
``document`` gives the file's structure, ``load`` reads it, ``write`` writes it back.
"""

from __future__ import annotations

from sim.study.choices import Choice
from sim.study.model import MEASURES, METRICS, Checkpoints, Descent, Grid, Settings, Study, Target

__all__ = ["MEASURES", "METRICS", "Checkpoints", "Choice", "Descent", "Grid", "Settings", "Study", "Target"]
