"""Moments are aware UTC datetimes inside, RFC 3339 text with an offset outside.

Zone rules come from the tzdata package alone, so that two machines never disagree about a clock change.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def use_bundled_zones() -> None:
    """Make `zoneinfo` prefer the tzdata package over the machine's (often older) tables."""
    zoneinfo.reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    zone.cache_clear()


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name.

    Raises:
        ValueError: no such zone.
    """
    if name not in zone_names():
        raise ValueError(f"{name!r} is not a known time zone such as Europe/Berlin.")
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def utc_now() -> datetime:
    """The moment it is, with UTC as its zone."""
    return datetime.now(UTC)


def parse_moment(text: str) -> datetime:
    """Read RFC 3339 (section 5.6) `date-time` text as aware UTC.

    Raises:
        ValueError: not such text, without an offset, or outside what a calendar can hold.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("Not a time with an offset, such as 2030-11-05T15:00:00+01:00.")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("There is no such moment.") from None


def parse_day(text: str) -> date | None:
    """Read an RFC 3339 `full-date` such as 2030-11-05; None for any other text, ISO 8601's other dates included."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def format_moment(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`; fractions only where there are any (stamps)."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat()[:-6] + "Z"
