"""Every event that is published is held to its schema, and every CloudEvents reader can read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from booking_command.booking import Booking
from booking_command.contract import PUBLISHED, Contract
from booking_command.meeting_type import MeetingType
from booking_command.reader import Stored
from booking_command.store import EventStore
from booking_command.team import ApiToken, TeamMember
from cloudevents.core.bindings import kafka as kafka_binding
from cloudevents.core.formats.json import JSONFormat
from notifier.delivery_events import DeliveryEvent
from notifier.delivery_records import delivery_event_of, event_of_delivery
from rebook import events
from rebook.availability import Schedule
from rebook.cloudevents import Event, NotAnEvent, event_of
from rebook.meeting_types import Host
from rebook.meeting_types import MeetingType as Terms

NOW = datetime(2030, 11, 4, 8, tzinfo=UTC)
TERMS = Terms("Intro", 30, "Video", Host("Hana", "hana@example.org"), "UTC", {"tue": [["09:00", "17:00"]]})
STORE = UUID("7f2c6f0a-51c6-4a1e-9a53-0000000000aa")


def a_life_of_everything():
    schedule = Schedule.of(TERMS)
    booking = Booking.confirm(
        uuid4(),
        "intro",
        TERMS,
        schedule,
        datetime(2030, 11, 5, 9, tzinfo=UTC),
        customer={"name": "Ada", "email": "ada@example.org", "timezone": "UTC"},
        notes="",
        now=NOW,
    )
    booking.reschedule(datetime(2030, 11, 5, 10, tzinfo=UTC), schedule, actor="customer", now=NOW)
    booking.resend_confirmation(actor="hana@example.org", now=NOW)
    booking.cancel(actor="customer", now=NOW)
    booking.erase_customer(actor="operator")
    offered = MeetingType.define("intro", TERMS, actor="hana@example.org")
    offered.delete(actor="hana@example.org")
    offered.redefine(TERMS, actor="hana@example.org")
    member = TeamMember.add("hana@example.org")
    member.end_session("session")
    member.change_password()
    member.remove()
    member.add_again()
    token = ApiToken.issue(uuid4(), "sync", "0" * 64, member_id=member.id, created_by=member.email)
    token.revoke(actor=member.email)
    return [event for stream in (booking, offered, member, token) for event in stream.pending_events]


def published():
    store = EventStore("postgresql://nowhere.invalid/none", connections=1)  # only its mapper is used
    contract = Contract({0: STORE})
    for position, event in enumerate(a_life_of_everything(), start=1):
        stored = store.mapper.to_stored_event(event)
        yield contract.event(
            Stored(position, stored.originator_id, stored.originator_version, stored.topic, stored.state)
        )


def test_everything_that_can_happen_is_published_as_its_schema_says():
    seen = set()
    for _, _, event in published():
        assert events.check(event.type, event.data) == {}
        assert set(event.data) == set(events.SCHEMAS[event.type]().fields)
        seen.add(event.type)
    assert seen == {how.type for how in PUBLISHED.values()}


def test_an_event_that_travelled_is_the_event_that_was_sent():
    for _, _, event in published():
        assert event_of(event.headers(), event.value()) == event


def test_a_cloudevents_reader_of_other_make_reads_our_records():
    for _, key, event in published():
        message = kafka_binding.KafkaMessage(dict(event.headers()), key.encode(), event.value())
        read = kafka_binding.from_kafka(message, JSONFormat())
        assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
        assert read.get_data() == event.data


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        pytest.param([], b"{}", id="no headers"),
        pytest.param([("ce_id", b"x")], b"{}", id="attributes missing"),
        pytest.param("whole", b"[]", id="no object"),
        pytest.param("whole", b"{", id="no JSON"),
        pytest.param("whole", b"[" * 100_000, id="too deep"),
        pytest.param("whole", None, id="no value"),
    ],
)
def test_a_record_that_is_no_event_is_told_apart(headers, value):
    _, _, event = next(published())
    with pytest.raises(NotAnEvent):
        event_of(event.headers() if headers == "whole" else headers, value)


@pytest.mark.parametrize("state", ["sent", "failed", "skipped"])
def test_what_became_of_a_letter_is_told_as_its_schema_says(state):
    outcome = DeliveryEvent(
        delivery_id=uuid4(),
        booking_id=uuid4(),
        event_id=f"{uuid4()}:1",
        version=1,
        letter="confirmation",
        recipient="ada@example.org",
        minutes_before=None,
        message_id="<1@example.org>",
        correlation_id="c",
        outcome=1,
        state=state,
        reason="" if state == "sent" else "550 no such user",
        happened_at=NOW,
        position=1,
    )
    event = event_of_delivery(outcome)
    assert events.check(event.type, event.data) == {}
    assert delivery_event_of(event) == outcome


@pytest.mark.parametrize(
    "wrong",
    [{"delivery_id": None}, {"booking_id": 7}, {"letter": None}, {"letter": "love"}, {"event_id": "foo"}],
    ids=str,
)
def test_what_became_of_a_letter_is_not_believed_where_it_is_not_as_its_schema_says(wrong):
    data = {
        "delivery_id": str(uuid4()),
        "booking_id": str(uuid4()),
        "event_id": f"{uuid4()}:1",
        "letter": "confirmation",
        "recipient": "ada@example.org",
        "minutes_before": None,
        "message_id": "<1@example.org>",
    }
    event = Event("a:1", "/notifier", events.EMAIL_SENT, "a", "2030-11-05T14:00:00Z", 1, 1, "c", data)
    assert delivery_event_of(event)
    with pytest.raises(NotAnEvent):
        delivery_event_of(replace(event, data={**data, **wrong}))
