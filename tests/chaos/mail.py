"""A mail server that refuses, stalls, or takes a letter and never says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from servers.smtp import SmtpServer

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

_LOOK_EVERY_S = 0.05


class ChaosMail(SmtpServer):
    """What it took without saying so is in `unanswered`, by Message-ID: such a letter may come again."""

    def __init__(self) -> None:
        self.stalls = self.hangs_up = False
        self.unanswered: list[str] = []
        super().__init__()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.stalls:
            while self.stalls:
                await asyncio.sleep(_LOOK_EVERY_S)
            return "451 Too late"
        hangs_up = self.hangs_up
        reply = await super().handle_DATA(server, session, envelope)
        if hangs_up and reply.startswith("250") and server.transport:
            self.unanswered.append(str(self.letters()[-1].message["Message-ID"]))
            server.transport.abort()
        return reply

    def be_well(self) -> None:
        """Take letters, and say so."""
        self.stalls = self.hangs_up = False
        self.reply_with(lambda _: None)
        self.stop()
        self.start()
