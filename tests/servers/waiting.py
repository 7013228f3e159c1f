"""Waiting for what nobody announces."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_EVERY_S = 0.02


def until(condition: Callable[[], T], timeout_s: float, what: str = "the condition") -> T:
    """Ask again and again until the answer is true; that answer.

    Prefer something to block on where there is something.

    Raises:
        AssertionError: it was never true in time.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout_s:g} s"
        pause.wait(_EVERY_S)
    return answer
