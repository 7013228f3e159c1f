"""The local stack's mail catcher: takes every letter by SMTP, delivers none, and shows them on a page."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller
from rebook.settings import BadSettings, load, port, setting
from werkzeug.serving import WSGIRequestHandler, make_server

from rebook_infra.mail_page import create_app
from rebook_infra.mailbox import Mailbox

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

_LOOPBACK = "127.0.0.1"
_LARGEST_LETTER_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class MailSettings:
    """Where letters come in, where the page is, where letters stay."""

    smtp_port: int = setting("SMTP_PORT", port, "The port that takes letters")
    page_port: int = setting("MAIL_PAGE_PORT", port, "The port of the page")
    folder: Path = setting("MAIL_DIR", Path, "Where letters are kept")  # noqa: RUF009 - makes a field


class _Handler:
    """aiosmtpd's hooks: what arrives goes into the mailbox before it is acknowledged."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        self._mailbox.keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        return "250 Kept"


class _QuietRequests(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """The page is looked at by its only user; nobody needs a log of it."""


def main() -> int:
    try:
        settings = load(MailSettings)
    except BadSettings as error:
        sys.stderr.write(f"mail: {error}\n")
        return 2
    mailbox = Mailbox(settings.folder)
    smtp = Controller(
        _Handler(mailbox),
        _LOOPBACK,
        settings.smtp_port,
        data_size_limit=_LARGEST_LETTER_BYTES,
        enable_SMTPUTF8=True,
    )
    page = make_server(
        _LOOPBACK, settings.page_port, create_app(mailbox), threaded=True, request_handler=_QuietRequests
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    smtp.start()
    try:
        page.serve_forever()
    finally:
        smtp.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
