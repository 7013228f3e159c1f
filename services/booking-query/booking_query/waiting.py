"""Reading one's own write: a read may wait for the version that the reader has already been told of."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from rebook.problems import NotYet

from booking_query.parameters import VersionedSchema, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

PATIENCE_S = 2.0
_LOOK_EVERY_S = 0.01
_ASKED = VersionedSchema()


def min_version(parameters: Mapping[str, str]) -> int | None:
    """The parameter `min_version`, whatever else there is.

    Raises:
        Refused: malformed-query, it is no version.
    """
    asked = {"min_version": parameters.get("min_version", "")}
    found: int | None = read(_ASKED, asked).get("min_version")
    return found


class Waiting:
    """Lets so many requests of this process wait at a time that others are still served."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def until(self, look: Callable[[], T | None]) -> T:
        """What `look` finds, now or within two seconds.

        Raises:
            NotYet: nothing in that time, or too many wait already.
        """
        found = look()
        if found is not None:
            return found
        if not self._places.acquire(blocking=False):
            raise NotYet
        try:
            return _keep_looking(look)
        finally:
            self._places.release()


def _keep_looking(look: Callable[[], T | None]) -> T:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
        found = look()
        if found is not None:
            return found
    raise NotYet
