"""A form as its page shows it: what was typed, what was refused, and which field each refusal belongs to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rebook.availability import WEEKDAYS
from rebook.problems import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rebook.drafts import Draft

_FIELD_OF = {
    "customer.name": "name",
    "customer.email": "email",
    "customer.timezone": "timezone",
    "host.name": "host_name",
    "host.email": "host_email",
    **{f"weekly_hours.{day}": day for day in WEEKDAYS},
}
_TITLES = {
    "malformed-command": "Please look at this again",
    "idempotency-key-reused": "This form was sent before",
    "unauthenticated": "That did not let you in",
    "logged-out": "You had been logged out",
    "stale-version": "Somebody has changed this meanwhile",
}
_DETAILS = {
    "malformed-command": "Nothing has been changed yet.",
    "idempotency-key-reused": "It had other answers in it then. Check what it says now, and send it once more.",
    "logged-out": "Nothing was changed. Check what it says here, and send it once more.",
    "stale-version": "What you sent has changed nothing. Look at how it stands now and decide again.",
    "csrf": "The page had been open for too long. Nothing was changed: send the form once more.",
}
_SAID = {"Missing data for required field.": "Please fill this in."}


@dataclass(frozen=True)
class Form:
    """What a form's fields hold, and the refusal it came back with."""

    labels: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    detail: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, draft: Draft | None, labels: Mapping[str, str], values: Mapping[str, str] | None = None
    ) -> Form:
        """A form with `values` in it, or with what was typed when it was refused."""
        values = values or {}
        if draft is None:
            return cls(labels, values)
        title, detail = friendly(draft)
        return cls(labels, {**values, **draft.typed}, title, detail, _by_field(draft.errors))

    @property
    def summary(self) -> list[tuple[str, str, list[str]]]:
        """Each refused field in the form's order with its label; what belongs to no field comes last, without."""
        ordered = [name for name in self.labels if name in self.errors]
        rest = [name for name in self.errors if name not in self.labels]
        return [(name, self.labels.get(name, ""), list(self.errors[name])) for name in [*ordered, *rest]]

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def errors_of(self, name: str) -> list[str]:
        return list(self.errors.get(name, ()))


def friendly(draft: Draft) -> tuple[str, str]:
    """The refusal's title and detail, in words for somebody at a form rather than for a program."""
    known = PROBLEMS.get(draft.code)
    is_logged_out = draft.code == "unauthenticated" and known and draft.detail == known.advice
    code = "logged-out" if is_logged_out else draft.code
    return _TITLES.get(code, known.title if known else ""), _DETAILS.get(code, draft.detail)


def fresh_key() -> str:
    """What makes a double click one act: new each time a form is drawn."""
    return secrets.token_urlsafe(16)


def _by_field(errors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, messages in errors.items():
        shown = found.setdefault(_field(path), [])
        said = [_SAID.get(message, message) for message in messages]
        shown += [message for message in dict.fromkeys(said) if message not in shown]
    return found


def _field(path: str) -> str:
    """The form field of a dotted path into the JSON: the path itself, or the list or table it lies in."""
    parts = path.split(".")
    tries = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((_FIELD_OF[prefix] for prefix in tries if prefix in _FIELD_OF), parts[0])
