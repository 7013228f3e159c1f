"""A Prometheus that scrapes processes of this machine under the names they have in production."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import requests
import yaml
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process

from servers.monitoring import PROMETHEUS
from servers.programs import program
from servers.running import Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Prometheus:
    """Asks every process once a second, and judges the alarms."""

    def __init__(self, home: Path, ports: Mapping[str, int]) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(PROMETHEUS / "alerts.yml")],
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for name, port in ports.items()
            ],
        }
        (home / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        command = (
            program("prometheus"),
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
            "--log.level=error",
        )
        process = Process("prometheus", command, dict(os.environ))
        self._server = Server(process, home / "prometheus.log", self._answers)
        self._server.start()

    def values(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        answer = requests.get(f"{self._url}/api/v1/query", params={"query": expression}, timeout=10)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def close(self) -> None:
        self._server.stop()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self._url}/-/ready", timeout=1).status_code == 200
        except requests.RequestException:
            return False
