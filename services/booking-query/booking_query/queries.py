"""Everything that can be asked of the read tables, with the only clock of this service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flask import current_app
from rebook.moments import utc_now
from rebook.problems import UnknownBooking, UnknownMeetingType

from booking_query import bookings_list, slots
from booking_query.rows import BOOKING_COLUMNS, booking_of, history_entry_of, meeting_type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from booking_query.bookings_list import Page, Search
    from booking_query.database import Database, Row
    from booking_query.slots import Offer
    from booking_query.waiting import Waiting

_BOOKING = f"SELECT {BOOKING_COLUMNS} FROM bookings WHERE booking_id = %s"  # noqa: S608 - column names only
_HISTORY = """
    SELECT at, type, by, details FROM booking_history WHERE booking_id = %s
    ORDER BY at, (by = 'notifier'), sequence, event_id
"""
_SUMS = """
    SELECT sum({number}) AS bookings, sum({number}) FILTER (WHERE is_cancelled) AS cancelled,
           sum({number}) FILTER (WHERE NOT is_cancelled AND ends_on >= ends_on(%(now)s)) AS from_today_on
    FROM {table}
"""
_COUNTS = f"""
    WITH sums AS (
        {_SUMS.format(number="bookings", table="booking_counts")}
        UNION ALL {_SUMS.format(number="change", table="booking_count_changes")}
    ), all_days AS (
        SELECT coalesce(sum(bookings), 0) AS bookings, coalesce(sum(cancelled), 0) AS cancelled,
               coalesce(sum(from_today_on), 0) AS from_today_on
        FROM sums
    ), today AS (
        SELECT count(*) AS past FROM bookings
        WHERE status <> 'cancelled' AND ends_on(ends_at) = ends_on(%(now)s) AND ends_at <= %(now)s
          AND starts_at <= %(now)s
          AND starts_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') - {bookings_list.LONGEST}
    )
    SELECT from_today_on - past AS upcoming, bookings - cancelled - from_today_on + past AS past, cancelled
    FROM all_days, today
"""  # noqa: S608 - names of tables and columns only
_TYPES = """
    SELECT slug, version, definition FROM meeting_types WHERE deleted_at IS NULL
    ORDER BY definition->>'title', slug
"""
_TYPE = "SELECT slug, version, definition, deleted_at FROM meeting_types WHERE slug = %s"
_TOKENS = """
    SELECT token_id AS id, name, created_at, created_by FROM api_tokens
    WHERE revoked_at IS NULL ORDER BY created_at, token_id
"""


class Queries:
    """Asks the read tables; a read with `min_version` waits for it (see `waiting`)."""

    def __init__(self, database: Database, waiting: Waiting, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self._database = database
        self._waiting = waiting

    def bookings(self, search: Search) -> Page:
        return bookings_list.page(self._database, search, self.now())

    def counts(self) -> dict[str, int]:
        """How many bookings are upcoming, past and cancelled."""
        row = self._database.row(_COUNTS, {"now": self.now()})
        assert row is not None
        return {name: int(number) for name, number in row.items()}

    def booking(self, booking_id: str | UUID, min_version: int | None = None) -> dict[str, Any]:
        """One booking, with every fact.

        Raises:
            UnknownBooking: there is none of that id, or it is no id.
            NotYet: it has not reached `min_version`.
        """
        known = _known(booking_id)
        if min_version is not None:
            return self._waiting.until(lambda: self._booking(known, min_version))
        found = self._booking(known, 0)
        if found is None:
            raise UnknownBooking
        return found

    def managed(self, booking_id: UUID, min_version: int | None = None) -> dict[str, Any]:
        """The booking that a manage link opens; one that is not here yet is on its way.

        Raises:
            NotYet: it has not come, or not reached `min_version`.
        """
        booking = self.booking(booking_id, min_version or 0)
        now = self.now()
        booking["can_reschedule"] = slots.refusal_to_move(booking, now, team=False) is None
        booking["can_cancel"] = slots.refusal_to_cancel(booking, now, team=False) is None
        return booking

    def history(self, booking_id: str | UUID) -> list[dict[str, Any]]:
        """What happened to a booking, letters included, oldest first."""
        rows = self._database.rows(_HISTORY, (str(_known(booking_id)),))
        return [history_entry_of(row) for row in rows]

    def meeting_types(self) -> list[dict[str, Any]]:
        return [meeting_type_of(row) for row in self._database.rows(_TYPES)]

    def meeting_type(self, slug: str, min_version: int | None = None) -> dict[str, Any]:
        """A meeting type on offer.

        Raises:
            UnknownMeetingType: there is none under that slug, or none any more.
            NotYet: it has not reached `min_version`.
        """
        if min_version is None:
            row = self._type(slug, 0)
        else:
            row = self._waiting.until(lambda: self._type(slug, min_version))
        if row is None or row["deleted_at"]:
            raise UnknownMeetingType
        return meeting_type_of(row)

    def last_terms(self, slug: str) -> dict[str, Any]:
        """The type of a booking as it is, or as it last was: bookings of a deleted one still move by it.

        Raises:
            NotYet: it has not come, though a booking of it has: types and bookings are topics of their own.
        """
        return meeting_type_of(self._waiting.until(lambda: self._type(slug, 0)))

    def slots(self, meeting_type: Mapping[str, Any], first: date, last: date, where: ZoneInfo) -> Offer:
        """What a customer can book, from day to day of a zone, both included."""
        return slots.for_booking(self._database, meeting_type, first, last, where, self.now())

    def slots_for_move(
        self, booking: Mapping[str, Any], first: date, last: date, where: ZoneInfo, *, team: bool
    ) -> Offer:
        """What a booking can move to, from day to day of a zone, both included."""
        terms = self.last_terms(booking["meeting_type"])
        return slots.for_move(self._database, booking, terms, first, last, where, self.now(), team=team)

    def api_tokens(self) -> list[Row]:
        return self._database.rows(_TOKENS)

    def wait_for_token(self, token_id: str, *, gone: bool) -> None:
        """Wait until the list shows that an API token was made, or that it is gone.

        Raises:
            NotYet: it does not within two seconds.
        """
        self._waiting.until(lambda: self._is_listed(token_id) is not gone or None)

    def _is_listed(self, token_id: str) -> bool:
        return any(str(token["id"]) == token_id for token in self.api_tokens())

    def _booking(self, booking_id: UUID, min_version: int) -> dict[str, Any] | None:
        found = next(map(booking_of, self._database.values(_BOOKING, (str(booking_id),))), None)
        return found if found and found["version"] >= min_version else None

    def _type(self, slug: str, min_version: int) -> Row | None:
        if "\0" in slug:
            return None
        row = self._database.row(_TYPE, (slug,))
        return row if row and row["version"] >= min_version else None


def queries() -> Queries:
    """Those of the current app."""
    return cast("Queries", current_app.extensions["rebook_queries"])


def _known(booking_id: str | UUID) -> UUID:
    """A booking's id out of a path; what is no UUID is just unknown."""
    try:
        return booking_id if isinstance(booking_id, UUID) else UUID(booking_id)
    except ValueError:
        raise UnknownBooking from None
