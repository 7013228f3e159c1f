"""What the team does in a real browser: find, look, move, resend, cancel; meeting types; the account."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from servers.people import Team, somebody

if TYPE_CHECKING:
    from servers.local_stack import LocalStack

BOOKINGS = "/scheduling/bookings"
TYPES = "/scheduling/meeting-types"


@pytest.fixture
def team(stack: LocalStack) -> Team:
    return Team.logged_in(stack)


@pytest.fixture
def member(stack: LocalStack, page: Page) -> Page:
    """A browser of the team's, logged in by the form."""
    page.goto(stack.url + BOOKINGS)
    page.get_by_label("E-mail").fill(stack.team_email)
    page.get_by_label("Password").fill(stack.team_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Bookings", exact=True)).to_be_visible()
    return page


def rows(page: Page) -> list[str]:
    return page.locator(".row-who a").all_inner_texts()


def test_the_team_finds_a_booking_by_every_filter(stack, team, member):
    offered, other = team.offer(), team.offer()
    ada, grace = somebody(), somebody()
    stays = offered.book(offered.start(), ada).json()
    goes = offered.book(offered.start(1), grace).json()
    other.book(other.start(), ada)
    gone = team.http.post(f"{stack.url}/v1/bookings/{goes['booking_id']}/cancel", json={}).json()
    team.details(goes["booking_id"], gone["version"])
    day = stays["starts_at"][:10]

    member.goto(f"{stack.url}{BOOKINGS}?timezone=UTC")
    member.get_by_label("Name or e-mail").fill(ada)
    member.get_by_role("button", name="Search").click()
    assert len(rows(member)) == 2
    member.get_by_text("Filters").click()
    member.get_by_label("Meeting type").select_option(offered.slug)
    member.get_by_role("button", name="Apply").click()
    assert len(rows(member)) == 1
    member.get_by_label("Host").select_option(offered.host)
    member.get_by_label("From").fill(day)
    member.get_by_label("To", exact=True).fill(day)
    member.get_by_role("button", name="Apply").click()
    assert len(rows(member)) == 1
    asked = ("filter=upcoming", f"meeting_type={offered.slug}", f"from={day}", f"to={day}", "host=", "q=")
    assert [each for each in asked if each not in member.url] == []
    member.reload()
    assert len(rows(member)) == 1

    member.get_by_role("link", name="Show all").click()
    member.goto(f"{stack.url}{BOOKINGS}?meeting_type={offered.slug}")
    member.get_by_role("link", name=re.compile("^Cancelled")).click()
    expect(member.get_by_text(grace)).to_be_visible()
    member.get_by_role("link", name=re.compile("^Past")).click()
    expect(member.get_by_role("heading", name="No past booking matches")).to_be_visible()


def test_choosing_a_zone_for_the_list_goes_nowhere_before_the_button_is_pressed(member):
    member.get_by_label("Times are shown in").select_option("Asia/Tokyo")
    change = member.get_by_role("button", name="Change")
    expect(change).to_be_visible()
    assert "timezone=" not in member.url
    change.click()
    member.wait_for_url("**timezone=Asia%2FTokyo")
    expect(member.get_by_label("Times are shown in")).to_have_value("Asia/Tokyo")


def test_the_team_opens_moves_resends_and_cancels_a_booking(stack, smtp, team, member):
    offered, ada = team.offer(), somebody()
    booking = offered.book(offered.start(), ada).json()
    team.details(booking["booking_id"])
    smtp.wait_for(lambda letter: ada in letter.recipients)
    member.goto(f"{stack.url}{BOOKINGS}?q={ada}")
    member.get_by_role("link", name="Ada Example").click()

    member.get_by_role("link", name="Reschedule").click()
    arrow = member.get_by_role("link", name=re.compile("^Next month: "))
    month = arrow.get_attribute("aria-label").removeprefix("Next month: ")
    arrow.click()
    expect(member.get_by_role("heading", name=month)).to_be_visible()
    member.get_by_role("link", name=re.compile(r"^\d\d:\d\d$")).first.click()
    member.get_by_label("Reason").fill("The room is taken")
    member.get_by_role("button", name="Move the meeting").click()
    expect(member.get_by_role("heading", name="The meeting has moved")).to_be_visible()
    expect(member.locator(".timeline").get_by_text("The room is taken")).to_be_visible()

    member.get_by_role("button", name="Resend confirmation").click()
    expect(member.get_by_role("heading", name="The confirmation is being sent again")).to_be_visible()
    member.get_by_role("link", name="Cancel", exact=True).click()
    member.get_by_role("button", name="Cancel the booking").click()
    expect(member.get_by_role("heading", name="The booking is cancelled")).to_be_visible()
    expect(member.get_by_role("link", name="Reschedule")).to_have_count(0)
    smtp.wait_for(lambda letter: ada in letter.recipients and letter.subject.startswith("Cancelled: "))


def test_the_team_adds_changes_and_deletes_a_meeting_type(stack, member):
    slug = f"walk-{secrets.token_hex(4)}"
    title = f"Walk {slug}"
    member.context.grant_permissions(["clipboard-read", "clipboard-write"])
    member.goto(f"{stack.url}{TYPES}?add=1")
    member.get_by_label("Title").fill(title)
    member.get_by_label("Address", exact=True).fill(slug)
    member.get_by_label("Location").fill("The park")
    member.get_by_label("Host's name").fill("Hana Host")
    member.get_by_label("Monday").fill("06:00-08:00")
    expect(member.locator(".drawn li").first).to_contain_text("06:00-08:00 · 4 starts")
    outdated = member.get_by_text("What you have typed now could not be drawn")
    days = "\n".join(f"2030-{month:02}-{day:02}: closed" for month in range(1, 13) for day in range(1, 29))
    member.get_by_label("Other hours on certain days").fill(days)
    expect(outdated).to_be_visible()
    member.get_by_label("Other hours on certain days").fill("")
    expect(outdated).to_be_hidden()
    member.get_by_role("button", name="Add the meeting type").click()
    expect(member.get_by_role("heading", name="Added")).to_be_visible()
    card = member.locator("li.card", has_text=title)
    card.get_by_role("button", name="Copy link").click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()
    assert member.evaluate("navigator.clipboard.readText()") == f"{stack.url}/book/{slug}"

    member.goto(f"{stack.url}{TYPES}/{slug}")
    member.get_by_label("Title").fill(f"{title} again")
    member.get_by_role("button", name="Save").click()
    expect(member.get_by_role("heading", name="Saved")).to_be_visible()
    member.get_by_role("link", name=f"{title} again", exact=True).click()
    member.get_by_text("Delete this meeting type").click()
    member.get_by_role("button", name=f"Delete {title} again").click()
    expect(member.get_by_role("heading", name="Deleted")).to_be_visible()
    member.goto(f"{stack.url}/book/{slug}")
    expect(member.get_by_role("heading", name="This meeting cannot be booked any more")).to_be_visible()


def test_a_meeting_type_under_an_address_in_use_is_refused_and_nothing_typed_is_lost(stack, team, member):
    offered = team.offer()
    member.goto(f"{stack.url}{TYPES}?add=1")
    member.get_by_label("Title").fill("Another one")
    member.get_by_label("Address", exact=True).fill(offered.slug)
    member.get_by_label("Location").fill("Elsewhere")
    member.get_by_label("Host's name").fill("Hana Host")
    member.get_by_role("button", name="Add the meeting type").click()
    expect(member.get_by_role("alert")).to_contain_text("Another meeting type has this address")
    expect(member.get_by_label("Title")).to_have_value("Another one")
    member.goto(f"{stack.url}/book/{offered.slug}")
    expect(member.get_by_role("heading", name=f"Meeting {offered.slug}")).to_be_visible()


def test_an_api_token_is_shown_once_works_and_is_revoked(stack, team, member):
    name = f"Export {secrets.token_hex(4)}"
    member.goto(f"{stack.url}/scheduling/account")
    member.get_by_label("Name of a new token").fill(name)
    member.get_by_role("button", name="Make a token").click()
    token = member.get_by_label("API token", exact=True).input_value()
    bearer = {"Authorization": f"Bearer {token}"}
    assert member.request.get(f"{stack.url}/v1/bookings/counts", headers=bearer).ok
    member.reload()
    expect(member.get_by_label("API token", exact=True)).to_have_count(0)
    member.get_by_role("button", name=f"Revoke {name}").click()
    expect(member.get_by_role("heading", name="The token is revoked")).to_be_visible()
    expect(member.get_by_text(name)).to_have_count(0)


def test_logging_out_ends_at_the_login_and_the_pages_are_closed(stack, member):
    member.get_by_role("button", name="Log out").click()
    expect(member.get_by_role("heading", name="Log in")).to_be_visible()
    member.goto(stack.url + BOOKINGS)
    expect(member.get_by_role("heading", name="Log in")).to_be_visible()
