"""After the main job and many mistakes, secrets are nowhere but where they belong, and refusals are on record."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pytest
import requests
from rebook.kafka import PARTITIONS, KafkaSettings
from rebook.settings import load
from rebook.topic_reader import records_to_end
from rebook_infra.addresses import PORTS
from rebook_infra.databases import SERVICES
from servers.people import Team, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.local_stack import LocalStack

PATIENCE_S = 60
HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}


@dataclass(frozen=True)
class Told:
    """What was done on a stack: what has to stay secret, by what it is, and what mistakes were answered."""

    secrets: dict[str, str]
    customer: str
    answers: list[requests.Response]

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


@pytest.fixture(scope="module")
def told(stack, smtp) -> Told:
    team = Team.logged_in(stack)
    offered, ada = team.offer(), somebody()
    booking = offered.book(offered.start(), ada).json()
    token = booking["manage_url"].rpartition("/")[2]
    issued = team.http.post(f"{stack.url}/v1/api-tokens", json={"name": "secrets"}).json()["token"]
    for query in ("", "?timezone=UTC"):
        assert requests.get(f"{stack.url}/manage/{token}{query}", timeout=10).status_code == 200
    bearer = {"Authorization": f"Bearer {issued}"}
    assert requests.get(f"{stack.url}/v1/bookings", headers=bearer, timeout=10).status_code == 200
    assert requests.post(f"{stack.url}/v1/manage/{token}/cancel", timeout=10).status_code == 200
    answers = [
        requests.request(*way, headers=form, timeout=10, allow_redirects=False, **more)
        for form in (HTML, JSON)
        for way, more in mistakes(stack, token, issued)
    ]
    smtp.wait_for(lambda letter: ada in letter.recipients and letter.subject.startswith("Cancelled"))
    kept: dict[str, str] = json.loads((stack.data_dir / "secrets.json").read_text())
    own = {name: value for name, value in kept.items() if value != "yes"}  # the rest are notes
    link = {"manage token": token, "signature of the manage token": token.partition(".")[2]}
    session = {"session": team.http.cookies["rebook_session"], "password": stack.team_password}
    return Told(own | link | session | {"API token": issued}, ada, answers)


def mistakes(stack: LocalStack, token: str, issued: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    wrong = {"email": stack.team_email, "password": f"{stack.team_password}!"}
    yield ("GET", f"{stack.url}/manage/{token}x"), {}
    yield ("GET", f"{stack.url}/nowhere/{token}"), {}
    yield ("GET", f"{stack.url}/v1/manage/{token}/slots?from={token}"), {}
    yield ("PATCH", f"{stack.url}/manage/{token}"), {}
    yield ("POST", f"{stack.url}/v1/manage/{token}/cancel"), {"json": {"reason": token, "token": token}}
    yield ("POST", f"{stack.url}/v1/bookings"), {"data": "{", "auth": ("bearer", issued)}
    yield ("POST", f"{stack.url}/v1/session"), {"json": wrong}
    yield ("POST", f"{stack.url}/login"), {"data": wrong}
    yield ("GET", f"{stack.url}/notifier/nowhere/{token}"), {}


def test_no_command_line_holds_a_secret(stack, told):
    leader = psutil.Process(stack.pid)
    lines = [" ".join(process.cmdline()) for process in (leader, *leader.children(recursive=True))]
    assert any("gunicorn" in line for line in lines)
    assert told.found_in("\n".join(lines)) == []


def test_no_log_line_holds_a_secret_a_query_string_or_a_customers_address(stack, told):
    logs = [*(stack.data_dir / "logs").iterdir()]
    assert "booking-command-web.log" in {log.name for log in logs}
    said = "\n".join([*stack.output, *(log.read_text(errors="replace") for log in logs)])
    assert told.found_in(said) == []
    assert told.customer not in said
    assert "timezone=UTC" not in said


def test_no_topic_holds_a_secret(stack, told):
    settings = load(KafkaSettings, stack.environment)
    records = [record for name in PARTITIONS for record in records_to_end(settings, name, {})]
    said = "\n".join(f"{record.key} {record.headers} {record.value}" for record in records)
    assert told.customer in said
    assert told.found_in(said) == []


def test_no_database_holds_a_secret(stack, told):
    said = "\n".join(row for service in SERVICES for row in rows(stack, service))
    assert told.customer in said
    assert told.found_in(said) == []


def rows(stack: LocalStack, service: str) -> Iterator[str]:
    """Every row of every table of a service."""
    url = stack.environment[f"{service.upper()}_DATABASE_URL"]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET bytea_output = 'escape'")  # events are JSON in bytes
        cursor.execute("SELECT relname FROM pg_stat_user_tables")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield from (row for (row,) in cursor.fetchall())


def test_no_metric_holds_a_secret(stack, told):
    urls = [f"http://127.0.0.1:{stack.environment[port]}/metrics" for port in PORTS]
    said = "\n".join(requests.get(url, timeout=10).text for url in urls)
    assert "http_request_seconds_count" in said
    assert told.found_in(said) == []


def test_no_answer_to_a_mistake_holds_a_secret_or_may_be_framed(told):
    for answer in told.answers:
        is_form = answer.status_code == 303
        assert is_form or answer.status_code >= 400, answer.url
        assert told.found_in(f"{answer.headers}\n{answer.text}") == [], answer.url
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], answer.url
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_failed_login_is_in_the_log_although_its_form_was_answered_with_its_page(stack, told):
    wanted = f"login-{secrets.token_hex(8)}"
    browser = requests.Session()
    browser.get(f"{stack.url}/login", timeout=10)
    typed = {"email": stack.team_email, "password": "a guess", "csrf_token": browser.cookies["rebook_csrf"]}
    answer = browser.post(
        f"{stack.url}/login", data=typed, headers={"X-Correlation-Id": wanted}, allow_redirects=False
    )
    assert answer.status_code == 303
    log = stack.data_dir / "logs" / "booking-command-web.log"
    line = until(lambda: next((ln for ln in log.read_text().splitlines() if wanted in ln), ""), PATIENCE_S)
    assert json.loads(line)["code"] == "unauthenticated"
