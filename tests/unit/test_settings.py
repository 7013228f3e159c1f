"""How settings are read."""

from __future__ import annotations

import pytest
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
