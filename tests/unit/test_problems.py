"""What refusals promise to whoever meets them."""

from __future__ import annotations

import pytest
from rebook.problems import PROBLEMS


@pytest.mark.parametrize("code", ["internal-error", "unavailable", "bad-gateway"])
def test_a_refusal_that_cannot_know_what_was_stored_does_not_promise_that_nothing_was(code: str):
    """The answer to a COMMIT can be lost with the database's connection, and a web process with its answer."""
    assert "nothing was changed" not in PROBLEMS[code].advice.lower()
