"""How long to wait before trying again, and when not to try at all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class Waits:
    """Doubling waits with jitter: the n-th is between half of and all of `first * 2 ** (n - 1)`, capped."""

    first: timedelta
    longest: timedelta
    jitter: Callable[[float, float], float] = random.uniform

    def after(self, failures: int) -> timedelta:
        """How long to wait after that many failures in a row, from 1."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return min(self.first * (1 << doublings), self.longest) * self.jitter(0.5, 1.0)


class Breaker:
    """A circuit breaker for one server: after a failure nobody bothers it until one probe may.

    Only one sender works with it at a time, so whoever finds it allowing is the probe.
    """

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._failures = 0
        self._quiet_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self._failures > 0

    def allows(self, now: datetime) -> bool:
        return self._quiet_until is None or now >= self._quiet_until

    def failed(self, now: datetime) -> None:
        self._failures += 1
        self._quiet_until = now + self._waits.after(self._failures)

    def worked(self) -> None:
        self._failures = 0
        self._quiet_until = None
