"""Runs a web process under gunicorn, and gives a worker process its small HTTP port."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from rebook.counting import IN_MEMORY, counted_in
from rebook.health import alive, measurements, ready
from rebook.settings import flag, keys, origin, rate, setting, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_MAX_BYTES = 16_380  # a refused form's two cookies and the session's, with room to spare


@dataclass(frozen=True)
class WebSettings:
    """What every web process needs to know."""

    public_url: str = setting(
        "PUBLIC_URL", origin, "The origin that people use; links in letters point there"
    )
    manage_link_keys: tuple[str, ...] = setting(
        "MANAGE_LINK_KEYS", keys, "Secrets that sign manage links, newest first; dropping one ends its links"
    )
    session_keys: tuple[str, ...] = setting(
        "SESSION_KEYS", keys, "Secrets that sign sessions and drafts of forms, newest first"
    )
    session_hours: int = setting(
        "SESSION_HOURS", whole(1, 24 * 365), "After how many idle hours a session ends", "12"
    )
    trusted_proxies: int = setting(
        "TRUSTED_PROXIES", whole(0, 10), "Proxies in front whose X-Forwarded headers are believed", "1"
    )
    rate_limits: bool = setting(
        "REBOOK_RATE_LIMITS", flag, "Whether requests are limited at all, also by nginx", "1"
    )
    rate_limit_storage: str = setting(
        "RATE_LIMIT_STORAGE",
        counted_in,
        "Where rate limits are counted: each process for itself, or all in a Redis: `redis://host:6379/0`",
        IN_MEMORY,
    )
    rate_limit_unknown_links: str = setting(
        "RATE_LIMIT_UNKNOWN_LINKS",
        rate,
        "Manage links from one client address that open nothing",
        "30/minute",
    )
    web_threads: int = setting("WEB_THREADS", whole(1, 256), "Threads of each worker process", "8")

    @property
    def secure(self) -> bool:
        """Whether people come by https, so that cookies may be kept to it."""
        return self.public_url.startswith("https:")


@dataclass(frozen=True)
class ListenSettings:
    """Where a process listens."""

    listen_host: str = setting("LISTEN_HOST", text, "The address every process listens on", "127.0.0.1")


@dataclass(frozen=True)
class GunicornSettings(ListenSettings):
    """And how widely a web process serves."""

    web_workers: int = setting("WEB_WORKERS", whole(1, 64), "Worker processes of each web process", "2")
    web_threads: int = setting("WEB_THREADS", whole(1, 256), "Threads of each worker process", "8")


def serve(app: str, settings: GunicornSettings, port: int) -> NoReturn:
    """Become gunicorn serving `module:create_app()`; its workers share their counts over files."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="rebook-metrics-")
    options = {
        "bind": f"{settings.listen_host}:{port}",
        "worker-class": "gthread",
        "workers": settings.web_workers,
        "threads": settings.web_threads,
        "limit-request-field_size": HEADER_MAX_BYTES,
        "graceful-timeout": 4,
        "keep-alive": 75,
        "log-level": "error",
        "config": "python:rebook.gunicorn_hooks",
    }
    flags = ["--no-control-socket", *(f"--{name}={value}" for name, value in options.items())]
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *flags, app])  # noqa: S606


def answer_health(listen: str, port: int, is_ready: Callable[[], bool]) -> None:
    """Answer /healthz, /readyz and /metrics for a worker process, from a thread that ends with it."""
    app = Flask("worker")
    app.add_url_rule("/healthz", "healthz", alive)
    app.add_url_rule("/metrics", "metrics", measurements)
    app.add_url_rule("/readyz", "readyz", lambda: ready(is_ready()))
    server = make_server(listen, port, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing: probes come every few seconds."""
