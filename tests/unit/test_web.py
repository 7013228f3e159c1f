"""What every answer of every service tells browsers, and what a defect tells nobody."""

from __future__ import annotations

import pytest
from rebook.web import new_app


def client_of(public_url: str):
    app = new_app("test", public_url, 0)
    app.add_url_rule("/fails", "fails", lambda: 1 / 0)
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
