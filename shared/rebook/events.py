"""The events on Rebook's topics: one marshmallow schema per type, and the names of types and topics.

The data of an event is plain JSON. Writers are held to these schemas by tests; readers take the fields they
know and ignore the rest, so a type never changes: what must differ is a `.v2` beside it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from rebook.meeting_types import MeetingTypeFacts
from rebook.topics import BOOKINGS, DELIVERIES, MEETING_TYPES, TEAM

BOOKING_CONFIRMED = "rebook.BookingConfirmed.v1"
BOOKING_RESCHEDULED = "rebook.BookingRescheduled.v1"
BOOKING_CANCELLED = "rebook.BookingCancelled.v1"
CONFIRMATION_RESEND_REQUESTED = "rebook.ConfirmationResendRequested.v1"
CUSTOMER_ERASED = "rebook.CustomerErased.v1"
MEETING_TYPE_DEFINED = "rebook.MeetingTypeDefined.v1"
MEETING_TYPE_DELETED = "rebook.MeetingTypeDeleted.v1"
TEAM_MEMBER_ADDED = "rebook.TeamMemberAdded.v1"
TEAM_MEMBER_REMOVED = "rebook.TeamMemberRemoved.v1"
TEAM_PASSWORD_CHANGED = "rebook.TeamPasswordChanged.v1"  # noqa: S105
TEAM_SESSION_ENDED = "rebook.TeamSessionEnded.v1"
API_TOKEN_ISSUED = "rebook.ApiTokenIssued.v1"  # noqa: S105
API_TOKEN_REVOKED = "rebook.ApiTokenRevoked.v1"  # noqa: S105
EMAIL_SENT = "rebook.EmailSent.v1"
EMAIL_FAILED = "rebook.EmailFailed.v1"
EMAIL_SKIPPED = "rebook.EmailSkipped.v1"

CUSTOMER = "customer"  # the actor of what a customer does; a team member's is their address
OPERATOR = "operator"  # the actor of what is done on the console
LETTERS = (
    "confirmation",
    "rescheduled",
    "cancelled",
    "reminder",
    "team-confirmation",
    "team-rescheduled",
    "team-cancelled",
)


class EventSchema(Schema):
    """What every event's data is held to: required fields, nothing else read."""

    class Meta:
        unknown = EXCLUDE


def moment() -> fields.AwareDateTime:
    """RFC 3339, UTC, `Z`."""
    return fields.AwareDateTime(format="iso", required=True)


def text() -> fields.String:
    return fields.String(required=True)


class Hold(EventSchema):
    """The slot with its buffers: what the host cannot give to anyone else."""

    starts_at = moment()
    ends_at = moment()


class Host(EventSchema):
    name = text()
    email = text()


class Customer(EventSchema):
    """Personal data, with `notes` and `reason` the only one in any event."""

    name = text()
    email = text()
    timezone = text()


class BookingConfirmed(EventSchema):
    """A customer's claim on a slot was accepted; freezes the terms as they stood."""

    booking_id = fields.UUID(required=True)
    meeting_type = text()
    title = text()
    duration_minutes = fields.Integer(required=True)
    location = text()
    host = fields.Nested(Host, required=True)
    timezone = text()
    team = fields.List(fields.String(), required=True)
    reminders_minutes_before = fields.List(fields.Integer(), required=True)
    reschedule_cutoff_minutes = fields.Integer(required=True)
    cancel_cutoff_minutes = fields.Integer(required=True)
    starts_at = moment()
    ends_at = moment()
    hold = fields.Nested(Hold, required=True)
    customer = fields.Nested(Customer, required=True)
    notes = text()
    actor = text()


class BookingRescheduled(EventSchema):
    """The meeting moved to another slot of the same meeting type."""

    booking_id = fields.UUID(required=True)
    previous_starts_at = moment()
    previous_ends_at = moment()
    starts_at = moment()
    ends_at = moment()
    hold = fields.Nested(Hold, required=True)
    actor = text()
    reason = text()


class BookingCancelled(EventSchema):
    """The meeting will not take place; its hold is free again."""

    booking_id = fields.UUID(required=True)
    actor = text()
    reason = text()


class ConfirmationResendRequested(EventSchema):
    """The team asked that the customer be sent the confirmation again."""

    booking_id = fields.UUID(required=True)
    actor = text()


class CustomerErased(EventSchema):
    """The customer's personal data is gone from this booking's events; the booking stands as it did.

    Copies of earlier events may still hold it: whoever keeps some blanks `customer` (but for the zone), `notes` and
    every `reason`, and addresses that letters went to.
    """

    booking_id = fields.UUID(required=True)
    actor = text()


class MeetingTypeDefined(EventSchema, MeetingTypeFacts):
    """A meeting type was added or changed: the whole definition, defaults filled in."""

    slug = text()
    actor = text()


class MeetingTypeDeleted(EventSchema):
    """It cannot be booked any more; its bookings stay."""

    slug = text()
    actor = text()


class TeamMemberAdded(EventSchema):
    """Somebody may log in; `generation` counts their passwords."""

    member_id = fields.UUID(required=True)
    email = text()
    generation = fields.Integer(required=True)


class TeamMemberRemoved(EventSchema):
    """Their sessions and API tokens end."""

    member_id = fields.UUID(required=True)


class TeamPasswordChanged(EventSchema):
    """Sessions of an earlier generation end."""

    member_id = fields.UUID(required=True)
    generation = fields.Integer(required=True)


class TeamSessionEnded(EventSchema):
    """One session was logged out."""

    member_id = fields.UUID(required=True)
    session_id = text()


class ApiTokenIssued(EventSchema):
    """A program may act in the name of the member who made the token."""

    token_id = fields.UUID(required=True)
    name = text()
    sha256 = text()
    member_id = fields.UUID(required=True)
    created_by = text()


class ApiTokenRevoked(EventSchema):
    token_id = fields.UUID(required=True)
    actor = text()


class _Email(EventSchema):
    delivery_id = fields.UUID(required=True)
    booking_id = fields.UUID(required=True)
    event_id = text()  # ce_id of what called for the letter
    event_source = fields.String()  # ce_source of it; not there where it is not known
    letter = fields.String(required=True, validate=validate.OneOf(LETTERS))
    recipient = text()
    minutes_before = fields.Integer(required=True, allow_none=True)  # of a reminder
    message_id = text()


class EmailSent(_Email):
    """A mail server took the letter."""


class EmailFailed(_Email):
    """A mail server refused it for good, or every try was used up."""

    reason = text()


class EmailSkipped(_Email):
    """It made no sense any more when its turn came."""

    reason = text()


SCHEMAS: dict[str, type[EventSchema]] = {
    BOOKING_CONFIRMED: BookingConfirmed,
    BOOKING_RESCHEDULED: BookingRescheduled,
    BOOKING_CANCELLED: BookingCancelled,
    CONFIRMATION_RESEND_REQUESTED: ConfirmationResendRequested,
    CUSTOMER_ERASED: CustomerErased,
    MEETING_TYPE_DEFINED: MeetingTypeDefined,
    MEETING_TYPE_DELETED: MeetingTypeDeleted,
    TEAM_MEMBER_ADDED: TeamMemberAdded,
    TEAM_MEMBER_REMOVED: TeamMemberRemoved,
    TEAM_PASSWORD_CHANGED: TeamPasswordChanged,
    TEAM_SESSION_ENDED: TeamSessionEnded,
    API_TOKEN_ISSUED: ApiTokenIssued,
    API_TOKEN_REVOKED: ApiTokenRevoked,
    EMAIL_SENT: EmailSent,
    EMAIL_FAILED: EmailFailed,
    EMAIL_SKIPPED: EmailSkipped,
}

# The topic of each type, without the prefix of its name.
TOPIC_OF: dict[str, str] = {
    BOOKING_CONFIRMED: BOOKINGS,
    BOOKING_RESCHEDULED: BOOKINGS,
    BOOKING_CANCELLED: BOOKINGS,
    CONFIRMATION_RESEND_REQUESTED: BOOKINGS,
    CUSTOMER_ERASED: BOOKINGS,
    MEETING_TYPE_DEFINED: MEETING_TYPES,
    MEETING_TYPE_DELETED: MEETING_TYPES,
    TEAM_MEMBER_ADDED: TEAM,
    TEAM_MEMBER_REMOVED: TEAM,
    TEAM_PASSWORD_CHANGED: TEAM,
    TEAM_SESSION_ENDED: TEAM,
    API_TOKEN_ISSUED: TEAM,
    API_TOKEN_REVOKED: TEAM,
    EMAIL_SENT: DELIVERIES,
    EMAIL_FAILED: DELIVERIES,
    EMAIL_SKIPPED: DELIVERIES,
}


def check(event_type: str, data: dict[str, Any]) -> dict[str, list[str]]:
    """What is wrong with an event's data by its type's schema; empty when nothing is."""
    return _schema(event_type).validate(data)


@cache
def _schema(event_type: str) -> EventSchema:
    """Making one takes five times as long as using it."""
    return SCHEMAS[event_type]()
