"""A message as the bytes that leave: multipart/mixed of (text, HTML) and a calendar file, written by hand.

Letters differ in their words only, so the `email` package's general machinery is not needed for them: it took
half of a letter's time. Tests read what is written here by that package's strict policy.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_LINE = 998  # RFC 5322, section 2.1.1
_MOSTLY_ASCII = (
    6  # quoted-printable takes two bytes more for one that is not ASCII, base64 one more for three
)


class Part(NamedTuple):
    """Text of one kind; `parameters` go into its Content-Type, `disposition` says that it is a file."""

    subtype: str
    text: str
    parameters: str = ""
    disposition: str = ""


def message(headers: Iterable[tuple[str, str]], text: str, html: str, calendar: Part) -> bytes:
    """The whole message, every line ending with CRLF; header values are finished, folded where they are long."""
    inner, outer = _boundary(), _boundary()
    lines = [f"{name}: {value}" for name, value in headers]
    lines += ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{outer}"', "", f"--{outer}"]
    lines += [f'Content-Type: multipart/alternative; boundary="{inner}"', ""]
    for part in (Part("plain", text), Part("html", html)):
        lines += [f"--{inner}", *_written(part)]
    lines += [f"--{inner}--", f"--{outer}", *_written(calendar), f"--{outer}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _boundary() -> str:
    """What nobody can have typed: letters hold strangers' text."""
    return f"=_{secrets.token_hex(16)}"


def _written(part: Part) -> list[str]:
    body = "\r\n".join([*part.text.splitlines(), ""])
    encoding, encoded = _encoded(body, is_file=bool(part.disposition))
    kind = f'Content-Type: text/{part.subtype}; charset="utf-8"{part.parameters}'
    headers = [kind, f"Content-Transfer-Encoding: {encoding}"]
    if part.disposition:
        headers.append(f"Content-Disposition: {part.disposition}")
    return [*headers, "", encoded]


def _encoded(body: str, *, is_file: bool) -> tuple[str, str]:
    """Readable as it travels where mail can carry it so; else as readable as can be."""
    if body.isascii() and max(map(len, body.split("\r\n"))) < _LONGEST_LINE:
        return "7bit", body
    raw = body.encode()
    if not is_file and (len(raw) - len(body)) * _MOSTLY_ASCII < len(raw):
        return "quoted-printable", binascii.b2a_qp(raw).decode()
    return "base64", base64.encodebytes(raw).decode().rstrip().replace("\n", "\r\n")
