"""Health and metrics tell the truth: of each process, and of each service as a whole, whatever is away."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from rebook_infra.processes import SERVICES
from servers.monitoring import metrics, panels, questions, told
from servers.people import Team, somebody
from servers.prometheus import Prometheus
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.local_stack import LocalStack

PATIENCE_S = 60
PORTS = {
    "booking-command-web": "BOOKING_COMMAND_WEB_PORT",
    "booking-command-relay": "BOOKING_COMMAND_RELAY_PORT",
    "booking-query-web": "BOOKING_QUERY_WEB_PORT",
    "booking-query-projector": "BOOKING_QUERY_PROJECTOR_PORT",
    "notifier-web": "NOTIFIER_WEB_PORT",
    "notifier-worker": "NOTIFIER_WORKER_PORT",
}
NAMES = {"command": "booking-command", "query": "booking-query", "notifier": "notifier"}


@pytest.fixture
def team(stack: LocalStack) -> Team:
    stack.wait_ready()
    return Team.logged_in(stack)


@pytest.fixture
def prometheus(stack: LocalStack, tmp_path: Path) -> Iterator[Prometheus]:
    environment = stack.environment
    running = Prometheus(tmp_path, {name: int(environment[port]) for name, port in PORTS.items()})
    yield running
    running.close()


def ask(stack: LocalStack, process: str, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{stack.environment[PORTS[process]]}{path}", timeout=10)


def facts(stack: LocalStack, service: str) -> dict[str, Any]:
    return requests.get(f"{stack.url}/{service}/statusz", timeout=10).json()


def service_metrics(stack: LocalStack, process: str, name: str) -> list[float]:
    """The values under that name, a regular expression."""
    told = ask(stack, process, "/metrics").text
    return [float(value) for value in re.findall(rf"^{name} (\S+)$", told, re.MULTILINE)]


def service_metric(stack: LocalStack, process: str, name: str) -> float:
    (value,) = service_metrics(stack, process, name)
    return value


@pytest.mark.parametrize("process", SERVICES)
def test_every_process_says_that_it_lives_and_can_serve(stack, team, process):
    assert ask(stack, process, "/healthz").status_code == 200
    until(lambda: ask(stack, process, "/readyz").status_code == 200, PATIENCE_S, f"{process} ready")


def test_alarms_and_dashboard_ask_for_metrics_that_there_are(stack, smtp, team):
    offered, ada = team.offer(), somebody()
    assert offered.book(offered.start(), ada).status_code == 201
    smtp.wait_for(lambda letter: ada in letter.recipients, PATIENCE_S)
    known = set().union(*(told(ask(stack, process, "/metrics").text) for process in SERVICES))
    wanted = set().union(*map(metrics, questions()))
    assert wanted <= known


def test_every_panel_of_the_dashboard_shows_something(stack, smtp, team, prometheus):
    offered, ada = team.offer(), somebody()
    assert offered.book(offered.start(), ada).status_code == 201
    smtp.wait_for(lambda letter: ada in letter.recipients, PATIENCE_S)
    for panel in panels():
        for target in panel["targets"]:
            what = f"{panel['title']}: {target['expr']}"
            until(lambda asked=target["expr"]: prometheus.values(asked), PATIENCE_S, what)


def test_requests_are_counted_whichever_worker_process_answered_and_asked(stack, team):
    offered = team.offer()
    path = f"{stack.url}/v1/meeting-types/{offered.slug}"
    count = re.escape(
        'http_request_seconds_count{method="GET",route="/v1/meeting-types/<slug>",status="200"}'
    )

    def counted() -> float:
        return sum(service_metrics(stack, "booking-query-web", count))

    before = counted()
    for _ in range(20):
        assert requests.get(path, timeout=10).status_code == 200
    until(lambda: {counted() for _ in range(10)} == {before + 20}, PATIENCE_S, "every worker's count")


def test_while_kafka_is_away_every_service_says_so_and_web_processes_can_serve(stack, kafka, team):
    kafka.stop()
    try:
        for service in ("command", "query", "notifier"):
            until(
                lambda name=service: stack.status(f"/{name}/statusz") == 503, PATIENCE_S, f"{service} says so"
            )
            assert stack.status(f"/{service}/readyz") == 200
        until(lambda: facts(stack, "command")["relay"] == "silent", PATIENCE_S, "the relay's silence")
        assert service_metric(stack, "booking-command-web", "service_relay_alive") == 0
        assert team.http.get(f"{stack.url}/v1/bookings").status_code == 200
    finally:
        kafka.start()
    stack.wait_ready()
    assert service_metric(stack, "booking-command-web", "service_relay_alive") == 1


def test_while_the_mail_server_is_away_the_notifier_alone_says_so(stack, smtp, team):
    smtp.stop()
    try:
        until(lambda: stack.status("/notifier/statusz") == 503, PATIENCE_S, "the notifier says so")
        assert facts(stack, "notifier")["smtp"] == "in trouble"
        assert service_metric(stack, "notifier-web", "service_smtp_reachable") == 0
        assert [stack.status(f"/{name}/statusz") for name in ("command", "query")] == [200, 200]
    finally:
        smtp.start()
    stack.wait_ready()


def test_while_postgresql_is_away_processes_live_and_nobody_claims_to_serve(stack, team):
    stack.hold("postgres")
    try:
        for service in ("command", "query", "notifier"):
            assert stack.status(f"/{service}/healthz") == 200
            assert stack.status(f"/{service}/readyz") == 503
            assert stack.status(f"/{service}/statusz") == 503
            assert service_metric(stack, f"{NAMES[service]}-web", "service_ready") == 0
    finally:
        stack.release("postgres")
    for name in NAMES.values():
        is_ready = functools.partial(service_metric, stack, f"{name}-web", "service_ready")
        until(is_ready, PATIENCE_S, f"{name} saying at /metrics too that it is ready")


@pytest.mark.parametrize(
    ("process", "service"),
    [
        ("booking-command-relay", "command"),
        ("booking-query-projector", "query"),
        ("notifier-worker", "notifier"),
    ],
)
def test_a_worker_that_is_gone_is_missed_within_seconds(stack, team, process, service):
    stack.hold(process)
    try:
        until(lambda: stack.status(f"/{service}/statusz") == 503, PATIENCE_S, f"{process} missed")
        assert service_metric(stack, f"{NAMES[service]}-web", "service_ready") == 0
    finally:
        stack.release(process)
    stack.wait_ready()
