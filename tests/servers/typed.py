"""What strangers type into names, titles, notes and reasons."""

HOSTILE = [
    "Eve\r\nBcc: victim@example.org",
    "=?utf-8?q?Eve=0ABcc:_victim=40example.org?=",
    "=?utf-8?b?RXZlDQpCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?= and more",
    'Eve" <victim@example.org>, "',
    "Eve, Mallory; (comment) \\ <x>",
    "🎉 " * 60,
    "مرحبا \u202eevE",
    "a" * 200,
    "ü" * 200,
    "Eve\u2028Bcc: victim@example.org\u0085X: y\x0bZ: z",
    "Eve\r\nEND:VEVENT\r\nBEGIN:VEVENT",
    "</td></table><script>alert(1)</script>",
    "{{ letter.subject }} {% raw %}",
    ".\r\n.\r\nMAIL FROM:<victim@example.org>",
]
