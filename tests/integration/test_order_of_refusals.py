"""What a request is refused for when several things are wrong with it: always the first in the contract's order."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from servers.command_side import ADA, MEETING_TYPE, PASSWORD

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

pytestmark = pytest.mark.usefixtures("offered")

NOBODY = "7f2c6f0a-51c6-4a1e-9a53-000000000001"
JSON = "application/json"
UNREADABLE = [(b" " * 70_000, JSON), (b"{}", "text/plain"), (b"{", JSON), (b'{"x": 1}', JSON)]


@pytest.fixture(scope="module")
def starts_at() -> str:
    return "2035-01-03T09:00:00Z"  # a day that no other test books


@pytest.fixture(scope="module")
def booking(command_app, starts_at) -> str:
    body = {"meeting_type": "intro", "starts_at": starts_at, "customer": ADA}
    return command_app.test_client().post("/v1/bookings", json=body).json["booking_id"]


def refusal(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def keyed(client: FlaskClient, path: str, key: str, team: dict[str, str]) -> TestResponse:
    return client.post(path, headers={**team, "Idempotency-Key": key})


@pytest.mark.parametrize(("body", "kind"), UNREADABLE)
def test_a_bad_link_is_refused_before_its_body_is_looked_at(client, body, kind):
    for act in ("reschedule", "cancel"):
        answer = client.post(f"/v1/manage/nothing/{act}", data=body, content_type=kind)
        assert refusal(answer) == (404, "unknown-link")


@pytest.mark.parametrize(("body", "kind"), UNREADABLE)
def test_bad_credentials_are_refused_before_the_body_is_looked_at(client, body, kind):
    answer = client.post(f"/v1/bookings/{NOBODY}/cancel", data=body, content_type=kind)
    assert refusal(answer) == (401, "unauthenticated")


def test_a_csrf_token_is_asked_for_after_the_body_is_read_and_before_it_is_understood(client):
    client.post("/v1/session", json={"email": "hana@example.org", "password": PASSWORD})
    path = f"/v1/bookings/{NOBODY}/cancel"
    codes = [client.post(path, data=body, content_type=kind).json["code"] for body, kind in UNREADABLE]
    assert codes == ["body-too-large", "unsupported-media-type", "malformed-json", "csrf"]


@pytest.mark.parametrize("booking_id", ["no-uuid", NOBODY])
def test_a_key_is_judged_before_the_booking_is_looked_for(client, team, booking, booking_id):
    assert keyed(client, f"/v1/bookings/{booking}/resend-confirmation", "judged", team).status_code == 202
    path = f"/v1/bookings/{booking_id}/resend-confirmation"
    assert refusal(keyed(client, path, "judged", team)) == (422, "idempotency-key-reused")
    assert refusal(keyed(client, path, "k" * 256, team)) == (422, "malformed-command")
    assert refusal(keyed(client, path, "k" * 255, team)) == (404, "unknown-booking")
    assert refusal(client.post(path, headers={**team, "If-Match": '"9"'})) == (404, "unknown-booking")


def test_a_version_is_compared_before_the_rules_are_asked(client, team, booking, starts_at):
    path = f"/v1/bookings/{booking}/reschedule"
    past = {"starts_at": "2001-01-01T00:00:00Z"}
    stale = {**team, "If-Match": '"99"'}
    assert refusal(client.post(path, json=past, headers=stale)) == (412, "stale-version")
    assert refusal(client.post(path, json=past, headers=team)) == (422, "slot-unavailable")


@pytest.mark.parametrize("if_match", ["1", 'W/"1"', '"1", "2"', '"01"', "", '"x"'])
def test_if_match_is_one_quoted_version_or_a_star(client, team, if_match):
    path = "/v1/meeting-types/matched"
    client.put(path, json=MEETING_TYPE, headers=team)
    answer = client.put(path, json=MEETING_TYPE, headers={**team, "If-Match": if_match})
    assert refusal(answer) == (412, "stale-version")
    for good in ('"1"', "*"):
        answer = client.put(path, json=MEETING_TYPE, headers={**team, "If-Match": good})
        assert answer.status_code == 200


@pytest.mark.parametrize("if_match", ['"1"', "*"])
def test_what_is_not_there_yet_has_no_version_to_match(client, team, if_match):
    condition = {"If-Match": if_match}
    body = {"meeting_type": "intro", "starts_at": "2035-01-03T11:00:00Z", "customer": ADA}
    assert refusal(client.post("/v1/bookings", json=body, headers=condition)) == (412, "stale-version")
    new = client.put("/v1/meeting-types/unmade", json=MEETING_TYPE, headers={**team, **condition})
    assert refusal(new) == (412, "stale-version")
    unknown = client.post("/v1/bookings", json={**body, "meeting_type": "nothing"}, headers=condition)
    assert refusal(unknown) == (404, "unknown-meeting-type")


def test_a_command_has_no_query_parameters(client, team):
    calls = [
        client.post("/v1/bookings?when=now", json={}),
        client.post(f"/v1/bookings/{NOBODY}/cancel?when=now", headers=team),
        client.put("/v1/meeting-types/intro?when=now", json={}, headers=team),
        client.delete("/v1/meeting-types/nothing?when=now", headers=team),
        client.delete(f"/v1/api-tokens/{NOBODY}?when=now", headers=team),
        client.delete("/v1/session?when=now", headers=team),
    ]
    assert [refusal(answer) for answer in calls] == [(422, "malformed-query")] * len(calls)
    assert [list(answer.json["errors"]) for answer in calls] == [["when"]] * len(calls)
    assert refusal(client.delete("/v1/meeting-types/nothing?when=", headers=team)) == (
        404,
        "unknown-meeting-type",
    )


def test_a_path_of_the_other_service_is_not_there_and_a_method_of_none_is_told(client):
    assert refusal(client.post("/v1/bookings/counts")) == (404, "not-found")
    assert refusal(client.post("/static/start.js")) == (404, "not-found")
    assert refusal(client.open("/v1/session", method="TRACE")) == (405, "method-not-allowed")
    answer = client.patch("/v1/session")
    assert refusal(answer) == (405, "method-not-allowed")
    assert {"POST", "DELETE"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("given", ["x" * 129, "two words", "\u00e9", ""])
def test_every_answer_carries_a_correlation_id_and_a_readable_one_is_taken_over(client, given):
    for path in ("/v1/bookings", "/v1/nothing", "/v1/manage/nothing/cancel"):
        taken = client.post(path, headers={"X-Correlation-Id": "x" * 128})
        assert taken.headers["X-Correlation-Id"] == "x" * 128
        made = client.post(path, headers={"X-Correlation-Id": given})
        assert UUID(made.headers["X-Correlation-Id"])
