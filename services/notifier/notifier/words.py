"""What a letter's wording is made of, and how typed text gets into it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifier import times

if TYPE_CHECKING:
    from notifier.letters import Letter

_OPENERS, _CLOSER = {"\u202a", "\u202b", "\u202d", "\u202e"}, "\u202c"
_ISOLATES, _ISOLATE_CLOSER = {"\u2066", "\u2067", "\u2068"}, "\u2069"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the letter's table; `before` is what it was until now."""

    label: str
    value: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that a reader of one letter sees.

    `tone` is the colour of its event: `good`, `moved` or `gone`. `quotes` are what people typed, with a label each.
    """

    subject: str
    tone: str
    headline: str
    greeting: str
    lead: str
    rows: list[Row]
    quotes: list[Row]
    buttons: list[Button]
    notes: list[str]
    footer: str
    struck: bool = False


def subject_line(begins: str, letter: Letter) -> str:
    who = f" with {line(letter.booking.called)}" if letter.to_team else ""
    when = times.in_short(letter.change.slot.starts_at, letter.timezone)
    return f"{begins}: {line(letter.booking.title)}{who} on {when}"


def meeting(letter: Letter) -> list[Row]:
    change = letter.change
    before = times.in_full(change.previous, letter.timezone) if change.previous else ""
    return [
        Row("Meeting", line(letter.booking.title)),
        Row("When", times.in_full(change.slot, letter.timezone), before),
        Row("Where", line(letter.booking.location)),
    ]


def reason(letter: Letter) -> list[Row]:
    return [Row("Reason", text(letter.change.reason))] if letter.change.reason else []


def line(typed: str) -> str:
    """Typed text as one line."""
    return text(" ".join(typed.split()))


def text(typed: str) -> str:
    """Typed text without control characters, its changes of writing direction ended where it ends.

    Whatever breaks a line is one line break, and a tab is a blank, so that no two words become one.
    """
    if typed.isprintable():
        return typed
    typed = "\n".join(typed.splitlines()).replace("\t", " ")
    if not all(line.isprintable() for line in typed.split("\n")):
        typed = "".join(
            mark for mark in typed if mark == "\n" or unicodedata.category(mark) not in {"Cc", "Cs"}
        )
        opened = sum(map(typed.count, _OPENERS)) - typed.count(_CLOSER)
        isolated = sum(map(typed.count, _ISOLATES)) - typed.count(_ISOLATE_CLOSER)
        typed += _CLOSER * max(opened, 0) + _ISOLATE_CLOSER * max(isolated, 0)
    return typed
