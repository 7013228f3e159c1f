"""The gateway, the local stack's and nginx alike, as a process before three services that tell what reached them."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process
from servers.nginx import nginx
from servers.running import Server
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Kind = Callable[[Path, int, dict[str, str], str], Process]

PUBLIC_URL = "https://book.example.org"
PATIENCE_S = 10

TOKEN = "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"


class Upstream(ThreadingHTTPServer):
    """A service that answers what it was asked, as JSON."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, service: str) -> None:
        super().__init__(("127.0.0.1", free_port()), _Tell)
        self.service = service
        self.is_gone = False
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.is_gone = True
        self.shutdown()
        self.server_close()


class _Tell(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        if self.server.is_gone:  # hang up on connections that were kept
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        told = {"service": self.server.service, "method": self.command, "path": self.path, "body": body}
        content = json.dumps(told | {"headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(303 if self.path == "/elsewhere" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Told-By", self.server.service)
        self.send_header("Location", "/there?min_version=2")
        self.send_header("Set-Cookie", "rebook_session=a; HttpOnly")
        self.send_header("Set-Cookie", "rebook_csrf=b")
        self.send_header("Connection", "X-Private")
        self.send_header("X-Private", "between us")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Gateway:
    """A gateway's process and its upstreams; `ask` opens a connection for each request."""

    def __init__(self, kind: Kind, home: Path) -> None:
        self.port = free_port()
        self.upstreams = {service: Upstream(service) for service in ("command", "query", "notifier")}
        addresses = {name: f"127.0.0.1:{upstream.server_port}" for name, upstream in self.upstreams.items()}
        self.log = home / "gateway.log"
        self.server = Server(kind(home, self.port, addresses, PUBLIC_URL), self.log, self._answers)
        self.server.start()

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=body is not None)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def told(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.ask(method, path, headers, body)[1])
        return told

    def close(self) -> None:
        self.server.stop()
        for upstream in self.upstreams.values():
            upstream.close()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def of_local_stack(home: Path, port: int, services: dict[str, str], public_url: str) -> Process:
    ports = {service: address.rpartition(":")[2] for service, address in services.items()}
    environment = {
        **os.environ,
        "PUBLIC_URL": public_url,
        "REBOOK_PORT": str(port),
        "BOOKING_COMMAND_WEB_PORT": ports["command"],
        "BOOKING_QUERY_WEB_PORT": ports["query"],
        "NOTIFIER_WEB_PORT": ports["notifier"],
    }
    return Process("gateway", (sys.executable, "-m", "rebook_infra.gateway_server"), environment)


def running(kind: Kind, home: Path) -> Iterator[Gateway]:
    gateway = Gateway(kind, home)
    yield gateway
    gateway.close()


@pytest.fixture(scope="module", params=[of_local_stack, nginx], ids=["local", "nginx"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from running(request.param, tmp_path_factory.mktemp("gateway"))


@pytest.fixture
def own_local(tmp_path: Path) -> Iterator[Gateway]:
    yield from running(of_local_stack, tmp_path)


@pytest.fixture
def own_nginx(tmp_path: Path) -> Iterator[Gateway]:
    yield from running(nginx, tmp_path)


@pytest.fixture
def nginx_behind_a_proxy(tmp_path: Path) -> Iterator[Gateway]:
    """An nginx that takes requests from this machine for those of a proxy that ends TLS."""
    yield from running(functools.partial(nginx, trusts="127.0.0.1/32"), tmp_path)


@pytest.fixture
def nginx_without_limits(tmp_path: Path) -> Iterator[Gateway]:
    yield from running(functools.partial(nginx, limits="0"), tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "service", "reached"),
    [
        ("GET", "/v1/bookings?q=a%2Fb&q=", "query", "/v1/bookings?q=a%2Fb&q="),
        ("GET", "/caf%C3%A9", "query", "/caf%C3%A9"),
        ("GET", "/commandments", "query", "/commandments"),
        ("POST", "/v1/bookings", "command", "/v1/bookings"),
        ("PUT", "/v1/meeting-types/intro", "command", "/v1/meeting-types/intro"),
        ("DELETE", "/v1/session", "command", "/v1/session"),
        ("GET", "/command/readyz", "command", "/readyz"),
        ("GET", "/command", "command", "/"),
        ("POST", "/query/v1/bookings", "query", "/v1/bookings"),
        ("GET", "/notifier/statusz?verbose=1", "notifier", "/statusz?verbose=1"),
    ],
)
def test_the_method_picks_the_service_unless_the_path_names_one(
    gateway: Gateway, method: str, path: str, service: str, reached: str
):
    told = gateway.told(method, path)
    assert (told["service"], told["method"], told["path"]) == (service, method, reached)


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/query/metrics",
        "/command/metrics/",
        "/notifier/METRICS?x",
        "//query//metrics",
        "/query%2fmetrics",
        "/command/%6detrics",
        "/command/x/../metrics",
        "/query/%252e/metrics",
        "/query/metrics;a",
        "/nobody/metrics",
    ],
)
def test_metrics_are_not_for_the_public_however_they_are_spelled(gateway: Gateway, path: str):
    answer, body = gateway.ask("GET", path)
    assert answer.status == 404
    assert json.loads(body)["code"] == "not-found"


def test_services_learn_who_asks_from_the_gateway_alone(gateway: Gateway):
    claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6"}
    headers = gateway.told("GET", "/", {**claims, "X-Real-IP": "6.6.6.6", "Host": "book.example.org"})[
        "headers"
    ]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == headers["host"] == "book.example.org"
    assert not {"forwarded", "x-real-ip"} & headers.keys()


def test_nobody_changes_the_protocol_behind_the_gateway(gateway: Gateway):
    claims = {"Connection": "Upgrade", "Upgrade": "h2c", "TE": "trailers"}
    headers = gateway.told("GET", "/", claims)["headers"]
    assert not {"upgrade", "te"} & headers.keys()


def test_headers_between_two_neighbours_go_no_further(own_local: Gateway):
    headers = own_local.told("GET", "/", {"Connection": "X-Hop", "X-Hop": "1"})["headers"]
    assert "x-hop" not in headers
    answer, _ = own_local.ask("GET", "/")
    assert answer.getheader("X-Private") is None


def test_bodies_arrive_whole_chunked_ones_too(gateway: Gateway):
    assert gateway.told("POST", "/v1/bookings", body=b'{"a": 1}')["body"] == '{"a": 1}'
    pieces = iter([b'{"a"', b": 1}"])
    assert (
        gateway.told("POST", "/v1/bookings", {"Transfer-Encoding": "chunked"}, pieces)["body"] == '{"a": 1}'
    )


def test_redirects_and_both_cookies_come_back_as_they_are(gateway: Gateway):
    answer, _ = gateway.ask("POST", "/elsewhere")
    assert (answer.status, answer.getheader("Location")) == (303, "/there?min_version=2")
    assert answer.msg.get_all("Set-Cookie") == ["rebook_session=a; HttpOnly", "rebook_csrf=b"]


def test_head_has_the_headers_of_get_and_no_body(gateway: Gateway):
    answer, body = gateway.ask("HEAD", "/v1/meeting-types")
    assert (answer.status, answer.getheader("X-Told-By")) == (200, "query")
    assert int(answer.getheader("Content-Length") or 0) > 0
    assert body == b""


def test_a_body_beyond_all_measure_is_refused(gateway: Gateway):
    answer, body = gateway.ask("POST", "/v1/bookings", body=b"x" * 1_100_000)
    assert (answer.status, json.loads(body)["code"]) == (413, "body-too-large")


def test_a_service_that_is_away_is_a_problem_with_advice(gateway: Gateway):
    gateway.upstreams["notifier"].close()
    answer, body = gateway.ask("GET", "/notifier/statusz", {"X-Correlation-Id": "abc"})
    assert answer.status == 502
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert (answer.getheader("Retry-After"), answer.getheader("X-Correlation-Id")) == ("1", "abc")
    assert json.loads(body)["type"] == "https://book.example.org/problems/bad-gateway"
    _, page = gateway.ask("GET", "/notifier/statusz", {"Accept": "text/html,*/*"})
    assert b"<h1>" in page


def test_the_log_shows_routes_and_neither_tokens_nor_query_strings(gateway: Gateway):
    for path in (
        f"/manage/{TOKEN}?next=x",
        f"/v1/manage/{TOKEN}/slots",
        f"/%6danage/{TOKEN}",
        f"/odd/{TOKEN}",
        f"/{TOKEN}",
    ):
        gateway.ask("GET", path)
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(f"GET /manage/{TOKEN} NONSENSE\r\n\r\n".encode())
        raw.recv(1000)
    log = log_once(gateway, lambda log: {"/manage/…", "/v1/manage/…/slots", "/odd/…"} <= routes(log))
    assert TOKEN[:20] not in log
    assert "next=" not in log


def test_a_client_that_writes_too_often_is_told_to_wait_and_may_still_read(own_nginx: Gateway):
    answers = [own_nginx.ask("POST", "/v1/bookings", {"X-Correlation-Id": "abc"}) for _ in range(60)]
    assert answers[0][0].status == 200
    answer, body = next(refused for refused in answers if refused[0].status == 429)
    assert json.loads(body)["type"] == f"{PUBLIC_URL}/problems/too-many-requests"
    assert (answer.getheader("Retry-After"), answer.getheader("X-Correlation-Id")) == ("1", "abc")
    _, page = own_nginx.ask("POST", "/book/intro-call", {"Accept": "text/html,*/*"})
    assert b"<h1>" in page
    assert own_nginx.ask("GET", "/v1/meeting-types")[0].status == 200


def test_where_limits_are_off_nobody_writes_too_often(nginx_without_limits: Gateway):
    answers = [nginx_without_limits.ask("POST", "/v1/bookings") for _ in range(60)]
    assert {answer.status for answer, _ in answers} == {200}


def test_behind_a_proxy_that_ends_tls_the_client_is_whom_that_proxy_names(nginx_behind_a_proxy: Gateway):
    headers = nginx_behind_a_proxy.told("GET", "/", {"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})["headers"]
    assert headers["x-forwarded-for"] == "203.0.113.7"


def test_what_a_client_calls_its_request_or_else_nginx_does_reaches_service_and_log(own_nginx: Gateway):
    headers = own_nginx.told("GET", "/", {"X-Correlation-Id": "abc-1"})["headers"]
    assert headers["x-correlation-id"] == "abc-1"
    made = own_nginx.told("GET", "/", {"X-Correlation-Id": "not one id"})["headers"]["x-correlation-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    log_once(own_nginx, lambda log: [line["correlation_id"] for line in logged(log)][-2:] == ["abc-1", made])


def test_ordinary_routes_stay_readable(gateway: Gateway):
    gateway.ask("GET", "/v1/meeting-types/intro-call/slots?from=2030-11-05")
    gateway.ask("GET", "/static/app.css")
    gateway.ask("GET", "/manage")
    readable = {"/v1/meeting-types/intro-call/slots", "/static/app.css", "/manage"}
    log_once(gateway, lambda log: readable <= routes(log))


def log_once(gateway: Gateway, says: Callable[[str], bool]) -> str:
    """The log as soon as it says so: a request's line is written after its answer has left."""

    def once_said() -> str:
        log = gateway.log.read_text()
        return log if says(log) else ""

    return until(once_said, PATIENCE_S, "the line in the log")


def routes(log: str) -> set[str]:
    return {line["route"] for line in logged(log) if line.get("event") == "request"}


def logged(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
