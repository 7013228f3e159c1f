"""The main job on the whole of Rebook: book, move and cancel by the links of the letters; both sides are told."""

from __future__ import annotations

import statistics
import time

import pytest
import requests
from servers.people import Team, by_api, links, somebody
from servers.waiting import until


@pytest.fixture
def team(stack) -> Team:
    return Team.logged_in(stack)


def test_a_customer_books_moves_and_cancels_with_the_links_of_the_letters(stack, smtp, team):
    offered, ada = team.offer(), somebody()
    first, second = offered.start(), offered.start(3)
    booking = offered.book(first, ada).json()
    confirmation = smtp.wait_for(lambda letter: ada in letter.recipients)
    assert confirmation.subject.startswith("Confirmed: ")
    move, cancel = links(confirmation)
    assert all(requests.get(link, timeout=10).status_code == 200 for link in (move, cancel))
    assert team.details(booking["booking_id"])["status"] == "confirmed"
    assert team.listed("upcoming", offered) == [booking["booking_id"]]

    moved = requests.post(by_api(move), json={"starts_at": second}, timeout=10).json()
    rescheduled = smtp.wait_for(lambda letter: ada in letter.recipients and "Rescheduled: " in letter.subject)
    assert links(rescheduled) == (move, cancel)
    assert team.details(booking["booking_id"], moved["version"])["starts_at"] == second

    cancelled = requests.post(by_api(cancel), json={"reason": "ill"}, timeout=10).json()
    smtp.wait_for(lambda letter: ada in letter.recipients and letter.subject.startswith("Cancelled: "))
    assert team.details(booking["booking_id"], cancelled["version"])["status"] == "cancelled"
    assert team.listed("upcoming", offered) == []
    assert team.listed("cancelled", offered) == [booking["booking_id"]]

    until(lambda: len(smtp.letters(offered.host)) == 3, 15, "three letters to the host")
    to_host = [letter.subject.split(":")[0] for letter in smtp.letters(offered.host)]
    assert to_host == ["New booking", "Rescheduled", "Cancelled"]
    until(lambda: len(team.emails(booking["booking_id"])) == 6, 15, "six letters in the history")
    assert not any("/manage/" in letter.text for letter in smtp.letters(offered.host))


def test_the_team_moves_resends_and_cancels(stack, smtp, team):
    offered, ada = team.offer(), somebody()
    booking = offered.book(offered.start(), ada).json()
    path = f"{stack.url}/v1/bookings/{booking['booking_id']}"
    to = offered.start(2)
    assert team.http.post(f"{path}/reschedule", json={"starts_at": to}).status_code == 200
    assert team.http.post(f"{path}/resend-confirmation").status_code == 202
    assert team.http.post(f"{path}/cancel", json={"reason": "moved house"}).json()["version"] == 4
    until(lambda: len(smtp.letters(ada)) == 4, 15, "four letters to the customer")
    subjects = [letter.subject.split(":")[0] for letter in smtp.letters(ada)]
    assert subjects == ["Confirmed", "Rescheduled", "Confirmed", "Cancelled"]
    history = [entry["type"] for entry in team.details(booking["booking_id"], 4)["history"]]
    assert [entry for entry in history if not entry.startswith("email-")] == [
        "confirmed",
        "rescheduled",
        "resend-requested",
        "cancelled",
    ]


def test_how_soon_a_booking_is_visible_and_mailed(stack, smtp, team, record_property):
    """Tells what is measured and asserts no timing: machines differ."""
    offered = team.offer()
    starts = [offered.start(index) for index in range(20)]
    visible_ms, mailed_ms = [], []
    for starts_at in starts:
        ada, began_s = somebody(), time.monotonic()
        booking = offered.book(starts_at, ada).json()
        team.details(booking["booking_id"], booking["version"])
        visible_ms.append((time.monotonic() - began_s) * 1000)
        letter = smtp.wait_for(lambda letter, ada=ada: ada in letter.recipients)
        mailed_ms.append((letter.arrived_s - began_s) * 1000)
    record_property("from POST to the list", f"p50 {statistics.median(visible_ms):.0f} ms")
    record_property("from POST to SMTP", f"p50 {statistics.median(mailed_ms):.0f} ms")
