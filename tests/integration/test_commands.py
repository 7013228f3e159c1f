"""The command side over HTTP on a real event store: what is answered, and what is stored."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pytest
from booking_command.meeting_type import MeetingType
from flask import Request
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from servers.command_side import ADA, MEETING_TYPE, PASSWORD
from servers.waiting import until
from werkzeug.test import EnvironBuilder

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from rebook.drafts import Draft
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


def post(app: Flask, path: str, **options: Any) -> TestResponse:
    """POST from a client of its own, as one of several at once has to."""
    return app.test_client().post(path, **options)


def logged_in(client: FlaskClient) -> dict[str, str]:
    """The headers of a write, once the client has a session."""
    answer = client.post("/v1/session", json={"email": "hana@example.org", "password": PASSWORD})
    assert answer.status_code == 204
    return {"X-CSRF-Token": client.get_cookie("rebook_csrf").value}


def draft_of(app: Flask, answer: TestResponse, page: str) -> Draft:
    """What a refused form's answer brings back to its page."""
    cookies = "; ".join(header.split(";")[0] for header in answer.headers.getlist("Set-Cookie"))
    request = Request(EnvironBuilder(page, headers={"Cookie": cookies}).get_environ())
    found: Draft | None = app.extensions["rebook_drafts"].read(request)
    assert found
    return found


def aged(session: str, *, seconds: int) -> str:
    """The same session as if it had been used last so long ago."""

    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - seconds

    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    now, then = (
        URLSafeTimedSerializer("s" * 32, salt="rebook.session.v1", signer=signer, signer_kwargs=options)
        for signer in (TimestampSigner, Earlier)
    )
    return str(then.dumps(now.loads(session)))


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


def test_two_moves_of_one_booking_at_once_both_happen(command_app, command_store, client, nine):
    booking = booked(client, at(nine, 9))
    move = f"/v1/manage/{token_of(booking)}/reschedule"
    hours = (11, 13)
    with psycopg.connect(command_store) as holder, ThreadPoolExecutor(2) as rivals:
        holder.execute("SELECT FROM slot_holds WHERE booking_id = %s FOR UPDATE", (booking["booking_id"],))
        answers = [
            rivals.submit(post, command_app, move, json={"starts_at": at(nine, hour)}) for hour in hours
        ]
        until(lambda: waiting_for_locks(command_store) == len(hours), 10, "both moves at the same row")
        holder.rollback()
        assert [answer.result().status_code for answer in answers] == [200, 200]
    moves = ["BookingRescheduled"] * 2
    assert events_of(command_store, booking["booking_id"]) == ["BookingConfirmed", *moves]


def waiting_for_locks(store: str) -> int:
    with psycopg.connect(store) as watcher:
        row = watcher.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    return int(row[0]) if row else 0


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


def test_a_key_is_free_again_after_a_day(client, command_store, nine):
    key = {"Idempotency-Key": f"day-{nine}"}
    first = book(client, at(nine, 9), **key)
    with psycopg.connect(command_store) as connection:
        connection.execute(
            "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours' WHERE key = %s",
            (f"day-{nine}",),
        )
    second = book(client, at(nine, 10), **key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["booking_id"] != second.json["booking_id"]
    assert book(client, at(nine, 10), **key).get_data() == second.get_data()


def test_a_repeat_gets_the_same_answer_whatever_has_happened_since(client, team, nine):
    booking = booked(client, at(nine, 9))
    path = f"/v1/bookings/{booking['booking_id']}/reschedule"
    known = {**team, "Idempotency-Key": f"since-{nine}", "If-Match": '"1"'}
    first = client.post(path, json={"starts_at": at(nine, 10)}, headers=known)
    assert client.post(f"/v1/bookings/{booking['booking_id']}/cancel", headers=team).json["version"] == 3
    again = client.post(path, json={"starts_at": at(nine, 10)}, headers=known)
    assert (again.status_code, again.headers["ETag"]) == (200, '"2"')
    assert again.get_data() == first.get_data()


def test_repeats_at_once_wait_for_the_first_answer_even_where_it_makes_their_version_stale(
    command_app, client, team, nine
):
    path = f"/v1/bookings/{booked(client, at(nine, 9))['booking_id']}/reschedule"
    for version, hour in enumerate(range(10, 22), start=1):
        known = {**team, "Idempotency-Key": f"wait-{nine}-{version}", "If-Match": f'"{version}"'}
        move = partial(post, command_app, path, json={"starts_at": at(nine, hour)}, headers=known)
        answers = at_once(*[move] * 8)
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json["version"] for answer in answers} == {version + 1}


@pytest.mark.parametrize("key", ["a\0b", "k" * 256])
def test_a_forms_key_that_cannot_be_kept_is_refused_like_any_field(command_app, client, nine, key):
    typed = {**ADA, "starts_at": at(nine, 9), "idempotency_key": key}
    answer = client.post("/book/intro", data=typed)
    assert answer.headers["Location"] == "/book/intro"
    assert draft_of(command_app, answer, "/book/intro").code == "malformed-command"


def test_a_change_that_knows_an_older_version_is_refused(client, team, nine):
    booking = booked(client, at(nine, 9))
    path = f"/v1/bookings/{booking['booking_id']}/reschedule"
    body = {"starts_at": at(nine, 10)}
    assert client.post(path, json=body, headers={**team, "If-Match": '"1"'}).status_code == 200
    stale = client.post(path, json={"starts_at": at(nine, 11)}, headers={**team, "If-Match": '"1"'})
    assert (stale.status_code, stale.json["code"]) == (412, "stale-version")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:30:00Z", "9998-12-31T23:30:00-23:59"]
)
def test_the_ends_of_the_calendar_are_not_on_offer(client, team, nine, moment):
    booking = booked(client, at(nine, 9))
    path = f"/v1/bookings/{booking['booking_id']}/reschedule"
    for answer in (
        client.post(path, json={"starts_at": moment}, headers=team),
        client.post(f"/v1/manage/{token_of(booking)}/reschedule", json={"starts_at": moment}),
        book(client, moment),
    ):
        assert (answer.status_code, answer.json["code"]) == (422, "slot-unavailable")


def test_every_422_names_what_is_wrong(client, nine):
    key = {"Idempotency-Key": f"named-{nine}"}
    off_step = book(client, at(nine, 9, 10))
    assert (off_step.json["code"], list(off_step.json["errors"])) == ("slot-unavailable", ["starts_at"])
    book(client, at(nine, 9), **key)
    reused = book(client, at(nine, 10), **key)
    assert (reused.json["code"], list(reused.json["errors"])) == (
        "idempotency-key-reused",
        ["Idempotency-Key"],
    )
    for blank in ("", " ", "a\0"):
        answer = book(client, at(nine, 11), slug=blank)
        assert (answer.json["code"], list(answer.json["errors"])) == ("malformed-command", ["meeting_type"])


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


def test_a_form_that_is_too_large_goes_back_to_its_page_and_does_nothing(client, command_app, nine):
    typed = {"starts_at": at(nine, 9), "timezone": "Europe/London", "email": ADA["email"], "name": "Ada"}
    body = f"{urlencode(typed)}&notes={'x' * 100_000}".encode()
    answer = client.post(
        "/book/intro",
        input_stream=BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/book/intro")
    assert draft_of(command_app, answer, "/book/intro").code == "body-too-large"


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


def test_a_field_is_named_by_its_path_whatever_its_name(client):
    body = {"key": 1, "value": 1, "customer": {**ADA, "value": 1}}
    errors = client.post("/v1/bookings", json=body).json["errors"]
    assert {"key", "value", "customer.value"} <= set(errors)
    assert "_body" not in errors


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


def test_a_booking_is_decided_by_the_newest_definition_whatever_was_known_before(client, team, nine):
    path, mornings = "/v1/meeting-types/changing", [["09:00", "12:00"]]
    only_mornings = MEETING_TYPE | {"weekly_hours": dict.fromkeys(MEETING_TYPE["weekly_hours"], mornings)}
    client.put(path, json=only_mornings, headers=team)
    morning = book(client, at(nine, 9), slug="changing")
    assert (morning.status_code, book(client, at(nine, 14), slug="changing").status_code) == (201, 422)
    client.put(path, json=MEETING_TYPE, headers=team)
    assert book(client, at(nine, 14), slug="changing").status_code == 201
    client.put(path, json=only_mornings, headers=team)
    assert book(client, at(nine, 16), slug="changing").status_code == 422
    move = f"/v1/manage/{token_of(morning.json)}/reschedule"
    assert client.post(move, json={"starts_at": at(nine, 17)}).json["code"] == "slot-unavailable"
    client.delete(path, headers=team)
    assert book(client, at(nine, 10), slug="changing").json["code"] == "unknown-meeting-type"
    assert client.post(move, json={"starts_at": at(nine, 10)}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("/scheduling/account", "/scheduling/account"),
        ("/scheduling/bookings?q=\u00fc", "/scheduling/bookings?q=%C3%BC"),
        ("https://evil.example", "/scheduling/bookings"),
        ("//evil.example", "/scheduling/bookings"),
        ("/scheduling/..//evil.example", "/scheduling/bookings"),
        ("/scheduling\\evil.example", "/scheduling/bookings"),
        ("/scheduling\r\nX-Evil: 1", "/scheduling/bookings"),
        ("/scheduling/\t/evil.example", "/scheduling/bookings"),
    ],
)
def test_a_login_goes_on_to_a_path_of_ours_only(command_app, client, wanted, shown):
    token = command_app.extensions["rebook_access"].sessions.csrf_token("a login form's")
    client.set_cookie("rebook_csrf", token)
    typed = {"email": "hana@example.org", "password": PASSWORD, "csrf_token": token, "next": wanted}
    answer = client.post("/login", data=typed)
    assert (answer.headers["Location"], client.get_cookie("rebook_session") is not None) == (shown, True)


def test_a_session_in_use_is_kept_by_what_it_writes(client, nine):
    csrf = logged_in(client)
    an_hour_old = aged(client.get_cookie("rebook_session").value, seconds=3_600)
    client.set_cookie("rebook_session", an_hour_old)
    path = f"/v1/bookings/{booked(client, at(nine, 9))['booking_id']}/resend-confirmation"
    assert client.post(path, headers=csrf).status_code == 202
    assert client.get_cookie("rebook_session").value != an_hour_old
    assert "Set-Cookie" not in client.post(path, headers=csrf).headers
    client.set_cookie("rebook_session", an_hour_old)
    assert client.delete("/v1/session", headers=csrf).status_code == 204
    assert client.get_cookie("rebook_session") is None


def test_logouts_of_one_member_at_once_all_succeed(command_app):
    clients = [command_app.test_client() for _ in range(6)]
    log_out = [partial(each.delete, "/v1/session", headers=logged_in(each)) for each in clients]
    assert {answer.status_code for answer in at_once(*log_out)} == {204}


def test_a_token_that_is_revoked_several_times_at_once_is_revoked_once(command_app, client, team):
    for _ in range(5):
        token_id = client.post("/v1/api-tokens", json={"name": "short-lived"}, headers=team).json["id"]
        revoke = [partial(command_app.test_client().delete, f"/v1/api-tokens/{token_id}", headers=team)] * 4
        assert sorted(answer.status_code for answer in at_once(*revoke)) == [204, 404, 404, 404]


def test_null_is_absent_in_the_hours_too(client, team):
    path = "/v1/meeting-types/nulls"
    hours = {"mon": [["09:00", "24:00"]], "tue": None}
    body = {**MEETING_TYPE, "weekly_hours": hours, "date_overrides": {"2030-12-24": None}, "notify": None}
    assert client.put(path, json=body, headers=team).status_code == 201
    plain = {**MEETING_TYPE, "weekly_hours": {"mon": [["09:00", "24:00"]]}}
    assert client.put(path, json=plain, headers=team).json["version"] == 1


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("weekly_hours", {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}, "weekly_hours.mon"),
        ("weekly_hours", {"mon": [["12:00", "09:00"]]}, "weekly_hours.mon"),
        ("weekly_hours", {"mon": [["24:00", "24:00"]]}, "weekly_hours.mon"),
        ("weekly_hours", {"mon": [["9:00", "12:00"]]}, "weekly_hours.mon.0.0"),
        ("weekly_hours", {"funday": []}, "weekly_hours.funday"),
        ("colour", None, "colour"),
        ("weekly_hours", [], "weekly_hours"),
        ("date_overrides", {"2030-02-30": []}, "date_overrides.2030-02-30"),
        ("date_overrides", {"2030-W52-2": []}, "date_overrides.2030-W52-2"),
        ("host", {"name": "Hana", "email": "j\u00f6rg@example.org"}, "host.email"),
        ("reminders_minutes_before", [60, -1], "reminders_minutes_before.1"),
        ("duration_minutes", 1_441, "duration_minutes"),
        ("location", "x" * 501, "location"),
        ("description", "x" * 2_001, "description"),
        ("title", "one\ntwo", "title"),
    ],
)
def test_what_is_wrong_with_a_meeting_type_is_told_by_its_path(client, team, field, value, named):
    answer = client.put("/v1/meeting-types/wrong", json={**MEETING_TYPE, field: value}, headers=team)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [named])


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


def test_adding_a_meeting_type_by_form_never_replaces_another_and_a_double_click_adds_one(
    command_app, client, command_store
):
    typed = {
        "csrf_token": logged_in(client)["X-CSRF-Token"],
        "slug": "by-form",
        "title": "By form",
        "duration_minutes": "30",
        "location": "Video",
        "timezone": "UTC",
        "mon": "09:00-12:00",
        "host_name": "Hana Host",
        "host_email": "hana@example.org",
    }
    page = "/scheduling/meeting-types"
    first, again = (client.post(page, data=typed) for _ in range(2))
    assert (
        first.headers["Location"]
        == again.headers["Location"]
        == f"{page}?min_version=1&slug=by-form&done=added"
    )
    other = client.post(page, data={**typed, "title": "Another"})
    draft = draft_of(command_app, other, page)
    assert (other.headers["Location"], list(draft.errors), draft.typed["title"]) == (
        f"{page}?add=1",
        ["slug"],
        "Another",
    )
    assert events_of(command_store, str(MeetingType.id_of("by-form"))) == ["MeetingTypeDefined"]
