"""Settings are environment variables: read once, typed, frozen, with no default for a secret.

A service declares a frozen dataclass whose fields are made by `setting()`; only its `create_app` and
`main` call `load()`. The declarations also make docs/settings.md.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

KEY_MIN_LENGTH = 32  # characters; 32 random hex digits already hold 128 bits


class BadSettings(Exception):  # noqa: N818 - read as a sentence where it is caught
    """One or more environment variables are missing or wrong; the message names each."""


def setting(name: str, parse: Callable[[str], T], about: str, default: str | None = None) -> T:
    """Declare one dataclass field that is read from the environment variable `name`.

    `default` is the text that is parsed when the variable is absent or empty; None makes it required.
    """
    field: T = dataclasses.field(metadata={"name": name, "parse": parse, "about": about, "default": default})
    return field


def load(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Read every setting of `cls`.

    Raises:
        BadSettings: with one sentence for each variable that is missing or wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        try:
            values[field.name] = _read(field.metadata, environ)
        except ValueError as error:
            problems.append(f"{field.metadata['name']} {error}")
    if problems:
        raise BadSettings("; ".join(problems))
    return cls(**values)


def _read(declared: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    text = environ.get(declared["name"], "").strip() or declared["default"]
    if text is None:
        raise ValueError("is not set")
    return declared["parse"](text)


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """None where the variable is absent or empty."""
    return lambda value: parse(value) if value else None


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`, both included."""

    def parse(value: str) -> int:
        if not value.lstrip("-").isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


port = whole(1, 65_535)


def origin(value: str) -> str:
    """A web origin such as `https://book.example.org`, without a path."""
    parts = urlsplit(value)
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or value.rstrip("/") != bare:
        raise ValueError("must be an origin such as https://book.example.org, without a path")
    return bare


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def address(value: str) -> str:
    """An e-mail address, optionally with a display name: `Rebook <bookings@example.org>`.

    A domain in another script is read as mail carries it (RFC 5890's A-labels).
    """
    try:
        found = validate_email(value, allow_display_name=True, check_deliverability=False)
    except EmailNotValidError:
        raise ValueError("must be an e-mail address") from None
    if found.ascii_email is None:
        raise ValueError("must be an e-mail address with nothing but ASCII before its @")
    before, _, domain = value.rpartition("@")
    if domain.isascii():
        return value
    return f"{before}@{found.ascii_domain}{'>' if domain.endswith('>') else ''}"


def keys(value: str) -> tuple[str, ...]:
    """Comma-separated secrets, newest first: the first signs, all verify."""
    found = tuple(key.strip() for key in value.split(",") if key.strip())
    if not found or any(len(key) < KEY_MIN_LENGTH for key in found):
        raise ValueError(f"must list secrets of at least {KEY_MIN_LENGTH} characters, newest first")
    return found


def rate(value: str) -> str:
    """A rate as flask-limiter writes it: `30/minute`; `30/min` is the same."""
    count, _, per = value.partition("/")
    per = "minute" if per == "min" else per
    if not count.isdigit() or int(count) < 1 or per not in {"second", "minute", "hour", "day"}:
        raise ValueError("must be a rate such as 30/minute")
    return f"{count}/{per}"
