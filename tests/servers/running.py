"""A server process of the test run, which cannot outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from rebook_infra import child, logs

from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rebook_infra.supervisor import Process


class Server:
    """Runs one line of a process table; can be stopped, killed, frozen and started again at will."""

    def __init__(self, process: Process, log: Path, is_ready: Callable[[], bool]) -> None:
        self._process = process
        self._log = log
        self._is_ready = is_ready
        self._running: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start, without waiting. From the main thread: the kernel ties the process to its starter's thread."""
        tie = (str(os.getpid()), str(int(signal.SIGKILL)), self._process.user)
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, *tie, *self._process.command],
                env=dict(self._process.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        until(self._ready_or_dead, timeout_s, f"{self._process.name} being ready")

    def start(self) -> None:
        self.begin()
        self.wait_ready()

    def stop(self) -> None:
        """Ask it to stop; kill it when it has not in time."""
        if not self._running:
            return
        self._running.send_signal(self._process.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running.wait(self._process.stop_within_s)
        self.kill()

    def kill(self) -> None:
        if self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
            self._running = None

    def crash(self) -> None:
        """Have it end at once and in disorder (SIGQUIT: PostgreSQL's immediate shutdown)."""
        assert self._running
        self._running.send_signal(signal.SIGQUIT)
        self._running.wait()
        self._running = None

    def freeze(self) -> None:
        """Stop it from doing anything while its connections stay open; `thaw` ends that."""
        assert self._running
        os.killpg(self._running.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._running
        os.killpg(self._running.pid, signal.SIGCONT)

    def _ready_or_dead(self) -> bool:
        assert self._running, f"{self._process.name} has not been started"
        code = self._running.poll()
        assert code is None, f"{self._process.name} ended with {code}: {logs.last_line(self._log)}"
        return self._is_ready()
