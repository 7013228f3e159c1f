"""Looks every two seconds at everything that runs: processes, connections, lag, and tables that must stay small."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import psutil
import psycopg
from chaos.sampler import waiting
from chaos.site import STANDBYS, WEB, WORKERS
from servers.watch import Watch

from soak.slope import Growth, growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.site import Site

EVERY_S = 2.0
PROCESSES = (*WEB, *WORKERS, *STANDBYS)
_SERVICES = ("BOOKING_COMMAND", "BOOKING_QUERY", "NOTIFIER")
_MIB, _PAGE = 1024 * 1024, 8192
# What holds a row or more for each booking and grows with them; every other table must not.
_OF_BOOKINGS = (
    "stored_events", "slot_holds", "idempotency_keys", "bookings", "booking_history", "changes", "deliveries",
    "delivery_events", "reminders",
)  # fmt: skip
_TABLES = """
SELECT relname, pg_table_size(relid) FROM pg_stat_user_tables WHERE relname <> ALL(%s)
"""
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


class Limit(NamedTuple):
    """By how much a kind of measurement may grow: a share of what it is, or some in any case."""

    share: float
    slack: float


LIMITS = {
    "memory": Limit(0.10, 12 * _MIB),
    "files": Limit(0.10, 6),
    "threads": Limit(0.10, 4),
    "connections": Limit(0.10, 3),
    "table": Limit(0.10, 24 * _PAGE),
    "waiting": Limit(0.10, 25),
}


class Measures(Watch):
    """Series of what was measured, named `kind: of what`."""

    def __init__(self, site: Site, now_s: Callable[[], float]) -> None:
        super().__init__(EVERY_S)
        self._site = site
        self._now_s = now_s
        self._series: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def growths(self) -> list[Growth]:
        """One for each series that there was from beginning to end."""
        longest = max(map(len, self._series.values()))
        return [
            growth(name, points, *LIMITS[name.partition(":")[0]])
            for name, points in sorted(self._series.items())
            if len(points) > longest / 2
        ]

    def look(self) -> None:
        at_s = self._now_s()
        for name, value in [*self._of_processes(), *self._of_databases(), *self._of_lag()]:
            self._series[name].append((at_s, value))

    def _of_processes(self) -> Iterator[tuple[str, float]]:
        for name in PROCESSES:
            with contextlib.suppress(psutil.NoSuchProcess):
                leader = psutil.Process(self._site.pid(name))
                everyone = [leader, *leader.children(recursive=True)]
                yield f"memory: {name}", sum(one.memory_info().rss for one in everyone)
                yield f"files: {name}", sum(one.num_fds() for one in everyone)
                yield f"threads: {name}", sum(one.num_threads() for one in everyone)

    def _of_databases(self) -> Iterator[tuple[str, float]]:
        for service in _SERVICES:
            with psycopg.connect(self._site.environment[f"{service}_DATABASE_URL"]) as connection:
                [(connections,)] = connection.execute(_CONNECTIONS)
                yield f"connections: {service.lower()}", connections
                for table, size in connection.execute(_TABLES, (list(_OF_BOOKINGS),)):
                    yield f"table: {service.lower()}.{table}", size

    def _of_lag(self) -> Iterator[tuple[str, float]]:
        for name, count in waiting(self._site).items():
            yield f"waiting: {name}", count
