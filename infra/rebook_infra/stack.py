"""The local stack, from nothing to a site that answers: real servers, every process, one command."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from typing import TYPE_CHECKING

import psycopg2
import urllib3

from rebook_infra import addresses, databases, postgres, processes
from rebook_infra.data_dir import CannotStart
from rebook_infra.demo import TeamSession, meeting_types
from rebook_infra.supervisor import CommandFailed, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rebook_infra.addresses import Addresses
    from rebook_infra.data_dir import DataDir
    from rebook_infra.narrator import Narrator
    from rebook_infra.stack_settings import StackSettings

_SERVER_WITHIN_S = 60.0
_PATIENCE_S = 30.0
_ASK_EVERY_S = 0.1
_OK = 200
_UNTOLD = "team_password"  # one that was drawn is kept until somebody was told: a start may end before
_UNTOLD_BYTES = 9
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stack:
    """One local stack. `run` returns when somebody has asked it to stop, and everything has."""

    def __init__(
        self, settings: StackSettings, given: Mapping[str, str], data: DataDir, narrator: Narrator
    ) -> None:
        self._settings = settings
        self._given = given
        self._data = data
        self._narrator = narrator
        self._supervisor = Supervisor(data.path, narrator.warn)
        self._http = urllib3.PoolManager(timeout=5, retries=False)

    async def run(self) -> None:
        """Start, keep running, and stop on a signal.

        Raises:
            CannotStart: and nothing is left running.
        """
        asked_to_stop = asyncio.Event()
        for number in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(asked_to_stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        except CommandFailed as error:
            raise CannotStart(f"{error}") from None
        except psycopg2.Error as error:
            raise CannotStart(f"The databases cannot be made: {str(error).strip()}") from None
        finally:
            starting.cancel()
            stopping.cancel()
            await self._stop()

    async def _stop(self) -> None:
        with self._narrator.step("Stopping", "Everything has stopped"):
            await self._supervisor.stop(*processes.STOP_ORDER)

    async def _start(self) -> None:
        chosen, needs = await self._start_servers()
        await self._migrate(chosen)
        password = self._settings.team_password or self._data.secret(_UNTOLD, _UNTOLD_BYTES)
        with self._narrator.step("Starting the services", "Every service is ready"):
            self._supervisor.start(
                *processes.services(chosen, self._data.path, self._settings.listen_host, needs)
            )
            await self._supervisor.run(
                processes.team_member(chosen, self._data.path, self._settings.team_email, password)
            )
            await self._all_ready()
        is_new = await asyncio.to_thread(self._greet, password) and not self._settings.team_password
        self._tell(chosen, password if is_new else None)
        if is_new:
            self._data.forget(_UNTOLD)

    async def _start_servers(self) -> tuple[Addresses, tuple[str, ...]]:
        """Start what was not given; the addresses of all, and the names of those that services wait for."""
        with self._narrator.step("Starting PostgreSQL", "PostgreSQL is ready"):
            server, started = await self._postgres()
            chosen = addresses.choose(self._settings, self._given, self._data, server)
            self._data.write_env(chosen.exported())
            _emptied(self._data.path / "tmp")
            others = processes.servers(chosen, self._data.path)
            self._supervisor.start(*others)
            await asyncio.to_thread(databases.ensure, server, chosen.databases)
            needs = (*started, *(other.name for other in others if other.is_ready))
        return chosen, needs

    async def _postgres(self) -> tuple[str, tuple[str, ...]]:
        given = self._settings.database_url
        if given:
            await self._wait_for(given)
            return given, ()
        home = self._data.path / "postgres"
        server = await asyncio.to_thread(postgres.prepare, home, self._data.secret("postgres"))
        self._supervisor.start(server.process())
        try:
            await asyncio.wait_for(self._supervisor.ready("postgres"), _SERVER_WITHIN_S)
        except TimeoutError:
            raise CannotStart(
                f"PostgreSQL does not start: {self._supervisor.last_words('postgres')}"
            ) from None
        return server.url, ("postgres",)

    async def _wait_for(self, server: str) -> None:
        give_up_at = time.monotonic() + _PATIENCE_S
        while obstacle := await asyncio.to_thread(databases.obstacle, server):
            if time.monotonic() > give_up_at:
                raise CannotStart(f"The server of DATABASE_URL cannot be used: {obstacle}")
            self._narrator.waiting(f"Waiting for the server of DATABASE_URL ({obstacle})")
            await asyncio.sleep(_ASK_EVERY_S)

    async def _migrate(self, chosen: Addresses) -> None:
        with self._narrator.step("Updating the databases", "The databases are up to date"):
            runs = [self._supervisor.run(one) for one in processes.migrations(chosen, self._data.path)]
            await asyncio.gather(*runs)

    async def _all_ready(self) -> None:
        """Wait until all three services say that they can do their job; tell who is late, once."""
        late_at = time.monotonic() + _PATIENCE_S
        while missing := await self._not_ready():
            self._narrator.waiting(f"Waiting for {', '.join(missing)}")
            if time.monotonic() > late_at:
                self._narrator.warn(f"Still waiting for {', '.join(missing)}; see {self._data.path}/logs.")
                late_at = float("inf")
            await asyncio.sleep(_ASK_EVERY_S)

    async def _not_ready(self) -> list[str]:
        names = ("command", "query", "notifier")
        answers = await asyncio.gather(*(asyncio.to_thread(self._is_ready, name) for name in names))
        return [name for name, ready in zip(names, answers, strict=True) if not ready]

    def _is_ready(self, name: str) -> bool:
        try:
            return self._http.request("GET", f"{self._origin}/{name}/statusz").status == _OK
        except urllib3.exceptions.HTTPError:
            return False

    def _greet(self, password: str) -> bool:
        """Whether the password is the first team member's; if so, add what there is to try, once."""
        team = TeamSession(self._origin)
        if not team.log_in(self._settings.team_email, password):
            return False
        if self._settings.demo and not self._data.is_noted("demo"):
            added = [team.add_if_absent(*one) for one in meeting_types(self._settings.team_email).items()]
            if all(added):
                self._data.note("demo")
        return True

    def _tell(self, chosen: Addresses, new_password: str | None) -> None:
        at = self._origin
        facts = {
            "Site": f"{at}/",
            "Bookings tab": f"{at}/scheduling/bookings",
            "Team login": self._settings.team_email,
            "Mail": _mail(chosen),
            "HTTP API": f"{at}/command/docs and {at}/query/docs",
            "Addresses, keys": f". {self._data.path}/env",
            "Logs": f"{self._data.path}/logs/",
        }
        if new_password:
            facts["Team login"] += f", password {new_password} (shown this once)"
        if chosen.public_url != at:
            facts["Links point to"] = chosen.public_url
        self._narrator.show(f"Rebook is ready: {at}/", facts)
        self._narrator.say("Ctrl-C stops everything; bookings stay.")

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._settings.gateway_port}"


def _mail(chosen: Addresses) -> str:
    if "SMTP_HOST" in chosen.chosen:
        return f"http://127.0.0.1:{chosen.port('MAIL_PAGE_PORT')}/"
    return f"sent by {chosen.environment['SMTP_HOST']}"


def _emptied(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
