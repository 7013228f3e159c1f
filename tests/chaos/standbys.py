"""A second relay, projector and worker beside the stack's own, kept running by the same supervisor."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from rebook_infra import processes
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PORTS = {
    "booking-command-relay": "BOOKING_COMMAND_RELAY_PORT",
    "booking-query-projector": "BOOKING_QUERY_PROJECTOR_PORT",
    "notifier-worker": "NOTIFIER_WORKER_PORT",
}
NAMES = tuple(f"standby-{name}" for name in PORTS)
_STARTS_WITHIN_S = 15.0


class Standbys:
    """Their states are in `home/processes.json`, as those of the stack are in its own."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.ports = {name: str(free_port()) for name in NAMES}
        self._environment = environment
        self._running = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._asked_to_stop = asyncio.Event()
        # The kernel ties a process to the thread that started it: this one lives as long as they do.
        self._thread = threading.Thread(target=self._live, name="standbys", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._running.wait(_STARTS_WITHIN_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._asked_to_stop.set)
        self._thread.join()

    def _live(self) -> None:
        self._loop.run_until_complete(self._keep_running())
        self._loop.close()

    async def _keep_running(self) -> None:
        supervisor = Supervisor(self.home, lambda _: None)
        supervisor.start(*(self._process(name, port) for name, port in PORTS.items()))
        self._running.set()
        await self._asked_to_stop.wait()
        await supervisor.stop(NAMES)

    def _process(self, name: str, port: str) -> Process:
        command = processes.script(*processes.SERVICES[name])
        standby = f"standby-{name}"
        environment = {**self._environment, port: self.ports[standby]}
        return Process(standby, command, environment, stop_within_s=4.5)
