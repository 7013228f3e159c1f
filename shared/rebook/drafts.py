"""What was typed into a form that was refused, carried back to its page so that nobody types twice.

A short-lived signed HttpOnly cookie for that one page, compressed, in two parts where one would be too long
for a browser (4,096 bytes with its name); never in the URL.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer

if TYPE_CHECKING:
    from flask import Request, Response

_NAME = "rebook_draft"
_PARTS = ("", "_more")
_PART_LENGTH = 3_900
_MAX_AGE_S = 600


@dataclass(frozen=True)
class Draft:
    """A refusal (`code` and `detail` of its problem, `errors` by field) and what was typed, by field."""

    code: str
    detail: str
    errors: dict[str, list[str]] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)


class Drafts:
    """Writes drafts (booking-command) and reads them (booking-query); keys newest first."""

    def __init__(self, keys: tuple[str, ...], *, secure: bool) -> None:
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)),
            salt="rebook.draft.v1",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._secure = secure

    def write(self, response: Response, page: str, draft: Draft) -> None:
        """Keep a draft for the page at path `page`; one too long for two parts keeps the refusal alone."""
        text = str(self._serializer.dumps(asdict(draft)))
        if len(text) > _PART_LENGTH * len(_PARTS):
            text = str(self._serializer.dumps(asdict(Draft(draft.code, draft.detail, draft.errors))))
        for index, name in enumerate(_names(page)):
            part = text[index * _PART_LENGTH : (index + 1) * _PART_LENGTH]
            response.set_cookie(
                name,
                part,
                path=page,
                max_age=_MAX_AGE_S if part else 0,
                secure=self._secure,
                httponly=True,
                samesite="Lax",
            )

    def read(self, request: Request) -> Draft | None:
        """The draft of the page that is asked for."""
        text = "".join(request.cookies.get(name, "") for name in _names(request.path))
        try:
            return Draft(**self._serializer.loads(text, max_age=_MAX_AGE_S))
        except (BadData, TypeError):
            return None

    def clear(self, response: Response, page: str) -> None:
        """Forget the page's draft, unless this very response brings a new one."""
        written = {cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")}
        for name in set(_names(page)) - written:
            response.delete_cookie(name, path=page, secure=self._secure, httponly=True, samesite="Lax")


def _names(page: str) -> list[str]:
    """The two cookies of one page; a browser sends those of `/a` to `/a/b` too, so each page has its own names."""
    own = hashlib.sha256(page.encode()).hexdigest()[:8]
    return [f"{_NAME}_{own}{part}" for part in _PARTS]
