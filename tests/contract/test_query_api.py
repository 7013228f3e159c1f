"""booking-query keeps what its OpenAPI document promises, whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import schemathesis
from booking_query import waiting
from hypothesis import HealthCheck, given, settings
from schemathesis.config._checks import POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES
from servers.query_side import SECRET

if TYPE_CHECKING:
    from servers.query_side import Site

TEAM = {"Authorization": f"Bearer {SECRET}"}
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
OPERATIONS = [
    "/v1/api-tokens",
    "/v1/bookings",
    "/v1/bookings/counts",
    "/v1/bookings/{booking_id}",
    "/v1/bookings/{booking_id}/slots",
    "/v1/manage/{token}",
    "/v1/manage/{token}/slots",
    "/v1/meeting-types",
    "/v1/meeting-types/{slug}",
    "/v1/meeting-types/{slug}/slots",
]


@pytest.fixture
def api(site: Site) -> Any:
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", site.app)


def test_every_query_is_described(api):
    described = {(found.ok().method.upper(), found.ok().path) for found in api.get_all_operations()}
    assert described == {("GET", path) for path in OPERATIONS}


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_query_answers_what_there_is_as_it_is_described(api, site: Site, path: str):
    booking = site.confirm("grace", "2030-11-05T09:00:00Z", notes="With a\nline break")
    site.move("grace", "2030-11-06T09:00:00Z")
    site.cancel("grace", 3, "ill")
    known = {
        "booking_id": booking,
        "token": site.links.url(UUID(booking)).rsplit("/", 1)[-1],
        "slug": "intro-call",
    }
    asked = {"from": "2030-11-01", "to": "2030-11-30"} if path.endswith("/slots") else {}
    parameters = {name: value for name, value in known.items() if f"{{{name}}}" in path}
    case = api[path]["GET"].Case(path_parameters=parameters, query=asked)
    assert case.call_and_validate(headers=TEAM).status_code == 200


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_query_answers_as_it_is_described_whatever_is_asked(api, path: str, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.0)  # most of the versions that are asked for never come
    api.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "503"]
    operation = api[path]["GET"]
    documented = {*POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES, *operation.definition.raw["responses"]}
    api.config.checks.positive_data_acceptance.expected_statuses = sorted(documented - {"default"})

    @FEW
    @given(case=operation.as_strategy())
    def whatever_is_asked(case):
        case.call_and_validate(headers=TEAM)

    whatever_is_asked()
