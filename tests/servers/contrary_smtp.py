"""A mail server that misbehaves wherever a test wants it to: silent, gone, or refusing at any step of a letter."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING

from rebook_infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWERS = {
    "greeting": "220 contrary.example.org",
    "EHLO": "250 contrary.example.org",
    "MAIL": "250 Go on",
    "RCPT": "250 Go on",
    "DATA": "354 Let me have it",
    "dot": "250 Kept",
    "RSET": "250 Forgotten",
    "QUIT": "221 Bye",
}
_MIDDLE = 1_000  # bytes of a letter, after which a server hangs up in the middle


class HangUp(Exception):  # noqa: N818 - what the server does
    """End the connection without a word."""


@dataclass
class ContrarySmtp:
    """`at_step(step, recipient)` says what to do instead: `stall`, `hang up`, a reply, or None to behave."""

    at_step: Callable[[str, str], str | None] = lambda _step, _recipient: None
    port: int = field(default_factory=free_port)
    taken: list[tuple[str, str]] = field(default_factory=list)  # (recipient, Message-ID)
    steps: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self._socket.settimeout(0.1)
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def stop(self) -> None:
        """Be absent: refuse connections, and drop those there are."""
        self._over.set()
        for thread in list(self._threads):
            thread.join()
        self._socket.close()

    def ids(self) -> list[str]:
        """The Message-IDs of what was taken, in order."""
        return [message_id for _, message_id in self.taken]

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(0.1)
            try:
                self._converse(connection)
            except (HangUp, OSError):
                return

    def _converse(self, connection: socket.socket) -> None:
        lines = _Lines(connection, self._over)
        recipient = ""
        self.steps["connect"] += 1
        self._act("greeting", "", connection)
        while not self._over.is_set():
            said = lines.next().decode()
            step = said[:4].upper()
            if step in {"MAIL", "RCPT"}:
                recipient = said.partition("<")[2].partition(">")[0] if step == "RCPT" else ""
            if self._act(step, recipient, connection) and step == "DATA":
                self._take(connection, lines, recipient)
            if step == "QUIT":
                return

    def _take(self, connection: socket.socket, lines: _Lines, recipient: str) -> None:
        content = b""
        while (line := lines.next()) != b".":
            content += line + b"\r\n"
            if len(content) > _MIDDLE and self.at_step("middle", recipient):
                raise HangUp
        if self._act("dot", recipient, connection):
            self.taken.append((recipient, str(message_from_bytes(content)["Message-ID"])))

    def _act(self, step: str, recipient: str, connection: socket.socket) -> bool:
        """Answer; whether as a server that behaves would."""
        self.steps[step] += 1
        instead = self.at_step(step, recipient)
        if instead == "stall":
            self._over.wait()
        if instead in {"stall", "hang up"}:
            raise HangUp
        answer = instead or _ANSWERS.get(step)
        if answer:
            connection.sendall(f"{answer}\r\n".encode())
        return instead is None


class _Lines:
    """What a client says, line by line, until it hangs up or the server is told to stop."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self._connection = connection
        self._over = over
        self._read = b""

    def next(self) -> bytes:
        while b"\r\n" not in self._read:
            self._more()
        line, _, self._read = self._read.partition(b"\r\n")
        return line

    def _more(self) -> None:
        try:
            more = self._connection.recv(65_536)
        except TimeoutError:
            more = b"" if self._over.is_set() else None
        if more == b"":
            raise HangUp
        self._read += more or b""
