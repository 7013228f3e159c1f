"""How settings are read."""

from __future__ import annotations

import pytest
from rebook.counting import counted_in
from rebook.settings import rate


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
