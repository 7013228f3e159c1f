"""The whole local stack, run as `make run` runs it, with switches for what can go wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from rebook_infra import child

from servers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

READY = "Ctrl-C stops everything"  # the last line that it says when it is ready
_START_WITHIN_S, _STOP_WITHIN_S = 90.0, 15.0


class LocalStack:
    """`python -m rebook_infra` as a child; its lines of output are kept in `output`."""

    def __init__(self, data_dir: Path, port: int, variables: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{port}"
        self.team_email, self.team_password = "team@example.org", "correct horse battery staple"
        self.output: list[str] = []
        self._variables = {
            "REBOOK_PORT": str(port),
            "REBOOK_DATA_DIR": str(data_dir),
            "REBOOK_DEMO": "0",
            "REBOOK_RATE_LIMITS": "0",
            "TEAM_EMAIL": self.team_email,
            "TEAM_PASSWORD": self.team_password,
        } | variables
        self._running: subprocess.Popen[str] | None = None
        self._said = threading.Condition()
        self._listener: threading.Thread | None = None

    def start(self) -> None:
        """Start everything and return when it is ready."""
        self.begin()
        self.wait_until_it_says(READY, _START_WITHIN_S)

    def begin(self) -> None:
        """Start everything and return at once."""
        self.output.clear()
        tie = (str(os.getpid()), str(int(signal.SIGTERM)), "")
        self._running = subprocess.Popen(
            [sys.executable, "-I", "-S", child.__file__, *tie, sys.executable, "-m", "rebook_infra"],
            env=os.environ | self._variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(self._running,), daemon=True)
        self._listener.start()

    def stop(self) -> int:
        """Stop everything as Ctrl-C does; the exit code."""
        assert self._running
        self._running.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        assert self._running
        assert self._listener
        code = self._running.wait(_STOP_WITHIN_S)
        self._listener.join()
        self._running = None
        return code

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._running:
            self.stop()

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.pid

    @property
    def environment(self) -> dict[str, str]:
        """What `. .local/env` would export: addresses and keys of every process."""
        lines = (self.data_dir / "env").read_text().splitlines()
        pairs = (shlex.split(line)[1].partition("=") for line in lines)
        return {name: value for name, _, value in pairs}

    def state(self, process: str) -> dict[str, int | bool | None]:
        """`pid`, `ready` and `restarts` of one process, as its supervisor sees it."""
        states: dict[str, dict[str, int | bool | None]] = json.loads(
            (self.data_dir / "processes.json").read_text()
        )
        return states[process]

    def kill(self, process: str) -> None:
        """Kill one process and all its workers; the supervisor starts it again."""
        pid = self.state(process)["pid"]
        assert pid
        os.killpg(pid, signal.SIGKILL)
        until(lambda: self.state(process)["pid"] != pid, 10, f"the death of {process}")

    def hold(self, *processes: str) -> None:
        """Stop processes and keep them stopped until `release`."""
        for process in processes:
            (self.data_dir / "hold" / process).touch()
        for process in processes:
            until(lambda name=process: self.state(name)["pid"] is None, 15, f"{process} being down")

    def release(self, *processes: str) -> None:
        for process in processes:
            (self.data_dir / "hold" / process).unlink()
        for process in processes:
            until(lambda name=process: self.state(name)["ready"], 30, f"{process} running")

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Every service can do its job and has caught up since it started."""
        for service in ("command", "query", "notifier"):
            until(lambda name=service: self.status(f"/{name}/statusz") == 200, timeout_s, f"{service} ready")

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def wait_until_it_says(self, words: str, timeout_s: float) -> str:
        """The first line of its output with these words, as soon as it is there."""
        with self._said:
            self._said.wait_for(lambda: self._line(words) or self._has_ended(), timeout_s)
            found = self._line(words)
        assert found, f"the stack did not say {words!r} but:\n" + "\n".join(self.output)
        return found

    def _line(self, words: str) -> str | None:
        return next((line for line in self.output if words in line), None)

    def _has_ended(self) -> bool:
        return self._listener is not None and not self._listener.is_alive()

    def _listen(self, running: subprocess.Popen[str]) -> None:
        assert running.stdout
        with running.stdout:
            for line in running.stdout:
                with self._said:
                    self.output.append(line.rstrip())
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()
