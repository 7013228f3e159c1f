"""The customer's key to one booking."""

from __future__ import annotations

from uuid import UUID

import pytest
from rebook.manage_links import ManageLinks
from rebook.problems import UnknownLink

BOOKING = UUID("7f2c6f0a-51c6-4a1e-9a53-000000000001")
OLD, NEW = "o" * 32, "n" * 32
LINKS = ManageLinks((OLD,), "https://book.example.org")


def test_a_link_opens_its_booking():
    assert LINKS.booking_id(LINKS.token(BOOKING)) == BOOKING
    assert LINKS.url(BOOKING).startswith("https://book.example.org/manage/")


def test_an_old_link_still_works_after_a_new_key_signs():
    rotated = ManageLinks((NEW, OLD), "https://book.example.org")
    assert rotated.booking_id(LINKS.token(BOOKING)) == BOOKING
    assert rotated.token(BOOKING) != LINKS.token(BOOKING)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token: token[:-1], id="cut"),
        pytest.param(lambda token: token + "A", id="longer"),
        pytest.param(str.upper, id="upper case"),
        pytest.param(lambda token: token[:-1] + chr(ord(token[-1]) + 1), id="spare bits of base64"),
        pytest.param(lambda token: "0" * 32 + token[32:], id="another booking"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "\ud800" * 76, id="lone surrogates"),
        pytest.param(lambda _: ManageLinks((NEW,), "").token(BOOKING), id="foreign key"),
    ],
)
def test_anything_but_the_one_spelling_opens_nothing(spoil):
    with pytest.raises(UnknownLink):
        LINKS.booking_id(spoil(LINKS.token(BOOKING)))
