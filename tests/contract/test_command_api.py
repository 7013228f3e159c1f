"""booking-command keeps what its OpenAPI document promises, whatever it is sent."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.config._checks import POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import positive_data_acceptance
from servers.command_side import PASSWORD

if TYPE_CHECKING:
    from flask.testing import FlaskClient

pytestmark = pytest.mark.usefixtures("offered")

FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
hostile_text = st.sampled_from(
    ["", " ", "\x00", "\ud800", "a\nb", "9" * 5000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
field_names = st.sampled_from(
    [
        "meeting_type",
        "starts_at",
        "customer",
        "notes",
        "reason",
        "name",
        "email",
        "timezone",
        "password",
        "host",
    ]
)
bookings = st.fixed_dictionaries(
    {
        "meeting_type": hostile_text | st.text(),
        "starts_at": hostile_text | st.just("2030-11-05T09:00:00Z"),
        "customer": st.fixed_dictionaries(
            {
                "name": st.text(),
                "email": st.just("ada@example.org") | st.text(),
                "timezone": st.just("UTC") | st.text(),
            }
        ),
    }
)
logins = st.fixed_dictionaries({"email": st.text() | hostile_text, "password": st.text() | hostile_text})
bodies = anything | bookings | logins | st.dictionaries(field_names, anything | hostile_text, max_size=6)
paths = st.sampled_from(
    [
        ("POST", "/v1/bookings"),
        ("POST", "/v1/bookings/not-a-uuid/reschedule"),
        ("POST", "/v1/bookings/7f2c6f0a-51c6-4a1e-9a53-000000000001/cancel"),
        ("POST", "/v1/bookings/7f2c6f0a-51c6-4a1e-9a53-000000000001/resend-confirmation"),
        ("POST", "/v1/manage/nothing/reschedule"),
        ("PUT", "/v1/meeting-types/intro"),
        ("PUT", "/v1/meeting-types/%00"),
        ("POST", "/v1/session"),
        ("POST", "/v1/api-tokens"),
        ("DELETE", "/v1/api-tokens/x"),
    ]
)

FIRST_FREE = datetime(2031, 1, 1, tzinfo=UTC)  # no other test books from here on
KEPT_BESIDE = {"slot_holds": "booking_id", "idempotency_keys": "booking_id", "api_tokens": "token_id"}


@pytest.fixture
def api(command_app):
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", command_app)


OPERATIONS = [
    ("POST", "/v1/bookings"),
    ("POST", "/v1/bookings/{booking_id}/reschedule"),
    ("POST", "/v1/bookings/{booking_id}/cancel"),
    ("POST", "/v1/bookings/{booking_id}/resend-confirmation"),
    ("POST", "/v1/manage/{token}/reschedule"),
    ("POST", "/v1/manage/{token}/cancel"),
    ("PUT", "/v1/meeting-types/{slug}"),
    ("DELETE", "/v1/meeting-types/{slug}"),
    ("POST", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/api-tokens"),
    ("DELETE", "/v1/api-tokens/{token_id}"),
]


def test_every_operation_is_described(api):
    described = {(found.ok().method.upper(), found.ok().path) for found in api.get_all_operations()}
    assert described == set(OPERATIONS)


def documented(operation) -> list[str]:
    """The refusals that an operation may answer valid-looking data with: a time on offer is more than a time."""
    return sorted(
        {*POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES, *operation.definition.raw["responses"]} - {"default"}
    )


def example(operation) -> Any:
    """The request body that the description shows, put together from its fields' examples."""
    document = operation.schema.raw_schema

    def shown(schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return shown(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
        if "example" in schema or "properties" not in schema:
            return schema.get("example")
        found = {name: shown(inner) for name, inner in schema["properties"].items()}
        return {name: value for name, value in found.items() if value is not None}

    return shown(operation.definition.raw["requestBody"]["content"]["application/json"]["schema"])


@pytest.fixture
def succeeds(api, team: dict[str, str]):
    """Calls an operation with its own example, some facts changed; the answer is a success and as described."""

    def call(method: str, path: str, **facts: Any):
        operation = api[path][method]
        parameters = {name: value for name, value in facts.items() if f"{{{name}}}" in path}
        changes = {name: value for name, value in facts.items() if name not in parameters}
        body = {**example(operation), **changes} if operation.body else NOT_SET
        case = operation.Case(path_parameters=parameters, body=body)
        answer = case.call_and_validate(headers=team)
        assert answer.status_code < 300, answer.text
        return answer

    return call


def test_every_operation_succeeds_with_its_own_example(succeeds):
    done = []

    def ok(method: str, path: str, **facts: str | int) -> Any:
        done.append((method, path))
        answer = succeeds(method, path, **facts)
        return answer.json() if answer.content else {}

    ok("PUT", "/v1/meeting-types/{slug}", slug="intro-call", horizon_days=3_650)
    booking = ok("POST", "/v1/bookings")
    by_id, by_link = (
        {"booking_id": booking["booking_id"]},
        {"token": booking["manage_url"].rsplit("/", 1)[-1]},
    )
    ok("POST", "/v1/bookings/{booking_id}/resend-confirmation", **by_id)
    ok("POST", "/v1/bookings/{booking_id}/reschedule", **by_id)
    ok("POST", "/v1/manage/{token}/reschedule", **by_link)
    ok("POST", "/v1/manage/{token}/cancel", **by_link)
    ok("POST", "/v1/bookings/{booking_id}/cancel", **by_id)
    ok("DELETE", "/v1/meeting-types/{slug}", slug="intro-call")
    ok("POST", "/v1/session", email="hana@example.org", password=PASSWORD)
    token = ok("POST", "/v1/api-tokens")
    ok("DELETE", "/v1/api-tokens/{token_id}", token_id=token["id"])
    ok("DELETE", "/v1/session")
    assert sorted(done) == sorted(OPERATIONS)


@pytest.fixture
def forget(command_store: str):
    """Takes everything back that was stored since the test began, so that the same calls get the same answers."""
    with psycopg.connect(command_store, autocommit=True) as connection:
        (last,) = connection.execute("SELECT max(notification_id) FROM stored_events").fetchone()

        def take_back() -> None:
            connection.execute("DELETE FROM stored_events WHERE notification_id > %s", (last,))
            for table, stream in KEPT_BESIDE.items():
                connection.execute(
                    f"DELETE FROM {table} WHERE NOT EXISTS"
                    f" (SELECT FROM stored_events WHERE originator_id = {stream})"
                )

        yield take_back


def test_what_follows_from_an_answer_is_answered_as_described_too(api, team: dict[str, str], forget):
    followed = set()

    class Steps(api.as_state_machine()):
        def setup(self):
            forget()
            self.free = (FIRST_FREE + timedelta(hours=hour) for hour in itertools.count())

        def before_call(self, case):
            if case.operation.label == "POST /v1/bookings":  # nobody hits a free time by chance
                start = next(self.free).isoformat()
                case.body = example(case.operation) | {"meeting_type": "intro", "starts_at": start}

        def after_call(self, response, case):
            if response.status_code < 300:
                followed.add(case.operation.label)

        def get_call_kwargs(self, case):
            return {"headers": team}

        def validate_response(self, response, case, additional_checks=None, **_):
            refusals = [positive_data_acceptance]  # what an answer names may be cancelled or deleted since
            case.validate_response(response, headers=team, excluded_checks=refusals, recorder=self.recorder)

    run_state_machine_as_test(
        Steps, settings=settings(FEW, derandomize=True, max_examples=40, stateful_step_count=8)
    )
    assert "POST /v1/bookings/{booking_id}/cancel" in followed


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_answers_as_it_is_described(api, team: dict[str, str], method: str, path: str):
    operation = api[path][method]
    api.config.checks.positive_data_acceptance.expected_statuses = documented(operation)

    @FEW
    @given(case=operation.as_strategy())
    def whatever_is_sent(case):
        case.call_and_validate(headers=team)

    whatever_is_sent()


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    paths, bodies, st.sampled_from(["application/json", "application/json; charset=utf-16", "text/json", ""])
)
def test_nothing_that_is_sent_is_our_fault(
    client: FlaskClient, team: dict[str, str], where, body: Any, kind: str
):
    method, path = where
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = client.open(path, method=method, data=data, content_type=kind, headers=team)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        assert answer.json["code"]
