"""What goes wrong with a mail server, in words that are safe to keep: no address, link or token in any of them."""

from __future__ import annotations

import re
import smtplib

_REPLY_MAX_LENGTH = 120
_TELLING = re.compile(r"[@/]|\S{32}")  # an address, a link or a token that the server quotes


class MailTrouble(Exception):  # noqa: N818 - the word the whole code uses
    """A letter did not go out; the message says why, without addresses, links or tokens."""


class ServerTrouble(MailTrouble):
    """The server cannot be reached, is shutting down, is stuck or turns us away: no letter's fault."""


class TryAgain(MailTrouble):
    """The server refused this letter for now (4yz), or the connection was lost over it."""


class RefusedForGood(MailTrouble):
    """The server will never take this letter (5yz)."""


def interrupted(error: Exception) -> MailTrouble:
    """A server that says nothing for too long is stuck; one that hangs up may dislike this letter."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return ServerTrouble("The mail server was silent for too long.")
    return TryAgain("The connection to the mail server was lost.")


def said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return quoted(error.smtp_code, as_bytes(error.smtp_error))
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "it was silent for too long."
    return getattr(error, "strerror", None) or str(error)


def as_bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode()


def quoted(code: int, reply: bytes) -> str:
    """A reply for people, without what it may quote of the letter."""
    words = [word for word in reply.decode("ascii", "replace").split() if not _TELLING.search(word)]
    return " ".join([str(code), *words])[:_REPLY_MAX_LENGTH]
