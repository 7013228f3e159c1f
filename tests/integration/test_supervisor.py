"""The local stack's supervisor with small processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from rebook_infra.supervisor import CommandFailed, Process, Supervisor
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

FOREVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
WITH_WORKER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}]); {FOREVER}"


def python(name: str, code: str, **options: object) -> Process:
    return Process(name, (sys.executable, "-c", code), dict(os.environ), **options)  # type: ignore[arg-type]


def says(home: Path, name: str, words: str = "up") -> Callable[[], bool]:
    return lambda: words in (home / "logs" / f"{name}.log").read_text()


def state(home: Path, name: str) -> dict[str, int]:
    file = home / "processes.json"
    found: dict[str, dict[str, int]] = json.loads(file.read_text()) if file.exists() else {}
    return found.get(name, {})


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def supervised(home: Path, act: Callable[[Supervisor], Coroutine[None, None, None]]) -> list[str]:
    """Run `act` with a supervisor; what the supervisor reported."""
    reports: list[str] = []

    async def run() -> None:
        supervisor = Supervisor(home, reports.append)
        await act(supervisor)

    asyncio.run(run())
    return reports


async def eventually(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(until, condition, 10)


def test_what_dies_is_started_again_and_said_so_in_one_line(tmp_path: Path):
    async def act(supervisor: Supervisor) -> None:
        supervisor.start(python("worker", FOREVER))
        await eventually(lambda: state(tmp_path, "worker").get("pid"))
        os.kill(state(tmp_path, "worker")["pid"], signal.SIGKILL)
        await eventually(
            lambda: state(tmp_path, "worker")["restarts"] == 1 and state(tmp_path, "worker")["pid"]
        )
        await supervisor.stop(("worker",))

    reports = supervised(tmp_path, act)
    assert len(reports) == 1
    assert reports[0].startswith("worker was killed by SIGKILL; starting it again in 0.25 s.")


def test_what_dies_at_once_is_tried_less_and_less_often(tmp_path: Path):
    async def act(supervisor: Supervisor) -> None:
        supervisor.start(python("worker", "import sys; sys.exit('SESSION_KEYS is not set')"))
        await eventually(lambda: state(tmp_path, "worker").get("restarts", 0) >= 3)
        await supervisor.stop(("worker",))

    reports = supervised(tmp_path, act)
    assert "again in 0.25 s" in reports[0]
    assert "again in 0.5 s" in reports[1]
    assert "again in 1 s" in reports[2]
    assert "worker ended with exit code 1" in reports[0]
    assert reports[0].endswith("Last words: SESSION_KEYS is not set")


def test_a_process_starts_when_what_it_needs_is_ready(tmp_path: Path):
    async def is_ready() -> bool:
        return (tmp_path / "open").exists()

    async def act(supervisor: Supervisor) -> None:
        supervisor.start(
            python("worker", FOREVER, needs=("server",)), python("server", FOREVER, is_ready=is_ready)
        )
        await eventually(lambda: state(tmp_path, "server").get("pid"))
        assert state(tmp_path, "worker")["pid"] is None
        (tmp_path / "open").touch()
        await eventually(lambda: state(tmp_path, "worker")["pid"])
        await supervisor.stop(("worker",), ("server",))

    assert supervised(tmp_path, act) == []


def test_a_hold_keeps_a_process_down_until_it_is_lifted(tmp_path: Path):
    async def act(supervisor: Supervisor) -> None:
        supervisor.start(python("worker", FOREVER))
        await eventually(lambda: state(tmp_path, "worker").get("pid"))
        (tmp_path / "hold" / "worker").touch()
        await eventually(lambda: state(tmp_path, "worker")["pid"] is None)
        (tmp_path / "hold" / "worker").unlink()
        await eventually(lambda: state(tmp_path, "worker")["pid"])
        await supervisor.stop(("worker",))

    assert supervised(tmp_path, act) == []


def test_stopping_kills_what_does_not_listen_and_its_workers(tmp_path: Path):
    async def act(supervisor: Supervisor) -> None:
        supervisor.start(python("deaf", STUBBORN, stop_within_s=0.2), python("master", WITH_WORKER))
        await eventually(lambda: all(state(tmp_path, name).get("pid") for name in ("deaf", "master")))
        await eventually(lambda: says(tmp_path, "deaf")() and says(tmp_path, "master", "up\nup")())
        pids.extend(state(tmp_path, name)["pid"] for name in ("deaf", "master"))
        pids.extend(child.pid for child in psutil.Process(pids[1]).children())
        await supervisor.stop(("deaf", "master"))

    pids: list[int] = []
    supervised(tmp_path, act)
    assert len(pids) == 3
    until(lambda: not any(map(is_alive, pids)), 5)


def test_a_command_that_fails_says_why(tmp_path: Path):
    async def act(supervisor: Supervisor) -> None:
        assert await supervisor.run(python("fine", "print('done')")) == "done"
        await supervisor.run(python("migrate", "import sys; sys.exit('no such table')"))

    with pytest.raises(CommandFailed, match="migrate ended with exit code 1: no such table"):
        supervised(tmp_path, act)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path):
    code = f"""
import asyncio, os, sys
from pathlib import Path
from rebook_infra.supervisor import Process, Supervisor
async def run():
    supervisor = Supervisor(Path({str(tmp_path)!r}), print)
    supervisor.start(*(Process(n, (sys.executable, "-c", {STUBBORN!r}), dict(os.environ)) for n in ("one", "two")))
    await asyncio.Event().wait()
asyncio.run(run())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    pids = [until(lambda name=name: state(tmp_path, name).get("pid"), 10) for name in ("one", "two")]
    for name in ("one", "two"):
        until(says(tmp_path, name), 10)
    supervisor.kill()
    supervisor.wait()
    until(lambda: not any(map(is_alive, pids)), 5, "the end of both processes")
