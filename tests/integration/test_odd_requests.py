"""Requests that no page of ours sends, found by chance (`make fuzz`)."""

from __future__ import annotations


def test_a_refused_form_goes_back_to_its_page_however_odd_its_address(client):
    answer = client.post("/book/%0D%0A", data={"name": "Ada"})
    assert (answer.status_code, answer.location) == (303, "/book/%0D%0A")
