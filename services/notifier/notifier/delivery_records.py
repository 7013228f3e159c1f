"""What became of letters as the deliveries topic tells it: written there, and taken over from it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from rebook.cloudevents import Event, NotAnEvent, event_of
from rebook.events import EMAIL_FAILED, EMAIL_SENT, EMAIL_SKIPPED, check
from rebook.moments import format_moment, parse_moment
from rebook.postgres import TROUBLE, savepoint

from notifier import delivery_events
from notifier.deliveries import FAILED, SENT, SKIPPED
from notifier.delivery_events import DeliveryEvent

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

log = structlog.get_logger()

SOURCE = "/notifier"
_TYPES = {SENT: EMAIL_SENT, FAILED: EMAIL_FAILED, SKIPPED: EMAIL_SKIPPED}
_STATES = {event_type: state for state, event_type in _TYPES.items()}


def event_of_delivery(event: DeliveryEvent) -> Event:
    """As it travels on the deliveries topic."""
    data = {
        "delivery_id": str(event.delivery_id),
        "booking_id": str(event.booking_id),
        "event_id": event.event_id,
        "letter": event.letter,
        "recipient": event.recipient,
        "minutes_before": event.minutes_before,
        "message_id": event.message_id,
    }
    if event.event_source:
        data["event_source"] = event.event_source
    return Event(
        id=f"{event.delivery_id}:{event.outcome}",
        source=SOURCE,
        type=_TYPES[event.state],
        subject=str(event.booking_id),
        time=format_moment(event.happened_at),
        sequence=event.outcome,
        position=event.position,
        correlation_id=event.correlation_id,
        data=data if event.state == SENT else {**data, "reason": event.reason},
    )


def taken_over(cursor: Cursor, records: list[ConsumerRecord]) -> int:
    """Take over what records tell and this database does not know; how many outcomes.

    All of them together, or one by one where one is hopeless: that one is passed over.
    """
    try:
        with savepoint(cursor):
            events = [delivery_event_of(event_of(record.headers, record.value)) for record in records]
            return delivery_events.restore(cursor, [*filter(None, events)])
    except TROUBLE:
        raise
    except Exception as error:  # whatever it is, it must not keep letters from being sent
        if len(records) > 1:
            return sum(taken_over(cursor, [record]) for record in records)
        where = {"partition": records[0].partition, "offset": records[0].offset}
        log.warning("record is no delivery event", error=type(error).__name__, **where)
        return 0


def delivery_event_of(event: Event) -> DeliveryEvent | None:
    """As this database keeps it; None for a type that the notifier does not write.

    Raises:
        NotAnEvent: it is not what its type promises.
    """
    if event.type not in _STATES:
        return None
    if wrong := check(event.type, event.data):
        raise NotAnEvent(f"{', '.join(wrong)} cannot be read")
    try:
        return _delivery_event(event)
    except ValueError as error:
        raise NotAnEvent(str(error)) from None


def _delivery_event(event: Event) -> DeliveryEvent:
    data = event.data
    return DeliveryEvent(
        delivery_id=UUID(data["delivery_id"]),
        booking_id=UUID(data["booking_id"]),
        event_id=data["event_id"],
        version=int(data["event_id"].rpartition(":")[2]),
        letter=data["letter"],
        recipient=data["recipient"],
        minutes_before=data["minutes_before"],
        message_id=data["message_id"],
        correlation_id=event.correlation_id,
        outcome=event.sequence,
        state=_STATES[event.type],
        reason=data.get("reason", ""),
        happened_at=parse_moment(event.time),
        position=event.position,
        event_source=data.get("event_source", ""),
    )
