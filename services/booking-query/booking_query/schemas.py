"""The shapes of what the queries answer, for the description of the API."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from rebook.meeting_types import MeetingTypeFacts


def _moment(**metadata: Any) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", metadata={"example": "2030-11-05T14:00:00Z", **metadata})


class PersonSchema(Schema):
    name = fields.String(required=True)
    email = fields.String(metadata={"description": "For the team only"})


class CustomerSchema(Schema):
    name = fields.String(required=True)
    email = fields.String(required=True)
    timezone = fields.String(required=True)


class BookingSchema(Schema):
    booking_id = fields.UUID(required=True)
    version = fields.Integer(
        required=True, metadata={"description": "Counts the booking's events; also the ETag"}
    )
    status = fields.String(required=True, metadata={"enum": ["confirmed", "rescheduled", "cancelled"]})
    meeting_type = fields.String(required=True, metadata={"description": "The slug of its type"})
    title = fields.String(required=True)
    starts_at = _moment()
    ends_at = _moment()
    location = fields.String(required=True)
    host = fields.Nested(PersonSchema, required=True)
    customer = fields.Nested(CustomerSchema, required=True)
    notes = fields.String(required=True)
    created_at = _moment()
    updated_at = _moment()
    cancelled_at = _moment()
    cancel_reason = fields.String()
    reschedules = fields.Integer(required=True, metadata={"description": "How often it was moved"})


class HistoryEntrySchema(Schema):
    at = _moment()
    type = fields.String(
        required=True,
        metadata={
            "enum": [
                "confirmed",
                "rescheduled",
                "cancelled",
                "resend-requested",
                "customer-erased",
                "email-sent",
                "email-failed",
                "email-skipped",
            ]
        },
    )
    by = fields.String(
        required=True,
        metadata={"description": "`customer`, `notifier`, `operator`, or a team member's address"},
    )
    from_ = _moment(description="Of a move: when the meeting was to start before")
    to = _moment(description="Of a move: when it starts since then")
    reason = fields.String()
    letter = fields.String()
    recipient = fields.String()
    minutes_before = fields.Integer(metadata={"description": "Of a reminder"})

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.data_key = field_name.rstrip("_")


class BookingDetailsSchema(BookingSchema):
    history = fields.List(fields.Nested(HistoryEntrySchema), required=True)


class ManagedBookingSchema(BookingSchema):
    can_reschedule = fields.Boolean(required=True)
    can_cancel = fields.Boolean(required=True)


class BookingsSchema(Schema):
    items = fields.List(fields.Nested(BookingSchema), required=True)
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "Null on the last page"}
    )


class CountsSchema(Schema):
    upcoming = fields.Integer(required=True)
    past = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)


class MeetingTypeSchema(MeetingTypeFacts):
    slug = fields.String(required=True)
    version = fields.Integer(required=True)
    host = fields.Nested(PersonSchema, required=True)  # type: ignore[assignment]
    notify = fields.List(fields.String(), metadata={"description": "For the team only"})


class MeetingTypesSchema(Schema):
    items = fields.List(fields.Nested(MeetingTypeSchema), required=True)


class SlotSchema(Schema):
    starts_at = _moment()
    ends_at = _moment()


class DaySchema(Schema):
    date = fields.Date(required=True)
    slots = fields.List(fields.Nested(SlotSchema), required=True)


class SlotsSchema(Schema):
    timezone = fields.String(required=True)
    days = fields.List(
        fields.Nested(DaySchema), required=True, metadata={"description": "Days of that zone that have slots"}
    )


class ApiTokenSchema(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    created_at = _moment()
    created_by = fields.String(required=True)


class ApiTokensSchema(Schema):
    items = fields.List(fields.Nested(ApiTokenSchema), required=True)
