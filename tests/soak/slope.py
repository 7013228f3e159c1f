"""Whether a series of measurements is flat: by the slope of the straight line through it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WARM_UP = 1 / 3  # of the time, in which caches fill and pools open
_FEWEST = 6


@dataclass(frozen=True)
class Growth:
    """What a series has grown by over the time that counts, and how much it may."""

    name: str
    typical: float
    grown: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        return self.grown <= self.allowed


def growth(name: str, points: Sequence[tuple[float, float]], share: float, slack: float) -> Growth:
    """Of (seconds, value) points; it may grow by that share of its typical value, and by `slack` in any case.

    The line's slope counts, not the last value: a single peak is no leak.

    Raises:
        ValueError: there are too few points to tell.
    """
    first_s, last_s = points[0][0], points[-1][0]
    counted = [point for point in points if point[0] >= first_s + (last_s - first_s) * _WARM_UP]
    if len(counted) < _FEWEST:
        raise ValueError(f"{name} was measured {len(counted)} times; {_FEWEST} are needed")
    seconds, values = zip(*counted, strict=True)
    slope = statistics.linear_regression(seconds, values).slope
    typical = statistics.median(values)
    return Growth(name, typical, slope * (seconds[-1] - seconds[0]), max(share * typical, slack))
