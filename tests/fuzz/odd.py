"""What strangers send: odd texts, numbers, documents, headers and cookies, as hypothesis draws them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

MARKER = "<fuzz>"  # must never come back as markup
INJECTED = "X-Fuzz-Injected"  # must never come back as a header

_HOSTILE = (
    "", " ", "\0", "a\0b", "\r\n", f"\r\n{INJECTED}: yes", "%00", "%0d%0a", "..", "../../etc/passwd", "%2e%2e%2f",
    "'", "' OR 1=1 --", '"; DROP TABLE bookings; --', "{{7*7}}", "${7*7}", "%s%s%s",
    f"{MARKER}<script>alert(1)</script>", f'"><img src=x onerror={MARKER}>', "javascript:alert(1)",
    "//evil.example.org", "http://evil.example.org/",
    "\u202eabc", "\ud7ff", "é" * 300, "𝒜" * 100, "a" * 5_000, "=?utf-8?q?Eve=0ABcc:_x?=", "Infinity", "NaN", "null",
    "true", "-1", "0", "1e999", "9" * 400, "2030-13-45", "2030-02-30T25:61:61Z", "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59+14:00", "2030-11-05T15:00:00", "Europe/Nowhere", "../Europe/Berlin", "UTC+1", "[]", "{}",
)  # fmt: skip
_HEADERS = (
    "Accept", "Accept-Language", "Authorization", "Content-Type", "Cookie", "Expect", "Forwarded", "Host",
    "Idempotency-Key", "If-Match", "If-None-Match", "Origin", "Range", "Referer", "Sec-Fetch-Site",
    "X-CSRF-Token", "X-Correlation-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix",
    "X-Forwarded-Proto", "X-HTTP-Method-Override", "Content-Encoding",
)  # fmt: skip
_MEDIA = (
    "application/json", "application/json; charset=utf-16", "application/problem+json", "text/plain", "text/html",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "*/*", "/",
    "application/json;", "application/xml",
)  # fmt: skip

texts = st.one_of(st.sampled_from(_HOSTILE), st.text(max_size=40))
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from((0, -1, 1, 2**31, 2**63, 10**400)),
    st.floats(allow_nan=False),
)
scalars = st.one_of(texts, numbers, st.none(), st.booleans())
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
_UNREADABLE = (
    b"", b"{", b"[" * 30_000, b'{"a":' * 20_000, b'{"a": NaN}', b'{"a": 1}{', b"\xff\xfe{\x00}\x00", b"\x00",
    b"a=%zz&b=%", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", b'{"starts_at": "\\ud800"}',
    b"x" * 70_000,
)  # fmt: skip


@st.composite
def changed(draw: Any, right: dict[str, Any]) -> dict[str, Any]:
    """A right object with some of its fields made odd, left out, or added to."""
    found = dict(right)
    for name in draw(st.lists(st.sampled_from([*right, "another"]), max_size=3)):
        value = draw(documents)
        if isinstance(found.get(name), dict) and draw(st.booleans()):
            found[name] = draw(changed(found[name]))
        elif draw(st.booleans()):
            found[name] = value
        else:
            found.pop(name, None)
    return found


def bodies(right: dict[str, Any]) -> st.SearchStrategy[tuple[str, bytes]]:
    """A media type and a body: the right fields, changed, as JSON or as a form; another document; or rubbish."""
    objects = changed(right)
    return st.one_of(
        objects.map(_json),
        objects.map(_form),
        documents.map(_json),
        st.tuples(st.sampled_from(_MEDIA), st.one_of(st.sampled_from(_UNREADABLE), st.binary(max_size=60))),
    )


def headers() -> st.SearchStrategy[list[tuple[str, str]]]:
    values = st.one_of(
        texts, st.sampled_from(_MEDIA), st.sampled_from(('"1"', "*", 'W/"1"', "Bearer x", "100-continue"))
    )
    return st.lists(st.tuples(st.sampled_from(_HEADERS), values), max_size=3)


segments = st.one_of(
    texts.map(lambda text: quote(text, safe="")), st.sampled_from(("", ".", "..", "%2F", "%", "%zz", "*"))
)


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _form(fields: dict[str, Any]) -> tuple[str, bytes]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        flat |= value if isinstance(value, dict) else {name: value}
    pairs = {_encodable(name): _encodable(value) for name, value in flat.items()}
    return "application/x-www-form-urlencoded", urlencode(pairs).encode()


def _encodable(value: Any) -> str:
    return str(value).encode(errors="replace").decode()
