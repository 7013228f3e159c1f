"""Whether this process can serve, and how the whole service is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from eventsourcing.persistence import PersistenceError
from flask import Blueprint, current_app
from rebook.serving import ready

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


@blueprint.get("/statusz")
def status() -> tuple[dict[str, Any], int]:
    """The whole service: 200 when the store answers, and the relay is alive and has caught up once."""
    try:
        row = dict(store().appender.row(_STATUS) or {})
    except PersistenceError:
        return {"status": "not ready", "store": "unavailable"}, 503
    well = row["relay_alive"] and row["caught_up"]
    body = {
        "status": "ready" if well else "not ready",
        "store": "available",
        "relay": "running" if row["relay_alive"] else "silent",
        "relay_epoch": row["epoch"],
        "relay_caught_up": row["caught_up"],
        "relay_backlog_events": row["backlog"],
    }
    return body, 200 if well else 503
