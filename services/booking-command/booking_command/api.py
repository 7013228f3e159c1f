"""The booking commands over HTTP: each endpoint a function of its needs, one success, the rest refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.events import CUSTOMER
from rebook.openapi import ETAG, IDEMPOTENCY_KEY, IF_MATCH, TEAM_ONLY, leads_to, may_refuse

from booking_command.access import access, acting, by_link, team_only
from booking_command.answers import ConfirmedSchema, ReceiptSchema, answered
from booking_command.commands import (
    Cancel,
    CancelSchema,
    Confirm,
    ConfirmSchema,
    EmptySchema,
    Reschedule,
    RescheduleSchema,
    ResendConfirmation,
)
from booking_command.limits import limited_bookings
from booking_command.requests import (
    BOOKING_REFUSALS,
    TEAM_REFUSALS,
    CommandBlueprint,
    bookings,
    conditions,
    known_booking,
)

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from booking_command.application import Receipt
    from booking_command.commands import Conditions

CHANGE_REFUSALS = ("booking-cancelled", "meeting-started")
MOVE_REFUSALS = ("slot-taken", "slot-unavailable")
LINK_REFUSALS = ("unknown-link", "too-many-requests", "cutoff-passed")

LOCATION = {
    "Location": {
        "schema": {"type": "string", "format": "uri-reference"},
        "description": "Where the team sees the booking",
    }
}
NEXT = leads_to("reschedule", "cancel", "resend_confirmation", booking_id="$response.body#/booking_id")

blueprint = CommandBlueprint("bookings", __name__, url_prefix="/v1")


@blueprint.post("/bookings")
@blueprint.doc(parameters=[IDEMPOTENCY_KEY], responses={201: {"links": NEXT}})
@may_refuse(
    blueprint,
    *BOOKING_REFUSALS,
    "unknown-meeting-type",
    "slot-taken",
    "slot-unavailable",
    "too-many-requests",
)
@limited_bookings
@blueprint.arguments(ConfirmSchema())
@blueprint.response(201, ConfirmedSchema, headers={**ETAG, **LOCATION})
def confirm(body: dict[str, Any]) -> Response:
    """Book a slot."""
    receipt = confirm_for_customer(Confirm(**body), conditions())
    answer = answered(receipt, 201, manage_url=access().links.url(receipt.booking_id))
    answer.headers["Location"] = f"/v1/bookings/{receipt.booking_id}"
    return answer


@blueprint.post("/bookings/<booking_id>/reschedule")
@blueprint.doc(security=TEAM_ONLY, parameters=[IDEMPOTENCY_KEY, IF_MATCH])
@may_refuse(blueprint, *BOOKING_REFUSALS, *TEAM_REFUSALS, "unknown-booking", *CHANGE_REFUSALS, *MOVE_REFUSALS)
@team_only
@blueprint.arguments(RescheduleSchema())
@blueprint.response(200, ReceiptSchema, headers=ETAG)
def reschedule(body: dict[str, Any], booking_id: str) -> Response:
    """Move a meeting."""
    command = Reschedule(known_booking(booking_id), actor=acting().email, **body)
    return answered(bookings().reschedule(command, conditions()))


@blueprint.post("/bookings/<booking_id>/cancel")
@blueprint.doc(security=TEAM_ONLY, parameters=[IDEMPOTENCY_KEY, IF_MATCH])
@may_refuse(blueprint, *BOOKING_REFUSALS, *TEAM_REFUSALS, "unknown-booking", "meeting-started")
@team_only
@blueprint.arguments(CancelSchema())
@blueprint.response(200, ReceiptSchema, headers=ETAG)
def cancel(body: dict[str, Any], booking_id: str) -> Response:
    """Cancel a meeting."""
    command = Cancel(known_booking(booking_id), actor=acting().email, **body)
    return answered(bookings().cancel(command, conditions()))


@blueprint.post("/bookings/<booking_id>/resend-confirmation")
@blueprint.doc(security=TEAM_ONLY, parameters=[IDEMPOTENCY_KEY, IF_MATCH])
@may_refuse(blueprint, *BOOKING_REFUSALS, *TEAM_REFUSALS, "unknown-booking", *CHANGE_REFUSALS)
@team_only
@blueprint.arguments(EmptySchema())
@blueprint.response(202, ReceiptSchema, headers=ETAG)
def resend_confirmation(_: dict[str, Any], booking_id: str) -> Response:
    """Mail the confirmation to the customer again."""
    command = ResendConfirmation(known_booking(booking_id), actor=acting().email)
    return answered(bookings().resend_confirmation(command, conditions()), 202)


@blueprint.post("/manage/<token>/reschedule")
@blueprint.doc(parameters=[IDEMPOTENCY_KEY, IF_MATCH])
@may_refuse(blueprint, *BOOKING_REFUSALS, *LINK_REFUSALS, *CHANGE_REFUSALS, *MOVE_REFUSALS)
@by_link
@blueprint.arguments(RescheduleSchema())
@blueprint.response(200, ReceiptSchema, headers=ETAG)
def reschedule_by_link(body: dict[str, Any], booking_id: UUID) -> Response:
    """Move one's own meeting."""
    command = Reschedule(booking_id, actor=CUSTOMER, **body)
    return answered(bookings().reschedule(command, conditions()))


@blueprint.post("/manage/<token>/cancel")
@blueprint.doc(parameters=[IDEMPOTENCY_KEY, IF_MATCH])
@may_refuse(blueprint, *BOOKING_REFUSALS, *LINK_REFUSALS, "meeting-started")
@by_link
@blueprint.arguments(CancelSchema())
@blueprint.response(200, ReceiptSchema, headers=ETAG)
def cancel_by_link(body: dict[str, Any], booking_id: UUID) -> Response:
    """Cancel one's own meeting."""
    command = Cancel(booking_id, actor=CUSTOMER, **body)
    return answered(bookings().cancel(command, conditions()))


def confirm_for_customer(command: Confirm, on: Conditions) -> Receipt:
    """Book within the share of one customer's address; a repeated request takes nothing from it."""
    customer = command.customer["email"]
    receipt = bookings().confirm(command, on, lambda: access().must_have_bookings_left(customer))
    if not receipt.repeated:
        access().count_booking(customer)
    return receipt
