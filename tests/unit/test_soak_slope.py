"""When a measured series counts as flat."""

from __future__ import annotations

import random

import pytest
from soak.slope import growth

JITTER = random.Random(1)


def series(at_the_end: float, peak: float = 0.0) -> list[tuple[float, float]]:
    """Sixty values around 100 that rise evenly to `at_the_end`, one of them higher by `peak`."""
    points = [(float(s), 100 + (at_the_end - 100) * s / 59 + JITTER.uniform(-1, 1)) for s in range(60)]
    points[50] = (50.0, points[50][1] + peak)
    return points


@pytest.mark.parametrize(
    ("points", "is_flat"),
    [
        (series(100), True),
        (series(100, peak=40), True),
        (series(140), False),
        (series(104), True),
        (series(60), True),
    ],
)
def test_what_rises_steadily_is_not_flat_and_a_single_peak_is(
    points: list[tuple[float, float]], is_flat: bool
):
    assert growth("memory", points, share=0.10, slack=1).is_flat == is_flat


def test_what_rose_while_it_was_new_is_flat():
    warming = [(float(s), 100.0 * min(s, 15)) for s in range(60)]
    assert growth("memory", warming, share=0.10, slack=1).is_flat


def test_a_small_thing_may_grow_by_its_slack():
    assert growth("files", series(140), share=0.10, slack=50).is_flat


def test_too_few_measurements_are_no_verdict():
    with pytest.raises(ValueError, match="memory was measured 3 times"):
        growth("memory", [(float(s), 1.0) for s in range(4)], share=0.10, slack=1)
