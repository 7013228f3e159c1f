"""booking-command keeps what its OpenAPI document promises, whatever it is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config._checks import POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES

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
