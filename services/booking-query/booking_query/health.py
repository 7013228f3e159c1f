"""Whether this process can serve, and how the whole service is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg2
from flask import Blueprint, current_app
from rebook.health import ready, tell_status
from rebook.progress import status

from booking_query.projector import NAME

if TYPE_CHECKING:
    from booking_query.database import Database

blueprint = Blueprint("health", __name__)


@blueprint.get("/readyz")
def readiness() -> tuple[dict[str, str], int]:
    try:
        _database().row("SELECT 1")
    except psycopg2.OperationalError:
        return ready(False)
    return ready(True)


def service_status() -> tuple[bool, dict[str, Any]]:
    """Whether the projector does its job and has caught up once since it started; and the facts."""
    try:
        is_well, facts = _database().read(lambda cursor: status(cursor, NAME))
    except psycopg2.OperationalError:
        return False, {"database": "unavailable"}
    return is_well, {"database": "available", **facts}


blueprint.record_once(lambda state: tell_status(state.app, service_status))


def _database() -> Database:
    return cast("Database", current_app.extensions["rebook_database"])
