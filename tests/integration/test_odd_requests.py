"""Requests that no page of ours sends, found by chance (`make fuzz`)."""

from __future__ import annotations


def test_a_refused_form_goes_back_to_its_page_however_odd_its_address(client):
    answer = client.post("/book/%0D%0A", data={"name": "Ada"})
    assert (answer.status_code, answer.location) == (303, "/book/%0D%0A")


def test_a_form_that_is_refused_before_it_is_read_goes_back_to_its_page_however_large_it_is(client):
    answer = client.post("/logout", data=b"x" * 100_000, content_type="application/json")
    assert (answer.status_code, answer.location) == (303, "/scheduling/bookings")
