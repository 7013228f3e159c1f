"""Starts processes, starts again what dies, and leaves nothing behind.

Each process is a leader of its own session, so a Ctrl-C in the terminal reaches the supervisor alone and
a whole process (with its workers) can be signalled at once. `child` ties its life to ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rebook_infra import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_CHILD = str(Path(__file__).with_name("child.py"))
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 5.0
_STEADY_AFTER_S = 10.0  # a process that lived this long starts over with the first delay
_PROBE_EVERY_S = 0.05
_CHORES_EVERY_S = 0.1


@dataclass(frozen=True)
class Process:
    """One line of the process table."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    needs: tuple[str, ...] = ()  # is started when these are ready
    is_ready: Callable[[], Awaitable[bool]] | None = None
    user: str = ""  # whom to run as; empty for ourselves
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 5.0
    orphan_signal: signal.Signals = signal.SIGKILL  # what the kernel sends it should we be killed


class CommandFailed(Exception):  # noqa: N818 - reads as a sentence where it is caught
    """A command that has to succeed did not; the message ends with the last thing it said."""


@dataclass
class _Kept:
    """What is known of a process while it is being kept alive."""

    process: Process
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    child: asyncio.subprocess.Process | None = None
    restarts: int = 0

    def state(self) -> dict[str, int | bool | None]:
        pid = self.child.pid if self.child else None
        return {"pid": pid, "ready": self.ready.is_set(), "restarts": self.restarts}


class Supervisor:
    """Keeps a table of processes running.

    In `home` it keeps `logs/<process>.log` and `processes.json`, which tells each process's state. A file
    `hold/<process>` keeps that process stopped for as long as the file exists: so an outage can be tried by
    hand, and by tests.
    """

    def __init__(self, home: Path, report: Callable[[str], None]) -> None:
        self._logs_dir = home / "logs"
        self._holds = home / "hold"
        self._state = home / "processes.json"
        self._report = report
        self._kept: dict[str, _Kept] = {}
        self._chores: asyncio.Task[None] | None = None
        self._written: dict[str, dict[str, int | bool | None]] = {}
        for directory in (self._logs_dir, self._holds):
            directory.mkdir(parents=True, exist_ok=True)
        for left_over in self._holds.iterdir():
            left_over.unlink()

    def start(self, *processes: Process) -> None:
        """Keep these running from now on; returns at once."""
        for process in processes:
            self._kept[process.name] = _Kept(process)
        for process in processes:
            kept = self._kept[process.name]
            kept.task = asyncio.create_task(self._keep(kept), name=process.name)
        self._chores = self._chores or asyncio.create_task(self._do_chores(), name="chores")

    async def ready(self, name: str) -> None:
        """Return when that process answers its probe."""
        await self._kept[name].ready.wait()

    def last_words(self, name: str) -> str:
        return logs.last_line(self._log(name))

    async def run(self, process: Process, within_s: float = 60.0) -> str:
        """Run a command to its end and return the last line it printed.

        Raises:
            CommandFailed: it ended otherwise than with 0, or not within that time.
        """
        child = await self._spawn(process)
        try:
            code = await asyncio.wait_for(child.wait(), within_s)
        except TimeoutError:
            raise CommandFailed(f"{process.name} did not end within {within_s:.0f} s") from None
        finally:
            _kill_group(child.pid)
            await child.wait()
        if code:
            raise CommandFailed(f"{process.name} {_how(code)}: {self.last_words(process.name)}")
        return self.last_words(process.name)

    async def stop(self, *stages: tuple[str, ...]) -> None:
        """Stop these processes, stage after stage, all of a stage at once."""
        if self._chores:
            await _cancelled(self._chores)
        for stage in stages:
            kept = [self._kept[name] for name in stage if name in self._kept]
            await asyncio.gather(*(self._let_go(one) for one in kept))

    async def _keep(self, kept: _Kept) -> None:
        """The life of one process: wait for what it needs, run, and again after each death."""
        delay_s = _FIRST_DELAY_S
        while True:
            await self._may_run(kept.process)
            started = time.monotonic()
            code = await self._live(kept)
            if self._is_held(kept.process.name):
                continue
            delay_s = _FIRST_DELAY_S if time.monotonic() - started > _STEADY_AFTER_S else delay_s
            kept.restarts += 1
            self._say_that_it_died(kept.process, code, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    async def _may_run(self, process: Process) -> None:
        for name in process.needs:
            await self._kept[name].ready.wait()
        while self._is_held(process.name):
            await asyncio.sleep(_CHORES_EVERY_S)

    async def _live(self, kept: _Kept) -> int:
        """One run of the process, from start to death; its exit code."""
        kept.child = child = await self._spawn(kept.process)
        probe = asyncio.create_task(self._probe(kept))
        try:
            return await child.wait()
        finally:
            await _cancelled(probe)
            if child.returncode is not None:
                kept.ready.clear()
                kept.child = None
                _kill_group(child.pid)  # workers that lost their master hold its port

    async def _probe(self, kept: _Kept) -> None:
        while kept.process.is_ready and not await kept.process.is_ready():
            await asyncio.sleep(_PROBE_EVERY_S)
        kept.ready.set()

    async def _spawn(self, process: Process) -> asyncio.subprocess.Process:
        tie = (str(os.getpid()), str(int(process.orphan_signal)), process.user)
        with self._log(process.name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", _CHILD, *tie, *process.command,
                env=dict(process.environment),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def _let_go(self, kept: _Kept) -> None:
        child = kept.child
        if kept.task:
            await _cancelled(kept.task)
        if child and child.returncode is None:
            await _stop(child, kept.process)
        kept.child = None

    async def _do_chores(self) -> None:
        while True:
            await asyncio.sleep(_CHORES_EVERY_S)
            for kept in self._kept.values():
                if kept.child and self._is_held(kept.process.name):
                    await _stop(kept.child, kept.process)
                logs.bound(self._log(kept.process.name))
            self._write_state()

    def _write_state(self) -> None:
        state = {name: kept.state() for name, kept in self._kept.items()}
        if state != self._written:
            new = self._state.with_suffix(".new")
            new.write_text(json.dumps(state, indent=1))
            new.replace(self._state)
            self._written = state

    def _say_that_it_died(self, process: Process, code: int, delay_s: float) -> None:
        words = self.last_words(process.name)
        self._report(f"{process.name} {_how(code)}; starting it again in {delay_s:g} s. Last words: {words}")

    def _is_held(self, name: str) -> bool:
        return (self._holds / name).exists()

    def _log(self, name: str) -> Path:
        return self._logs_dir / f"{name}.log"


async def _stop(child: asyncio.subprocess.Process, process: Process) -> None:
    """Ask it to stop, and kill it (and its workers) when it has not in time."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(process.stop_signal)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), process.stop_within_s)
    _kill_group(child.pid)
    await child.wait()


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
