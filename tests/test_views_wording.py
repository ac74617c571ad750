"""Numbers and names as readers see them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.views import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (-1.0, "−1"), (0.05571, "0.0557"), (1234567.0, "1.23e6"), (1e-7, "1.00e−7"),
        (12345.0, "12,345"), (0.1, "0.100"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "–"),
    ],
)  # fmt: skip
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert wording.number(value) == text


@given(st.floats(1e-12, 1e12))
def test_a_number_is_off_by_half_a_percent_at_most(value: float) -> None:
    read = float(wording.number(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=5.1e-3)


@given(st.floats(1e-99, 1e99))
def test_a_heatmap_cell_is_short_and_within_its_digits(value: float) -> None:
    text = wording.short(value)
    assert len(text) <= 5
    assert float(text.replace("−", "-")) == pytest.approx(value, rel=0.51)


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.004, "<1 %"), (0.5, "50 %"), (0.996, ">99 %"), (1.0, "100 %")]
)
def test_a_share_is_zero_or_all_only_where_it_is(share: float, text: str) -> None:
    assert wording.percent(share) == text


def test_settings_read_as_they_were_written() -> None:
    assert [wording.setting(value) for value in (0.01, 0.1, 30, 1000, 1e-5)] == [
        "0.01",
        "0.1",
        "30",
        "1,000",
        "1e-05",
    ]


def test_a_cell_explains_its_levels() -> None:
    where = {"activation": "tanh", "depth": 30, "normalizer": "batch", "residual": False, "samples": 1000}
    assert wording.cell(where, where) == "tanh, depth 30, batch norm, no residual, 1,000 training rows"


def test_enumerations_and_counts() -> None:
    assert wording.enumeration(["a", "b", "c"]) == "a, b and c"
    assert wording.enumeration(["a"]) == "a"
    assert wording.enumeration([]) == ""
    assert [wording.count(1, "cell"), wording.count(6000, "cell")] == ["1 cell", "6,000 cells"]
