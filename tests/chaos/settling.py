"""Waiting until everything has healed and caught up; a deadline says when it never will."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from servers.waiting import until

if TYPE_CHECKING:
    from chaos.site import Site

# What each service's /statusz must say before there is anything to judge.
_STILL = {
    "command": {"http": 200, "relay_backlog_events": 0},
    "query": {"http": 200, "lag_events": 0},
    "notifier": {"http": 200, "lag_events": 0, "pending_deliveries": 0, "unreported_deliveries": 0},
}
_STILL_FOR_S = 2.5  # workers say once a second how far they are


def settle(site: Site, within_s: float) -> None:
    """Return when nothing has been under way for a while.

    Raises:
        AssertionError: in the words of the service that did not come to rest.
    """
    said: dict[str, Any] = {}
    moved_at_s = time.monotonic()

    def is_at_rest() -> bool:
        nonlocal moved_at_s
        said.update({service: site.status(service) for service in _STILL})
        if not all(wanted.items() <= said[service].items() for service, wanted in _STILL.items()):
            moved_at_s = time.monotonic()
        return time.monotonic() - moved_at_s >= _STILL_FOR_S

    try:
        until(is_at_rest, within_s, "rest")
    except AssertionError as error:
        raise AssertionError(f"{error}; the services say {said}") from None
