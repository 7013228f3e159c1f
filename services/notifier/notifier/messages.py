"""A letter as the bytes that leave: multipart/mixed of (text, HTML) and the calendar file.

Headers are encoded here and handed to the `email` package as finished `Header` values: its newer API decodes
encoded words that strangers typed as their name and writes their line breaks raw (CPython 3.11), and takes
twice as long.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from email import policy
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Any

from notifier import rendering
from notifier.calendar_files import calendar_file, method_of
from notifier.letters import thread_id
from notifier.wording import Writer

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.manage_links import ManageLinks

    from notifier.letters import Letter
    from notifier.settings import LetterSettings

_POLICY = policy.compat32.clone(linesep="\r\n")
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_ADDRESS_SPECIALS = re.compile(r"[<>(),;:\\\"]")
_QUOTABLE = re.compile(r"[A-Za-z0-9 .,'&()+/_-]{1,60}")
_LONGEST_LINE = 998  # RFC 5322, section 2.1.1


class NotAnAddress(ValueError):  # noqa: N818 - a fact about a recipient, reported as such
    """A recipient that no envelope can carry."""


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
        message = MIMEMultipart("mixed", policy=_POLICY)
        for name, value in self._headers(letter, wording.subject, now):
            message[name] = value
        message.attach(_alternative(rendering.as_text(wording), rendering.as_html(wording)))
        message.attach(_calendar_part(letter, self.settings.mail_domain))
        return message.as_bytes(policy=_POLICY)

    def _headers(self, letter: Letter, subject: str, now: datetime) -> list[tuple[str, Any]]:
        thread = thread_id(letter, self.settings.mail_domain)
        headers: list[tuple[str, Any]] = [
            ("From", mailbox(*parseaddr(self.settings.mail_from))),
            ("To", mailbox(letter.recipient_name, letter.recipient)),
            ("Reply-To", mailbox(letter.booking.host_name, letter.booking.host_email)),
            ("Subject", line(subject)),
            ("Date", format_datetime(now)),
            ("Message-ID", letter.message_id),
            ("Auto-Submitted", "auto-generated"),  # RFC 3834
            ("X-Auto-Response-Suppress", "All"),
        ]
        if thread != letter.message_id:
            headers += [("In-Reply-To", thread), ("References", thread)]
        return headers


def line(text: str) -> Header:
    """Any text as one header value."""
    clean = _one_line(text)
    is_plain = (
        clean.isascii() and "=?" not in clean and max(map(len, clean.split()), default=0) < _LONGEST_LINE
    )
    return Header(clean, "us-ascii" if is_plain else "utf-8", maxlinelen=76, header_name="Subject")


def mailbox(name: str, address: str) -> Header:
    """A display name and an address; a name that is not plain travels as encoded words (RFC 2047).

    Raises:
        NotAnAddress: the address holds what would end it early.
    """
    if not _ADDRESS.fullmatch(address) or _ADDRESS_SPECIALS.search(address):
        raise NotAnAddress("not an address that a message can carry")
    header = Header(maxlinelen=76, header_name="Reply-To")
    clean = _one_line(name)
    if not clean:
        header.append(address, "us-ascii")
    elif _QUOTABLE.fullmatch(clean):
        header.append(f'"{clean}" <{address}>', "us-ascii")
    else:
        header.append(clean, "utf-8")
        header.append(f"<{address}>", "us-ascii")
    return header


def _one_line(text: str) -> str:
    spaced = "".join(" " if unicodedata.category(mark) in {"Cc", "Zl", "Zp"} else mark for mark in text)
    return " ".join(spaced.split())


def _alternative(text: str, html: str) -> MIMEMultipart:
    both = MIMEMultipart("alternative", policy=_POLICY)
    both.attach(_text_part(text, "plain"))
    both.attach(_text_part(html, "html"))
    return both


def _calendar_part(letter: Letter, domain: str) -> MIMEText:
    part = _text_part(calendar_file(letter, domain).decode(), "calendar")
    part.set_param("method", method_of(letter))
    part.add_header("Content-Disposition", "attachment", filename="invite.ics")
    return part


def _text_part(text: str, subtype: str) -> MIMEText:
    """Readable as it travels where it is ASCII in lines that mail can carry, else base64."""
    lines = text.splitlines()
    if text.isascii() and max(map(len, lines), default=0) < _LONGEST_LINE:
        part = MIMEText("\n".join([*lines, ""]), subtype, "us-ascii", policy=_POLICY)
        part.set_param("charset", "utf-8")
        return part
    return MIMEText("\r\n".join([*lines, ""]), subtype, "utf-8", policy=_POLICY)
