"""What every answer of this service tells browsers about trust: nothing inline, nothing foreign, nothing framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from rebook import web

if TYPE_CHECKING:
    from flask import Response

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_EVERYWHERE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
_MANAGE_PAGES = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Robots-Tag": "noindex, nofollow",
}
_PRIVATE_PREFIXES = ("/scheduling", "/login")


def protect(response: Response) -> Response:
    """Add the headers that the view has not set itself; `rebook.web` adds those of every service."""
    wanted = {**_EVERYWHERE, "Referrer-Policy": "same-origin"}
    if request.path.startswith(("/manage/", "/v1/manage/")):
        wanted |= _MANAGE_PAGES
    elif request.path.startswith(_PRIVATE_PREFIXES):
        wanted |= {"X-Robots-Tag": "noindex, nofollow"}
    if response.mimetype == "text/html":
        wanted["Content-Security-Policy"] = _PAGE_POLICY
        wanted.setdefault("Cache-Control", "no-store")  # a page from a cache would bring back a used form
    web.add_missing(response, wanted)
    return response
