"""The main job in a real browser, as a customer and the team do it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from servers.people import Team, links, somebody


@pytest.fixture
def team(stack) -> Team:
    return Team.logged_in(stack)


def choose_a_time(page: Page) -> str:
    """Take the first time of the day that the calendar has chosen; the time as it is shown."""
    time = page.get_by_role("link", name=re.compile(r"^\d\d:\d\d")).first
    shown = time.inner_text()
    time.click()
    return shown


def test_a_customer_books_moves_and_cancels(stack, smtp, team, page):
    offered, ada = team.offer(minimum_notice_minutes=24 * 60), somebody()
    page.goto(f"{stack.url}/book/{offered.slug}")
    choose_a_time(page)
    page.get_by_label("Name").fill("Ada Example")
    page.get_by_label("E-mail").fill(ada)
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("You are booked")).to_be_visible()

    move, cancel = links(smtp.wait_for(lambda letter: ada in letter.recipients))
    page.goto(move)
    time = choose_a_time(page)
    page.get_by_role("button", name="Move the meeting").click()
    expect(page.get_by_text("Your meeting has moved")).to_be_visible()
    expect(page.get_by_text(time).first).to_be_visible()

    page.goto(cancel)
    expect(page.get_by_role("heading", name="Cancel this booking?")).to_be_visible()
    page.get_by_label("Reason").fill("Something came up")
    page.get_by_role("button", name="Cancel the booking").click()
    expect(page.get_by_text("Your booking is cancelled")).to_be_visible()
    expect(page.get_by_role("link", name="Reschedule")).to_have_count(0)
    smtp.wait_for(lambda letter: ada in letter.recipients and letter.subject.startswith("Cancelled: "))


def test_the_team_finds_a_booking_resends_its_confirmation_and_cancels_it(stack, smtp, team, page):
    offered, ada = team.offer(), somebody()
    booking = offered.book(offered.start(), ada).json()
    team.details(booking["booking_id"])
    page.goto(f"{stack.url}/scheduling/bookings?q={ada}")
    page.get_by_label("E-mail").fill(stack.team_email)
    page.get_by_label("Password").fill(stack.team_password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=re.compile("Ada Example")).click()
    page.get_by_role("button", name="Resend confirmation").click()
    expect(page.get_by_text("The confirmation is being sent again")).to_be_visible()
    page.get_by_role("link", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the booking").click()
    expect(page.get_by_text("The booking is cancelled").first).to_be_visible()
    page.goto(f"{stack.url}/scheduling/bookings?filter=cancelled&q={ada}")
    expect(page.get_by_role("link", name=re.compile("Ada Example"))).to_be_visible()


def test_what_was_typed_is_kept_when_the_form_is_refused_even_without_javascript(stack, team, browser):
    offered = team.offer(minimum_notice_minutes=24 * 60)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{stack.url}/book/{offered.slug}")
    choose_a_time(page)
    page.get_by_label("Name").fill("Ada Example")
    page.get_by_label("E-mail").fill("ada@nowhere")
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_label("Name")).to_have_value("Ada Example")
    expect(page.get_by_label("E-mail")).to_have_value("ada@nowhere")
    expect(page.get_by_text("Not an e-mail address").first).to_be_visible()
    context.close()
