"""A mail server that takes everything and keeps nothing: `smtp_sink.py PORT [lean | MS]`; says when it listens."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

_ANSWERS = {
    b"EHLO": b"250 sink.example.org\r\n",
    b"MAIL": b"250 Go on\r\n",
    b"RCPT": b"250 Go on\r\n",
    b"DATA": b"354 Let me have it\r\n",
    b"RSET": b"250 Forgotten\r\n",
    b"QUIT": b"221 Bye\r\n",
}
_DOT = b"\r\n.\r\n"


class Takes:
    """What aiosmtpd asks about each letter, after so many seconds of thought."""

    def __init__(self, thinks_s: float) -> None:
        self._thinks_s = thinks_s

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self._thinks_s)
        return "250 Kept"


class Lean(asyncio.Protocol):
    """One conversation, cheaper than any mail server's, so that next to nothing but the sender is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._is_letter = False
        self._read = bytearray()
        transport.write(b"220 sink.example.org\r\n")

    def data_received(self, data: bytes) -> None:
        self._read += data
        while self._taken():
            pass

    def _taken(self) -> bool:
        """Whether there was something whole to answer."""
        end = self._read.find(_DOT if self._is_letter else b"\r\n")
        if end < 0:
            return False
        if self._is_letter:
            answer, length = b"250 Kept\r\n", len(_DOT)
            self._is_letter = False
        else:
            verb = bytes(self._read[:4]).upper()
            answer, length = _ANSWERS.get(verb, b"502 No\r\n"), 2
            self._is_letter = verb == b"DATA"
        del self._read[: end + length]
        self._transport.write(answer)
        return True


async def main(port: int, kind: str) -> None:
    protocol = Lean if kind == "lean" else lambda: SMTP(Takes(int(kind) / 1000))
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if sys.argv[2:] else "0"))
