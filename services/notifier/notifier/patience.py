"""How long to wait before trying again, and when not to try at all."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    """A circuit breaker for one server, shared by those who use it: after a failure nobody bothers it, until one
    probe at a time may.
    """

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._lock = threading.Lock()
        self._failures = 0
        self._quiet_until: datetime | None = None
        self._is_probed = False

    @property
    def is_open(self) -> bool:
        return self._failures > 0

    @contextmanager
    def turn(self, now: datetime) -> Iterator[bool]:
        """Whether the server may be used meanwhile."""
        is_probe = self._starts_probe(now)
        try:
            yield is_probe or not self.is_open
        finally:
            if is_probe:
                self._is_probed = False

    def _starts_probe(self, now: datetime) -> bool:
        with self._lock:
            starts = bool(self._quiet_until and now >= self._quiet_until and not self._is_probed)
            self._is_probed |= starts
            return starts

    def failed(self, now: datetime) -> None:
        with self._lock:
            self._failures += 1
            self._quiet_until = now + self._waits.after(self._failures)

    def worked(self) -> None:
        with self._lock:
            self._failures = 0
            self._quiet_until = None
