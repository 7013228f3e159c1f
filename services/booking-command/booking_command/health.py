"""Whether this process can serve, and how the whole service is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from eventsourcing.persistence import PersistenceError
from flask import Blueprint, current_app
from rebook.health import ready, tell_status

if TYPE_CHECKING:
    from booking_command.store import EventStore

blueprint = Blueprint("health", __name__)

_STATUS = """
SELECT lease.holder, lease.epoch, lease.caught_up_at IS NOT NULL AS caught_up,
       coalesce(lease.seen_at > now() - interval '15 seconds', false) AS relay_alive,
       (SELECT coalesce(max(notification_id), 0) FROM stored_events)
         - (SELECT coalesce(min(position), 0) FROM relay_cursors) AS backlog
FROM relay_lease AS lease
"""


def store() -> EventStore:
    return cast("EventStore", current_app.extensions["rebook_store"])


@blueprint.get("/readyz")
def readiness() -> tuple[dict[str, str], int]:
    try:
        store().appender.row("SELECT 1")
    except PersistenceError:
        return ready(False)
    return ready(True)


def service_status() -> tuple[bool, dict[str, Any]]:
    """Whether the store answers, and the relay is alive and has caught up once; and the facts."""
    try:
        row = dict(store().appender.row(_STATUS) or {})
    except PersistenceError:
        return False, {"store": "unavailable"}
    return row["relay_alive"] and row["caught_up"], {
        "store": "available",
        "relay": "running" if row["relay_alive"] else "silent",
        "relay_alive": row["relay_alive"],
        "relay_epoch": row["epoch"],
        "relay_caught_up": row["caught_up"],
        "relay_backlog_events": row["backlog"],
    }


blueprint.record_once(lambda state: tell_status(state.app, service_status))
