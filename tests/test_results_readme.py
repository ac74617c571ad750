"""results/README.md describes the files that runs write, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.store.columns import ALL_TABLES
from sim.views import report_claims, report_comparison
from sim.views.comparison import FIGURES, TABLES

README = (Path(__file__).parents[1] / "results/README.md").read_text()
NAMED = set(re.findall(r"`(?:tables/|figures/)?([\w.]+)`", README))
assert report_comparison.part  # imported: views of comparisons are registered


def test_every_file_of_a_comparison_is_described_and_no_other():
    tables = {f"comparison_{chapter}_{name}.csv" for chapter, family in TABLES.items() for name in family}
    figures = {f"comparison_{chapter}_{name}" for chapter, family in FIGURES.items() for name in family}
    assert len(tables) > 10
    assert len(figures) > 5
    assert {name for name in NAMED if name.startswith("comparison_")} == tables | figures


def test_every_file_of_claims_is_described():
    assert {"claims_verdicts.csv", "claims_levels.csv", "claims_forest.png", "claims_forest_2"} <= NAMED
    code = Path(report_claims.__file__).read_text()
    written = re.findall(r'_table\(directory, "(\w+)"', code)
    assert {f"claims_{name}.csv" for name in written} == {"claims_verdicts.csv", "claims_levels.csv"}


@pytest.mark.parametrize("noun", ALL_TABLES)
def test_every_table_of_records_is_described(noun):
    for name in ALL_TABLES[noun]:
        assert name in NAMED or f"{name}.parquet" in NAMED, name
