"""What every answer of every service tells browsers, and what a defect tells nobody."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import request
from rebook.web import BODY_MAX_BYTES, json_body, new_app

FORM = "application/x-www-form-urlencoded"


def client_of(public_url: str):
    app = new_app("test", public_url, 0)
    app.add_url_rule("/fails", "fails", lambda: 1 / 0)
    app.add_url_rule("/json", "json", lambda: {"read": json_body()}, methods=["POST"])
    app.add_url_rule("/form", "form", lambda: {"read": request.form["a"]}, methods=["POST"])
    return app.test_client()


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/fails"])
def test_every_answer_forbids_to_frame_to_run_and_to_guess_its_type(path):
    answer = client_of("https://book.example.org").get(path)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_who_came_by_https_once_comes_by_https_for_a_year():
    answer = client_of("https://book.example.org").get("/healthz")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client_of("http://book.example.org").get("/healthz").headers


def test_a_defect_is_told_by_its_code_alone():
    answer = client_of("https://book.example.org").get("/fails")
    assert (answer.status_code, answer.json["code"]) == (500, "internal-error")
    assert "division" not in answer.text


def sent(path: str, kind: str, body: bytes, *, chunked: bool):
    """A body as gunicorn hands it over, with its length told or not."""
    return client_of("https://book.example.org").post(
        path,
        input_stream=BytesIO(body),
        content_type=kind,
        headers={"Transfer-Encoding": "chunked"} if chunked else {},
        environ_overrides={"wsgi.input_terminated": True},
    )


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(
    ("path", "kind", "frame"), [("/json", "application/json", b'"%b"'), ("/form", FORM, b"a=%b")]
)
def test_a_body_is_read_whole_or_refused_and_never_cut(path, kind, frame, chunked):
    longest = b"x" * (BODY_MAX_BYTES - len(frame % b""))
    assert sent(path, kind, frame % longest, chunked=chunked).json == {"read": longest.decode()}
    for more in (1, 40_000):
        answer = sent(path, kind, frame % (longest + b"x" * more), chunked=chunked)
        assert (answer.status_code, answer.json["code"]) == (413, "body-too-large")


def test_a_request_is_measured_under_its_route_and_no_made_up_method():
    client = client_of("https://book.example.org")
    for method, path in (("GET", "/fails"), ("FETCH", "/nowhere"), ("GET", "/healthz")):
        client.open(path, method=method).close()
    told = client.get("/metrics").text
    assert 'http_request_seconds_count{method="GET",route="/fails",status="500"}' in told
    assert 'http_request_seconds_count{method="other",route="none",status="404"}' in told
    assert 'route="/healthz"' not in told
