"""The command side over HTTP on a real event store: what is answered, and what is stored."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from servers.command_side import ADA, MEETING_TYPE, PASSWORD

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

pytestmark = pytest.mark.usefixtures("offered")

days = iter(range(1, 3000))


@pytest.fixture
def nine() -> datetime:
    """Nine o'clock on a day that no other test books."""
    return datetime.fromordinal(datetime(2030, 1, 1, tzinfo=UTC).toordinal() + next(days)).replace(
        hour=9, tzinfo=UTC
    )


def at(moment: datetime, hour: int, minute: int = 0) -> str:
    return moment.replace(hour=hour, minute=minute).isoformat()


def book(client: FlaskClient, starts_at: str, *, slug: str = "intro", **headers: str) -> TestResponse:
    body = {"meeting_type": slug, "starts_at": starts_at, "customer": ADA}
    return client.post("/v1/bookings", json=body, headers=headers)


def booked(client: FlaskClient, starts_at: str) -> dict[str, Any]:
    answer = book(client, starts_at)
    assert answer.status_code == 201, answer.json
    return answer.json


def token_of(booking: dict[str, Any]) -> str:
    return booking["manage_url"].rsplit("/", 1)[-1]


def events_of(command_store: str, booking_id: str) -> list[str]:
    with psycopg.connect(command_store) as connection:
        rows = connection.execute(
            "SELECT topic FROM stored_events WHERE originator_id = %s ORDER BY originator_version",
            (booking_id,),
        )
        return [topic for (topic,) in rows]


def at_once(*calls: Any) -> list[Any]:
    """Make every call at the same moment, each in a thread of its own."""
    gate = threading.Barrier(len(calls))

    def wait_and(call: Any) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(wait_and, calls))


def test_a_customer_books_moves_and_cancels_with_one_link(client, command_store, nine):
    booking = booked(client, at(nine, 9))
    link = f"/v1/manage/{token_of(booking)}"
    moved = client.post(f"{link}/reschedule", json={"starts_at": at(nine, 10), "reason": "later"})
    cancelled = client.post(f"{link}/cancel", json={"reason": "ill"})
    again = client.post(f"{link}/cancel")
    assert [answer.json["version"] for answer in (moved, cancelled, again)] == [2, 3, 3]
    assert [answer.json["status"] for answer in (moved, cancelled, again)] == [
        "rescheduled",
        "cancelled",
        "cancelled",
    ]
    assert cancelled.headers["ETag"] == '"3"'
    assert events_of(command_store, booking["booking_id"]) == [
        "BookingConfirmed",
        "BookingRescheduled",
        "BookingCancelled",
    ]


def test_two_bookings_for_one_slot_at_once_are_one_201_and_one_409(command_app, nine):
    answers = at_once(
        lambda: book(command_app.test_client(), at(nine, 9)),
        lambda: book(command_app.test_client(), at(nine, 9), slug="follow-up"),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    [loser] = [answer for answer in answers if answer.status_code == 409]
    assert loser.json["code"] == "slot-taken"


@pytest.fixture(scope="module")
def buffered(command_app, team) -> None:
    """Two meeting types of another host: `padded` keeps 10 minutes free before it and 20 after, `plain` none."""
    other = MEETING_TYPE | {"host": {"name": "Ben", "email": "ben@example.org"}, "slot_step_minutes": 5}
    padded = {**other, "buffer_before_minutes": 10, "buffer_after_minutes": 20}
    for slug, terms in (("plain", other), ("padded", padded)):
        added = command_app.test_client().put(f"/v1/meeting-types/{slug}", json=terms, headers=team)
        assert added.status_code == 201


@pytest.mark.parametrize(
    ("held", "wanted", "overlapping", "touching"),
    [
        ("padded", "plain", (9, 25), (9, 20)),  # before: 9:50 to 10:00 is kept free
        ("padded", "plain", (10, 45), (10, 50)),  # after: 10:30 to 10:50 is
        ("plain", "padded", (10, 35), (10, 40)),  # the newcomer's own buffer before
        ("plain", "padded", (9, 15), (9, 10)),  # and after
        ("padded", "padded", (10, 55), (11, 0)),  # buffers of both sides stand side by side
    ],
)
@pytest.mark.usefixtures("buffered")
def test_holds_of_one_host_may_touch_with_their_buffers_and_never_overlap(
    client, nine, held, wanted, overlapping, touching
):
    assert book(client, at(nine, 10), slug=held).status_code == 201
    refused = book(client, at(nine, *overlapping), slug=wanted)
    assert (refused.status_code, refused.json["code"]) == (409, "slot-taken")
    assert book(client, at(nine, *touching), slug=wanted).status_code == 201


@pytest.mark.usefixtures("buffered")
def test_a_move_brings_its_buffers_along(client, nine):
    assert book(client, at(nine, 10), slug="plain").status_code == 201
    link = f"/v1/manage/{token_of(book(client, at(nine, 14), slug='padded').json)}/reschedule"
    assert client.post(link, json={"starts_at": at(nine, 10, 35)}).json["code"] == "slot-taken"
    assert client.post(link, json={"starts_at": at(nine, 10, 40)}).status_code == 200
    assert book(client, at(nine, 11, 25), slug="plain").status_code == 409
    assert book(client, at(nine, 14), slug="plain").status_code == 201


def test_twenty_moves_into_one_slot_have_one_winner(command_app, client, nine):
    links = [token_of(booked(client, at(nine, hour, minute))) for hour in range(10, 20) for minute in (0, 30)]
    target = {"starts_at": at(nine, 9)}
    answers = at_once(
        *(
            lambda link=link: command_app.test_client().post(f"/v1/manage/{link}/reschedule", json=target)
            for link in links
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19


def test_two_bookings_that_swap_slots_at_once_never_stall_or_fail(command_app, client, nine):
    first, second = (token_of(booked(client, at(nine, hour))) for hour in (9, 10))
    answers = at_once(
        lambda: command_app.test_client().post(
            f"/v1/manage/{first}/reschedule", json={"starts_at": at(nine, 10)}
        ),
        lambda: command_app.test_client().post(
            f"/v1/manage/{second}/reschedule", json={"starts_at": at(nine, 9)}
        ),
    )
    assert {answer.status_code for answer in answers} <= {200, 409}


def test_a_move_and_a_cancel_at_once_leave_a_cancelled_booking(command_app, client, command_store, nine):
    booking = booked(client, at(nine, 9))
    link = f"/v1/manage/{token_of(booking)}"
    move, cancel = at_once(
        lambda: command_app.test_client().post(f"{link}/reschedule", json={"starts_at": at(nine, 10)}),
        lambda: command_app.test_client().post(f"{link}/cancel"),
    )
    assert cancel.status_code == 200
    assert move.status_code in {200, 409}
    assert events_of(command_store, booking["booking_id"])[-1] == "BookingCancelled"
    assert book(client, at(nine, 9)).status_code == book(client, at(nine, 10)).status_code == 201


def test_ten_requests_with_one_key_make_one_booking_and_ten_equal_answers(command_app, command_store, nine):
    answers = at_once(
        *[lambda: book(command_app.test_client(), at(nine, 9), **{"Idempotency-Key": f"ten-{nine}"})] * 10
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_data() for answer in answers}) == 1
    assert events_of(command_store, answers[0].json["booking_id"]) == ["BookingConfirmed"]


def test_a_key_is_good_for_one_request_only(client, nine):
    key = {"Idempotency-Key": f"once-{nine}"}
    assert book(client, at(nine, 9), **key).status_code == 201
    other = book(client, at(nine, 11), **key)
    assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")


def test_a_change_that_knows_an_older_version_is_refused(client, team, nine):
    booking = booked(client, at(nine, 9))
    path = f"/v1/bookings/{booking['booking_id']}/reschedule"
    body = {"starts_at": at(nine, 10)}
    assert client.post(path, json=body, headers={**team, "If-Match": '"1"'}).status_code == 200
    stale = client.post(path, json={"starts_at": at(nine, 11)}, headers={**team, "If-Match": '"1"'})
    assert (stale.status_code, stale.json["code"]) == (412, "stale-version")


def test_a_cancelled_booking_gives_its_time_back(client, team, nine):
    booking = booked(client, at(nine, 9))
    assert book(client, at(nine, 9)).status_code == 409
    assert client.post(f"/v1/bookings/{booking['booking_id']}/cancel", headers=team).status_code == 200
    assert book(client, at(nine, 9)).status_code == 201


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed-json"),
        (b'{"a": NaN}', "application/json", 400, "malformed-json"),
        (b"\xff", "application/json", 400, "malformed-json"),
        (b"[" * 60_000, "application/json", 400, "malformed-json"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"[]", "application/json", 422, "malformed-command"),
        (b" " * 70_000, "application/json", 413, "body-too-large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_its_kind(client, body, content_type, status, code):
    answer = client.post("/v1/bookings", data=body, content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"


def test_what_is_wrong_with_a_booking_is_told_field_by_field(client):
    body = {
        "starts_at": "2030-11-05T09:00:00",
        "customer": {"name": "\x00", "email": "ada", "timezone": "Mars"},
        "x": 1,
    }
    answer = client.post("/v1/bookings", json=body)
    assert answer.status_code == 422
    assert set(answer.json["errors"]) == {
        "meeting_type",
        "starts_at",
        "customer.name",
        "customer.email",
        "customer.timezone",
        "x",
    }


def test_a_session_writes_only_with_its_csrf_token(client, nine):
    booking = booked(client, at(nine, 9))
    path = f"/v1/bookings/{booking['booking_id']}/cancel"
    assert client.post(path).status_code == 401
    login = {"email": "hana@example.org", "password": PASSWORD}
    assert client.post("/v1/session", json=login).status_code == 204
    assert client.post(path).json["code"] == "csrf"
    repeated = {"X-CSRF-Token": client.get_cookie("rebook_csrf").value}
    assert client.post(path, headers=repeated).status_code == 200
    session = client.get_cookie("rebook_session").value
    assert client.delete("/v1/session", headers=repeated).status_code == 204
    client.set_cookie("rebook_session", session)
    assert client.post(path, headers=repeated).status_code == 401


def test_a_meeting_type_that_does_not_change_makes_no_event(client, team):
    path = "/v1/meeting-types/steady"
    versions = [client.put(path, json=MEETING_TYPE, headers=team).json["version"] for _ in range(2)]
    assert versions == [1, 1]
    assert client.delete(path, headers=team).headers["ETag"] == '"2"'
    assert client.delete(path, headers=team).status_code == 404
    again = client.put(path, json=MEETING_TYPE, headers=team)
    assert (again.status_code, again.json["version"]) == (201, 3)


def test_a_refused_form_goes_back_to_its_page_and_keeps_what_was_typed(command_app, client, nine):
    typed = {"name": "Ada", "email": "not an address", "timezone": "UTC", "starts_at": at(nine, 9)}
    answer = client.post("/book/intro", data=typed)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/book/intro")
    assert answer.headers["Set-Cookie"].startswith("rebook_draft_")


def test_a_double_click_books_once(client, nine):
    typed = {**ADA, "starts_at": at(nine, 9), "idempotency_key": f"click-{nine}"}
    first, second = (client.post("/book/intro", data=typed) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert "done=booked" in first.headers["Location"]
