"""Rebook whole, a standby of every worker included, on servers that can be hurt."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from rebook.kafka import KafkaSettings
from rebook.moments import use_bundled_zones
from rebook.settings import load
from rebook_infra import processes
from rebook_infra.ports import free_port
from servers import kafka as kafkas
from servers.local_stack import LocalStack

from chaos import standbys
from chaos.mail import ChaosMail
from chaos.standbys import Standbys

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = ("booking-command-web", "booking-query-web", "notifier-web", "gateway")
WORKERS = tuple(name for name in processes.SERVICES if name not in WEB)
STANDBYS = standbys.NAMES
_SMTP_TIMEOUT_S = "3"


class Site:
    """Everything that runs, and where it can be asked and hurt; made and closed by the main thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "kafka").mkdir()
        self.kafka = kafkas.make(home / "kafka")
        self.mail = ChaosMail()
        variables = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SMTP_HOST": self.mail.host,
            "SMTP_PORT": str(self.mail.port),
            "SMTP_SECURITY": "none",
            "SMTP_TIMEOUT_S": _SMTP_TIMEOUT_S,
        }
        self.stack = LocalStack(home / "stack", free_port(), variables)
        self._variables = variables
        self._standbys: Standbys | None = None

    def start(self) -> None:
        self.kafka.start()
        self.stack.start()
        environment = os.environ | self._variables | self.stack.environment
        self._standbys = Standbys(self.home / "standbys", environment)
        self._standbys.start()

    def close(self) -> None:
        if self._standbys:
            self._standbys.stop()
        self.stack.close()
        self.kafka.close()
        self.mail.stop()

    @property
    def url(self) -> str:
        return self.stack.url

    @property
    def environment(self) -> dict[str, str]:
        return self.stack.environment

    @property
    def kafka_settings(self) -> KafkaSettings:
        return load(KafkaSettings, self.environment)

    def pid(self, process: str) -> int | None:
        """The leader of a process, the stack's or a standby; None while it is down."""
        home = self.home / ("standbys" if process in STANDBYS else "stack")
        pid: int | None = json.loads((home / "processes.json").read_text())[process]["pid"]
        return pid

    def is_ready(self, worker: str) -> bool:
        """Whether a worker, the stack's or a standby, says on its own port that it can do its job."""
        assert self._standbys
        port = self._standbys.ports.get(worker) or self.environment[standbys.PORTS[worker]]
        try:
            return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=3).status_code == HTTPStatus.OK
        except requests.RequestException:
            return False

    def keep_logs(self, directory: Path) -> None:
        """Copy what every process has logged."""
        for part in ("stack", "standbys"):
            shutil.copytree(self.home / part / "logs", directory / part, dirs_exist_ok=True)

    def status(self, service: str) -> dict[str, Any]:
        """What `/statusz` of a service says; nothing where it says nothing."""
        try:
            answer = requests.get(f"{self.url}/{service}/statusz", timeout=3)
            return {**answer.json(), "http": answer.status_code}
        except (requests.RequestException, ValueError):
            return {}


@contextmanager
def running(kind: str, logs: Path) -> Iterator[Site]:
    """A site that is ready; for the main thread.

    What its processes have logged is in `logs` afterwards, however it ends, and nothing else is left.
    """
    use_bundled_zones()
    home = Path(tempfile.mkdtemp(prefix=f"rebook-{kind}-"))
    site = Site(home)
    try:
        site.start()
        yield site
    finally:
        site.close()
        site.keep_logs(logs)
        shutil.rmtree(home, ignore_errors=True)
