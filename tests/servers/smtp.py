"""A real SMTP server that keeps what it is given."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from rebook_infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

_HANGS_UP_WITHIN_S = 10.0


@dataclass(frozen=True)
class Letter:
    """One letter, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    source: bytes
    message: EmailMessage
    arrived_s: float  # time.monotonic()

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        return part.get_content() if part else ""

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        return part.get_content() if part else ""


class HangingUpController(Controller):
    """Stops as a server that dies: nothing is left of its connections, not even of those just being made.

    aiosmtpd's own leaves such to the garbage collector, whose warning would fail any later test.
    """

    def factory(self) -> SMTP:
        self._connections.append(connection := SMTP(self.handler, **self.SMTP_kwargs))
        return connection

    def start(self) -> None:
        self._connections: list[SMTP] = []
        super().start()

    def stop(self, no_assert: bool = False) -> None:
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(_HANGS_UP_WITHIN_S)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        assert self.server
        # Not closed yet: of what a closed server has just accepted, asyncio makes a connection that nobody closes.
        for listening in self.server.sockets:
            self.loop.remove_reader(listening)
        while asyncio.all_tasks() - {asyncio.current_task()} or any(it.transport for it in self._connections):
            for connection in self._connections:
                if isinstance(connection.transport, asyncio.Transport):
                    connection.transport.abort()
            await asyncio.sleep(0)  # a turn of the loop, in which they end


class SmtpServer:
    """Listens on the loopback interface; tests share it and look for their own addresses."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self._letters: list[Letter] = []
        self._arrived = threading.Condition()
        self._reply: Callable[[Letter], str | None] = lambda _: None
        self._controller: HangingUpController | None = None
        self.start()

    def start(self) -> None:
        self._controller = HangingUpController(self, self.host, self.port, enable_SMTPUTF8=True)
        self._controller.start()

    def stop(self) -> None:
        """Refuse connections from now on; letters stay."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    def reply_with(self, reply: Callable[[Letter], str | None]) -> None:
        """Answer DATA by this: an SMTP reply such as `451 Later` refuses the letter, None takes it."""
        self._reply = reply

    def letters(self, to: str | None = None) -> list[Letter]:
        """What was taken so far, oldest first."""
        with self._arrived:
            return [letter for letter in self._letters if to is None or to in letter.recipients]

    def wait_for(self, predicate: Callable[[Letter], bool], timeout_s: float = 15.0) -> Letter:
        """The first letter that fits, as soon as it is here."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: next(filter(predicate, self._letters), None), timeout_s)
            subjects = [(letter.recipients, letter.subject) for letter in self._letters[-10:]]
        assert found, f"no such letter within {timeout_s:g} s; the last that came: {subjects}"
        return found

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        source = envelope.original_content or b""
        message = email.message_from_bytes(source, policy=email.policy.default)
        recipients = tuple(envelope.rcpt_tos)
        letter = Letter(envelope.mail_from or "", recipients, source, message, time.monotonic())
        refusal = self._reply(letter)
        if refusal:
            return refusal
        with self._arrived:
            self._letters.append(letter)
            self._arrived.notify_all()
        return "250 Kept"
