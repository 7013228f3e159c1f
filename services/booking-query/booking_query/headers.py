"""What every answer of this service tells browsers about trust: nothing inline, nothing foreign, nothing framed."""

from __future__ import annotations

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_EVERYWHERE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_MANAGE_PAGES = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Robots-Tag": "noindex, nofollow",
}
_PRIVATE_PREFIXES = ("/scheduling", "/login")


def wanted(path: str, content_type: str) -> dict[str, str]:
    """The headers of an answer unless its view has set them itself; `rebook.web` adds those of every service."""
    headers = dict(_EVERYWHERE)
    if path.startswith("/v1/"):
        headers["Cache-Control"] = "no-store"
    if path.startswith(("/manage/", "/v1/manage/")):
        headers |= _MANAGE_PAGES
    elif path.startswith(_PRIVATE_PREFIXES):
        headers |= {"X-Robots-Tag": "noindex, nofollow"}
    if content_type.startswith("text/html"):
        headers["Content-Security-Policy"] = _PAGE_POLICY
        headers.setdefault("Cache-Control", "no-store")  # a page from a cache would bring back a used form
    return headers
