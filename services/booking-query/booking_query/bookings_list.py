"""The team's list of bookings: a keyset page of any filter, in two or three milliseconds at any depth.

Each filter is a walk along one index. The cursor is the place of the last row in that walk, so a page neither
skips nor repeats a booking that stays where it is while others are made, moved and cancelled.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from rebook.problems import malformed

from booking_query.parameters import LIMIT_USUAL, BookingsSchema, read
from booking_query.rows import LISTED_COLUMNS, Listed, listed_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from booking_query.database import Database

# Nobody who began earlier can still be in a meeting.
LONGEST = "(SELECT make_interval(mins => max(duration_minutes)) FROM bookings)"
_CONDITIONS = {
    "upcoming": "status <> 'cancelled' AND ends_at > %(now)s",
    "past": "status <> 'cancelled' AND ends_at <= %(now)s",
    "cancelled": "status = 'cancelled'",
}
# Where a walk begins. On later pages the cursor alone says so: PostgreSQL might begin at another bound beside it.
_BEGINNINGS = {
    "upcoming": (f"starts_at > %(now)s - {LONGEST}", "from_"),
    "past": ("starts_at <= %(now)s", "to"),
    "cancelled": ("true", "to"),
    None: ("true", "to"),
}
# What an index finds is compared with what was typed, in another collation than the index has. That also tells
# PostgreSQL how few rows there may be: it guesses the share of each condition from its samples, and multiplies them.
_CONTAINS = 'searched COLLATE "C" LIKE lower(%(containing)s)'
_BY_LETTERS = "searched LIKE lower(%(letters)s)"
_BY_JOINTS = "word_joints(searched) @> word_joints(lower(%(q)s))"
_NARROWED = {
    "q": _CONTAINS,
    "meeting_type": "meeting_type = %(meeting_type)s",
    "host": "host = %(host)s",
    "from_": "starts_at >= %(from_)s",
    "to": "starts_at < %(to)s",
}
_ASKED = BookingsSchema()
_JOINED = re.compile(r"[^ ]{3,}(?: [^ ]{3,})+")  # words that are all long enough for the joints of sql/0006
_WORDS = re.compile(r"[^\W_]{3,}")  # shorter ones the index cannot look for
_LETTERS = re.compile(r".{3}(?=.{3})|.{3,}")  # the last are up to five
_WILDCARDS, _LITERALLY = re.compile(r"[\\%_]"), r"\\\g<0>"
_ASCENDING = "(starts_at, booking_id) > (%(after_start)s, %(after_id)s)", "starts_at, booking_id"
_DESCENDING = "(starts_at, booking_id) < (%(after_start)s, %(after_id)s)", "starts_at DESC, booking_id DESC"


class Place(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A row's place in the order of the list with that fingerprint: what a cursor holds."""

    fingerprint: str
    starts_at: Annotated[datetime, msgspec.Meta(tz=True)]
    booking_id: UUID


@dataclass(frozen=True)
class Search:
    """What is looked for; `to` is excluded."""

    filter: str | None = None
    q: str | None = None
    meeting_type: str | None = None
    host: str | None = None
    from_: datetime | None = None
    to: datetime | None = None
    limit: int = LIMIT_USUAL
    after: Place | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Search:
        """The search that query parameters ask for.

        Raises:
            Refused: malformed-query.
        """
        return cls.of(read(_ASKED, parameters))

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Search:
        """The same from parameters that are checked, but for the cursor."""
        terms = {name: value for name, value in asked.items() if name != "cursor"}
        search = cls(**terms)
        if "cursor" not in asked:
            return search
        return cls(**terms, after=search._place(asked["cursor"]))

    def cursor_after(self, starts_at: datetime, booking_id: str) -> str:
        place = Place(self._fingerprint(), starts_at, UUID(booking_id))
        return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")

    def _place(self, cursor: str) -> Place:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            place = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Place)
        except ValueError:
            raise _bad_cursor() from None
        if place.fingerprint != self._fingerprint():
            raise _bad_cursor()
        return place

    def _fingerprint(self) -> str:
        """What a cursor is bound to: everything but the number of rows and the place."""
        terms = (self.filter, self.q, self.meeting_type, self.host, self.from_, self.to)
        return hashlib.sha256(repr(terms).encode()).hexdigest()[:16]


def _bad_cursor() -> Exception:
    return malformed({"cursor": ["Not a cursor of this list with these filters."]}, "malformed-query")


class Page(msgspec.Struct):
    """Some rows of the list, and the cursor of those that follow, if any do; JSON as it is."""

    items: list[Listed]
    next_cursor: str | None


def page(database: Database, search: Search, now: datetime) -> Page:
    rows = database.values(_statement(search), _values(search, now))
    items = [listed_of(*row) for row in rows[: search.limit]]
    if len(rows) <= search.limit:
        return Page(items, None)
    return Page(items, search.cursor_after(items[-1].starts_at, items[-1].booking_id))


def _statement(search: Search) -> str:
    after, order = _ASCENDING if search.filter == "upcoming" else _DESCENDING
    beginning, bound = _BEGINNINGS[search.filter]
    narrowed = {name: sql for name, sql in _NARROWED.items() if getattr(search, name) is not None}
    if search.after:
        beginning = after
        narrowed.pop(bound, None)
    conditions = [_CONDITIONS.get(search.filter or "", "true"), beginning, *narrowed.values()]
    if search.q is not None:
        conditions.append(_BY_JOINTS if _JOINED.fullmatch(search.q) else _BY_LETTERS)
    where = " AND ".join(conditions)
    # Conditions are those above; what was asked for comes in as values.
    return f"SELECT {LISTED_COLUMNS} FROM bookings WHERE {where} ORDER BY {order} LIMIT %(rows)s"  # noqa: S608


def _values(search: Search, now: datetime) -> dict[str, Any]:
    terms = {name: getattr(search, name) for name in _NARROWED}
    place = search.after
    return {
        **terms,
        "letters": _letters(search.q or ""),
        "containing": f"%{_WILDCARDS.sub(_LITERALLY, search.q or '')}%",
        "host": (search.host or "").lower(),
        "now": now,
        "rows": search.limit + 1,
        "after_start": place and place.starts_at,
        "after_id": place and str(place.booking_id),
    }


def _letters(text: str) -> str:
    """LIKE's pattern for the index: the letters of the text's words, in threes, with anything between them.

    Whatever contains the text matches it; the index goes through the rows of the rarest of these letters, and looks
    for each of the others in every one of them. So it is given each letter once, and none that are in rows without
    number: no domain, no beginning or end of a word. Where no word is long enough, anything matches.
    """
    local, _, _ = text.partition("@")
    return f"%{'%'.join(letters for word in _WORDS.findall(local) for letters in _LETTERS.findall(word))}%"
