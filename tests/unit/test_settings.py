"""How settings are read."""

from __future__ import annotations

import pytest
from booking_query.settings import QuerySettings
from notifier.settings import SenderSettings
from rebook.counting import counted_in
from rebook.settings import address, load, rate


@pytest.mark.parametrize(
    ("text", "read"), [("30/minute", "30/minute"), ("30/min", "30/minute"), ("10/day", "10/day")]
)
def test_a_rate_may_be_written_in_full_or_short(text, read):
    assert rate(text) == read


@pytest.mark.parametrize("text", ["0/minute", "30", "30/fortnight", "/minute", "-1/day"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="must be a rate"):
        rate(text)


@pytest.mark.parametrize("place", ["memory://", "redis://redis:6379/0", "rediss://:secret@redis"])
def test_rate_limits_are_counted_in_memory_or_in_a_redis(place):
    assert counted_in(place) == place


@pytest.mark.parametrize(
    "place", ["redis", "redis://redis:port", "memcached://cache:11211", "unix:///run/redis"]
)
def test_where_no_rate_limit_can_be_counted_is_told_at_start(place):
    with pytest.raises(ValueError, match="must be memory:// or the address of a Redis"):
        counted_in(place)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("bookings@Example.org", "bookings@Example.org"),
        ('"Rebook, Inc" <bookings@example.org>', '"Rebook, Inc" <bookings@example.org>'),
        ("bookings@bücher.example.org", "bookings@xn--bcher-kva.example.org"),
        ('"Bücher @ home" <b@BÜCHER.org>', '"Bücher @ home" <b@xn--bcher-kva.org>'),
    ],
)
def test_an_address_is_read_as_mail_can_carry_it(text, read):
    assert address(text) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [("büro@example.org", "nothing but ASCII before its @"), ("Rebook", "must be an e-mail address$")],
)
def test_an_address_that_no_letter_can_come_from_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        address(text)


@pytest.mark.parametrize("mail_from", ["Rebook <bookings@example.org>", "bookings@bücher.example.org"])
def test_pages_and_letters_name_a_calendar_entry_alike(mail_from):
    environment = {
        "BOOKING_QUERY_DATABASE_URL": "postgresql:///",
        "MAIL_FROM": mail_from,
        "MANAGE_LINK_KEYS": "k" * 40,
        "PUBLIC_URL": "https://book.example.org",
        "SESSION_KEYS": "s" * 40,
    }
    domains = load(SenderSettings, environment).mail_domain, load(QuerySettings, environment).calendar_domain
    assert domains[0] == domains[1]
    assert domains[0].isascii()
