"""Looks once a second at what waits: events for the queries, events for the relay, letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers.watch import Watch

from chaos.chart import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.site import Site

_EVERY_S = 1.0
_MEASURES = {
    "events to publish": ("command", "relay_backlog_events"),
    "events to show": ("query", "lag_events"),
    "letters to send": ("notifier", "pending_deliveries"),
}


class Sampler(Watch):
    """Where a service says nothing, nothing is kept."""

    def __init__(self, site: Site, now_s: Callable[[], float]) -> None:
        super().__init__(_EVERY_S)
        self.samples: list[Sample] = []
        self._site = site
        self._now_s = now_s

    def look(self) -> None:
        self.samples.append(Sample(self._now_s(), waiting(self._site)))


def waiting(site: Site) -> dict[str, int]:
    """What waits just now; nothing of a service that says nothing."""
    found = {name: site.status(service).get(key) for name, (service, key) in _MEASURES.items()}
    return {name: int(count) for name, count in found.items() if count is not None}
