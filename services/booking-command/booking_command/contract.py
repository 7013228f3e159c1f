"""The store's events as the events that other services read (`rebook.events`)."""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rebook import events
from rebook.cloudevents import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

    from booking_command.reader import Stored


class Published(NamedTuple):
    """How one kind of stored event is published: its type, and what its data calls the stream's id."""

    type: str
    id_field: str | None


PUBLISHED = {
    "BookingConfirmed": Published(events.BOOKING_CONFIRMED, "booking_id"),
    "BookingRescheduled": Published(events.BOOKING_RESCHEDULED, "booking_id"),
    "BookingCancelled": Published(events.BOOKING_CANCELLED, "booking_id"),
    "ConfirmationResendRequested": Published(events.CONFIRMATION_RESEND_REQUESTED, "booking_id"),
    "CustomerErased": Published(events.CUSTOMER_ERASED, "booking_id"),
    "MeetingTypeDefined": Published(events.MEETING_TYPE_DEFINED, None),
    "MeetingTypeRedefined": Published(events.MEETING_TYPE_DEFINED, None),
    "MeetingTypeDeleted": Published(events.MEETING_TYPE_DELETED, None),
    "TeamMemberAdded": Published(events.TEAM_MEMBER_ADDED, "member_id"),
    "TeamMemberAddedAgain": Published(events.TEAM_MEMBER_ADDED, "member_id"),
    "TeamMemberRemoved": Published(events.TEAM_MEMBER_REMOVED, "member_id"),
    "TeamPasswordChanged": Published(events.TEAM_PASSWORD_CHANGED, "member_id"),
    "TeamSessionEnded": Published(events.TEAM_SESSION_ENDED, "member_id"),
    "ApiTokenIssued": Published(events.API_TOKEN_ISSUED, "token_id"),
    "ApiTokenRevoked": Published(events.API_TOKEN_REVOKED, "token_id"),
}


class Contract:
    """Makes the public events of one store; `store_ids` by the position of the first event that each identifies."""

    def __init__(self, store_ids: Mapping[int, UUID]) -> None:
        self._first_positions = sorted(store_ids)
        self._sources = [f"/booking-command/{store_ids[first]}" for first in self._first_positions]
        self.store_id = store_ids[self._first_positions[-1]]  # of what is stored from now on
        self.was_restored = len(store_ids) > 1

    @classmethod
    def of_store(cls, connection: Connection[Any]) -> Contract:
        """The contract of the store that the connection leads to."""
        rows: list[Any] = connection.execute("SELECT first_position, store_id FROM store_ids").fetchall()
        return cls(dict(rows))

    def event(self, stored: Stored) -> tuple[str, str, Event]:
        """The topic (without its prefix), the record's key, and the event."""
        published = PUBLISHED[stored.topic]
        stream_id = str(stored.stream_id)
        data = _decode(stored.state.decode())
        time, correlation_id = data.pop("timestamp"), data.pop("correlation_id")
        data.pop("originator_topic", None)
        data |= data.pop("definition", {})
        if published.id_field:
            data[published.id_field] = stream_id
        event = Event(
            id=f"{stream_id}:{stored.version}",
            source=self._source(stored.position),
            type=published.type,
            subject=stream_id,
            time=time,
            sequence=stored.version,
            position=stored.position,
            correlation_id=correlation_id,
            data=data,
        )
        return events.TOPIC_OF[published.type], data.get("slug", stream_id), event

    def _source(self, position: int) -> str:
        return self._sources[bisect_right(self._first_positions, position) - 1]


def _plain(value: dict[str, Any]) -> Any:
    """JSON without the marks of the store's transcoder: moments as RFC 3339 in UTC, ids as text.

    Reading them as objects, only to write them as text again, would take most of the time it takes to publish.
    """
    kind = value.get("_type_")
    if kind == "datetime_iso":
        return value["_data_"].replace("+00:00", "Z")
    if kind == "uuid_hex":
        return str(UUID(hex=value["_data_"]))
    return value


_decode = json.JSONDecoder(object_hook=_plain).decode
