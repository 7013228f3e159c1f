"""The store's events as the events that other services read (`rebook.events`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import DatetimeAsISO, DecimalAsStr, JSONTranscoder, UUIDAsHex
from rebook import events
from rebook.cloudevents import Event
from rebook.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Callable

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
_ENVELOPE = ("timestamp", "correlation_id", "originator_topic", "definition")


class Contract:
    """Makes the public events of one store."""

    def __init__(self, store_id: UUID) -> None:
        self._source = f"/booking-command/{store_id}"
        transcoder = JSONTranscoder()
        for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
            transcoder.register(transcoding)
        self._decode: Callable[[bytes], dict[str, Any]] = transcoder.decode

    def event(self, stored: Stored) -> tuple[str, str, Event]:
        """The topic (without its prefix), the record's key, and the event."""
        published = PUBLISHED[stored.topic]
        state = self._decode(stored.state)
        stream_id = str(stored.stream_id)
        own_id = {published.id_field: stream_id} if published.id_field else {}
        facts = {name: value for name, value in state.items() if name not in _ENVELOPE}
        data = own_id | state.get("definition", {}) | _plain(facts)
        event = Event(
            id=f"{stream_id}:{stored.version}",
            source=self._source,
            type=published.type,
            subject=stream_id,
            time=format_moment(state["timestamp"]),
            sequence=stored.version,
            position=stored.position,
            correlation_id=state["correlation_id"],
            data=data,
        )
        return events.TOPIC_OF[published.type], data.get("slug", stream_id), event


def _plain(value: Any) -> Any:
    """JSON without the store's own marks: moments as RFC 3339, ids as text."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime):
        return format_moment(value)
    return str(value) if isinstance(value, UUID) else value
