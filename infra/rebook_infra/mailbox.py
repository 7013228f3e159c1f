"""Letters as `.eml` files, newest first, in memory for as long as the mail catcher runs."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

_KEPT = 2_000  # letters; older ones are deleted


@dataclass(frozen=True)
class Attachment:
    """A part of a letter that is not its text."""

    filename: str
    content_type: str
    content: bytes


@dataclass
class Letter:
    """One letter, as it came over the wire."""

    id: str
    source: bytes

    @cached_property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.source, policy=email.policy.default)

    @property
    def received_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.id) / 1e9, UTC)

    @property
    def to(self) -> list[str]:
        """Whom it was addressed to on the envelope."""
        return [str(address) for address in self.message.get_all("Delivered-To", [])]

    def header(self, name: str) -> str:
        return str(self.message.get(name, ""))

    def body(self, kind: str) -> str:
        """The letter's `plain` or `html` text; empty where it has none."""
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""

    @cached_property
    def attachments(self) -> list[Attachment]:
        return [_attachment(part) for part in self.message.iter_attachments()]


def _attachment(part: Any) -> Attachment:
    content = part.get_content()
    data = content.encode() if isinstance(content, str) else bytes(content)
    return Attachment(part.get_filename() or "unnamed", part.get_content_type(), data)


class Mailbox:
    """Every letter that was kept; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        files = sorted(folder.glob("*.eml"))
        self._letters = {file.stem: Letter(file.stem, file.read_bytes()) for file in files}

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Letter:
        """Add a letter; who sent it to whom goes on top, as final delivery does it (RFC 5321, section 4.4)."""
        trace = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
        trace.append(f"Received: by the mail catcher; {format_datetime(datetime.now(UTC))}")
        source = "".join(f"{line}\r\n" for line in trace).encode("utf-8", "replace") + content
        with self._lock:
            letter = Letter(self._next_id(), source)
            self._file(letter.id).write_bytes(source)
            self._letters[letter.id] = letter
            while len(self._letters) > _KEPT:
                self._forget(next(iter(self._letters)))
        return letter

    def letters(self) -> list[Letter]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._letters.values()))

    def letter(self, letter_id: str) -> Letter | None:
        return self._letters.get(letter_id)

    def clear(self) -> None:
        with self._lock:
            for letter_id in list(self._letters):
                self._forget(letter_id)

    def _next_id(self) -> str:
        """The time of arrival in nanoseconds, always later than the last one."""
        last = int(next(reversed(self._letters), "0"))
        return f"{max(time.time_ns(), last + 1):020d}"

    def _forget(self, letter_id: str) -> None:
        del self._letters[letter_id]
        self._file(letter_id).unlink(missing_ok=True)

    def _file(self, letter_id: str) -> Path:
        return self._folder / f"{letter_id}.eml"
