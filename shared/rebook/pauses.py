"""How long to wait before a session that lost a server is tried again."""

from __future__ import annotations

import time

_FIRST_S, _LONGEST_S = 0.2, 5.0
_CALM_AFTER_S = 30.0  # a session that lasted so long was no failure


def next_pause_s(before_s: float, began_s: float, *, failed: bool = True) -> float:
    """Twice the pause before that session, which began then (monotonic); the first one where it did not fail."""
    if not failed or not before_s or time.monotonic() - began_s > _CALM_AFTER_S:
        return _FIRST_S
    return min(before_s * 2, _LONGEST_S)
