"""A letter as the bytes that leave: its words, its headers and its calendar file in one message."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import format_datetime, parseaddr
from functools import cached_property
from typing import TYPE_CHECKING

from notifier import mime, rendering
from notifier.calendar_files import calendar_file, method_of
from notifier.headers import line, mailbox
from notifier.letters import thread_id
from notifier.wording import Writer

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.manage_links import ManageLinks

    from notifier.letters import Letter
    from notifier.settings import LetterSettings


@dataclass(frozen=True)
class Press:
    """Writes letters as messages."""

    settings: LetterSettings
    links: ManageLinks

    def message(self, letter: Letter, now: datetime) -> bytes:
        """The whole message; `now` goes into its Date.

        Raises:
            NotAnAddress: the recipient or the host has an address that would break a header.
        """
        wording = Writer(self.links, self.settings.public_url).words_for(letter)
        return mime.message(
            self._headers(letter, wording.subject, now),
            rendering.as_text(wording),
            rendering.as_html(wording),
            _calendar_part(letter, self.settings.mail_domain),
        )

    @cached_property
    def _sender(self) -> str:
        return mailbox(*parseaddr(self.settings.mail_from))

    def _headers(self, letter: Letter, subject: str, now: datetime) -> list[tuple[str, str]]:
        thread = thread_id(letter, self.settings.mail_domain)
        headers = [
            ("From", self._sender),
            ("To", mailbox(letter.recipient_name, letter.recipient)),
            ("Reply-To", mailbox(letter.booking.host_name, letter.booking.host_email)),
            ("Subject", line(subject)),
            ("Date", format_datetime(now)),
            ("Message-ID", letter.message_id),
            ("Auto-Submitted", "auto-generated"),  # RFC 3834
            ("X-Auto-Response-Suppress", "All"),
            ("X-Correlation-Id", line(letter.correlation_id)),
        ]
        if thread != letter.message_id:
            headers += [("In-Reply-To", thread), ("References", thread)]
        return headers


def _calendar_part(letter: Letter, domain: str) -> mime.Part:
    return mime.Part(
        "calendar",
        calendar_file(letter, domain).decode(),
        f'; method="{method_of(letter)}"; name="invite.ics"',
        'attachment; filename="invite.ics"',
    )
