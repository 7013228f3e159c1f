"""Sends one request, and says what is wrong with its answer or with what it has done."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg

from fuzz.odd import INJECTED, MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.requests import Request

_ANSWERS_WITHIN_S = 10.0
_LEAKS = re.compile(
    r"Traceback \(most recent|File \"/|site-packages|\bpsycopg|postgresql://|(SELECT|INSERT INTO|UPDATE|DELETE FROM) "
    r"\w+ (FROM|SET|WHERE|\()|werkzeug|gunicorn|jinja2|relation \"|/tmp/|/usr/|/home/|\.py\b|127\.0\.0\.1:\d",
)
# Everything that a request could change where the truth is.
_STATE = """
SELECT (SELECT coalesce(max(notification_id), 0) FROM stored_events), (SELECT count(*) FROM slot_holds),
       (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM ended_sessions),
       (SELECT count(*) FROM api_tokens), (SELECT md5(string_agg(password_hash, ',')) FROM credentials)
"""


class Wrong(AssertionError):  # noqa: N818 - the word that the report uses
    """An answer, or an effect, that must not be."""


class Judge:
    """Talks to the gateway at `port`; `secrets` are texts that no answer may hold."""

    def __init__(self, port: int, database_url: str, secrets: tuple[str, ...]) -> None:
        self._port = port
        self._store = psycopg.connect(database_url, autocommit=True)
        self._secrets = secrets
        self.statuses: dict[int, int] = {}

    def close(self) -> None:
        self._store.close()

    def judge(self, request: Request) -> int:
        """The status of the answer.

        Raises:
            Wrong: with what is wrong.
        """
        before = self._state()
        status, headers, body = self._sent(request)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        wrong = [*self._wrongs(status, headers, body)]
        is_write = request.method not in {"GET", "HEAD"} and status < 400
        if not is_write and self._state() != before:
            wrong.append("it changed something")
        if wrong:
            raise Wrong(f"{request} was answered {status} {body[:500]!r}: {'; '.join(wrong)}")
        return status

    def _state(self) -> tuple[object, ...] | None:
        return self._store.execute(_STATE).fetchone()

    def _sent(self, request: Request) -> tuple[int, http.client.HTTPMessage, str]:
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Connection: close",
        ]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"Content-Length: {len(request.body)}"] if request.body else []
        source = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + request.body
        try:
            with socket.create_connection(("127.0.0.1", self._port), _ANSWERS_WITHIN_S) as connection:
                with contextlib.suppress(ConnectionError):  # refused before it was read to its end
                    connection.sendall(source)
                with http.client.HTTPResponse(connection, method=request.method) as answer:
                    answer.begin()
                    return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
        except TimeoutError:
            raise Wrong(f"{request} was not answered within {_ANSWERS_WITHIN_S:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            if request.is_http:
                raise Wrong(f"{request} was answered by {error!r}") from None
            return 0, http.client.HTTPMessage(), ""

    def _wrongs(self, status: int, headers: http.client.HTTPMessage, body: str) -> Iterator[str]:
        if status >= 500 and not (status == 503 and headers["Retry-After"]):
            yield "that is an error of ours"
        told = f"{headers}\n{body}"
        if leak := _LEAKS.search(body.replace(f"127.0.0.1:{self._port}", "")):
            yield f"it tells of our insides: {leak.group()!r}"
        if any(secret in told for secret in self._secrets):
            yield "it tells a secret"
        if urlsplit(headers.get("Location", "").replace("\\", "/")).netloc not in {
            "",
            f"127.0.0.1:{self._port}",
        }:
            yield f"it sends people away to {headers['Location']}"
        if headers[INJECTED]:
            yield "a header was injected"
        if "text/html" in headers.get("Content-Type", "") and MARKER in body:
            yield "markup was injected"
