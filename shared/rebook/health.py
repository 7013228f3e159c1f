"""What processes tell about themselves: that they live, can serve, how their service does, and what they measured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flask import Response, current_app
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask.sansio.app import App

    Status = Callable[[], tuple[bool, dict[str, Any]]]

PROBES = {"/healthz", "/readyz", "/statusz", "/metrics"}  # they come every few seconds and are no work


def alive() -> dict[str, str]:
    return {"status": "alive"}


def ready(is_ready: bool) -> tuple[dict[str, str], int]:
    """The answer of /readyz: whether this process can serve."""
    return ({"status": "ready"}, 200) if is_ready else ({"status": "not ready"}, 503)


def measurements() -> Response:
    """This process's metrics, those of its sibling workers included (Prometheus text format)."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    text = generate_latest(registry)
    if status := current_app.extensions.get("rebook_status"):
        facts = CollectorRegistry()
        facts.register(_Facts(status))
        text += generate_latest(facts)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def tell_status(app: App, status: Status) -> None:
    """Answer /statusz with whether the whole service does its job, and the facts; /metrics shows them as well."""
    app.extensions["rebook_status"] = status
    app.add_url_rule("/statusz", "statusz", lambda: _status_answer(*status()))


def _status_answer(is_ready: bool, facts: dict[str, Any]) -> tuple[dict[str, Any], int]:
    return {"status": "ready" if is_ready else "not ready", **facts}, 200 if is_ready else 503


class _Facts(Collector):
    """Every number of /statusz, asked for anew at each look: the same from whichever worker process answers."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        is_ready, facts = self._status()
        yield GaugeMetricFamily("service_ready", "1 while /statusz answers 200", value=is_ready)
        for name, value in facts.items():
            if isinstance(value, int | float):
                yield GaugeMetricFamily(f"service_{name}", f"`{name}` of /statusz", value=value)
