"""Header values made of what people typed: one line each, whatever they typed.

A value that could be mistaken for something else travels as encoded words (RFC 2047): text that is not ASCII, and
text that looks like encoded words already, which readers would decode.
"""

from __future__ import annotations

import re
import unicodedata
from email.header import Header
from functools import lru_cache

_LINE_LENGTH = 76
_LONGEST_NAME = len("Reply-To: ")  # of a header that these values are put into
_REMEMBERED = 2_000  # hosts and customers with several letters
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_ADDRESS_SPECIALS = re.compile(r"[<>(),;:\\\"]")
_QUOTABLE = re.compile(r"[A-Za-z0-9 .,'&()+/_-]{1,60}")


class NotAnAddress(ValueError):  # noqa: N818 - a fact about a recipient, reported as such
    """A recipient that no envelope can carry."""


def line(text: str) -> str:
    """Any text as one header value."""
    clean = one_line(text)
    is_plain = clean.isascii() and "=?" not in clean
    if is_plain and len(clean) <= _LINE_LENGTH - _LONGEST_NAME:
        return clean
    has_breaks = max(map(len, clean.split()), default=0) <= _LINE_LENGTH - _LONGEST_NAME
    header = Header(
        clean, "us-ascii" if is_plain and has_breaks else "utf-8", _LINE_LENGTH, header_name="Subject"
    )
    return header.encode(linesep="\r\n")


@lru_cache(_REMEMBERED)
def mailbox(name: str, address: str) -> str:
    """A display name and an address, as one header value.

    Raises:
        NotAnAddress: the address holds what would end it early.
    """
    if not _ADDRESS.fullmatch(address) or _ADDRESS_SPECIALS.search(address):
        raise NotAnAddress("not an address that a message can carry")
    clean = one_line(name)
    if not clean:
        return address
    header = Header(maxlinelen=_LINE_LENGTH, header_name="Reply-To")
    if _QUOTABLE.fullmatch(clean):
        header.append(f'"{clean}" <{address}>', "us-ascii")
    else:
        header.append(clean, "utf-8")
        header.append(f"<{address}>", "us-ascii")
    return header.encode(linesep="\r\n")


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(mark) in {"Cc", "Zl", "Zp"} else mark for mark in text)
    return " ".join(text.split())
