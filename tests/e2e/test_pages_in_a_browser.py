"""The main job in a real browser, as customers of every kind do it, down to two who want the same time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, expect
from servers.people import Team, links, somebody

if TYPE_CHECKING:
    from playwright.sync_api import Request
    from servers.local_stack import LocalStack
    from servers.people import MeetingType

PHONE = {"width": 360, "height": 740}
VISITORS: dict[str, dict[str, Any]] = {
    "by mouse": {},
    "without JavaScript": {"java_script_enabled": False},
    "on a phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
}


@pytest.fixture
def team(stack: LocalStack) -> Team:
    return Team.logged_in(stack)


def times(page: Page) -> Locator:
    return page.get_by_role("link", name=re.compile(r"^\d\d:\d\d$"))


def choose_a_time(page: Page) -> str:
    """Take the first time of the day that the calendar has chosen; the time as it is shown."""
    time = times(page).first
    shown = time.inner_text()
    time.click()
    return shown


def book_page(stack: LocalStack, offered: MeetingType) -> str:
    """The calendar at a day that is free from midnight to midnight, whatever the time is now."""
    day = datetime.now(UTC).date() + timedelta(days=3)
    return f"{stack.url}/book/{offered.slug}?timezone=UTC&date={day}"


def show_next_month(page: Page) -> None:
    arrow = page.get_by_role("link", name=re.compile("^Next month: "))
    month = arrow.get_attribute("aria-label").removeprefix("Next month: ")
    arrow.click()
    expect(page.get_by_role("heading", name=month)).to_be_visible()


def fill_in(page: Page, email: str, notes: str = "") -> None:
    page.get_by_label("Name").fill("Ada Example")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Anything we should know?").fill(notes)


def book(page: Page) -> None:
    page.get_by_role("button", name="Book this time").click()


def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side; what is wider makes a phone zoom out."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("options", VISITORS.values(), ids=VISITORS)
def test_a_customer_books_moves_and_cancels(stack, smtp, team, browser, options):
    offered, ada = team.offer(minimum_notice_minutes=24 * 60), somebody()
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(f"{stack.url}/book/{offered.slug}")
    assert fits(page)
    choose_a_time(page)
    fill_in(page, ada, notes="The bell is quiet.")
    assert fits(page)
    book(page)
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    expect(page.get_by_role("link", name="Calendar file")).to_be_visible()
    assert fits(page)

    move, cancel = links(smtp.wait_for(lambda letter: ada in letter.recipients))
    page.goto(move)
    show_next_month(page)
    time = choose_a_time(page)
    expect(page.get_by_role("heading", name="Now")).to_be_visible()
    page.get_by_label("Reason").fill("A train is late")
    assert fits(page)
    page.get_by_role("button", name="Move the meeting").click()
    expect(page.get_by_role("heading", name="Your meeting has moved")).to_be_visible()
    expect(page.get_by_text(re.compile(f"{time}-")).first).to_be_visible()

    page.goto(cancel)
    expect(page.get_by_role("heading", name="Cancel this booking?")).to_be_visible()
    page.get_by_label("Reason").fill("Something came up")
    page.get_by_role("button", name="Cancel the booking").click()
    expect(page.get_by_role("heading", name="Your booking is cancelled")).to_be_visible()
    expect(page.get_by_text("Something came up")).to_be_visible()
    expect(page.get_by_role("link", name="Reschedule")).to_have_count(0)
    smtp.wait_for(lambda letter: ada in letter.recipients and letter.subject.startswith("Cancelled: "))
    context.close()


def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def type_into(page: Page, label: str, text: str) -> None:
    tab_to(page, page.get_by_label(label))
    page.keyboard.type(text)


def choose_by_keys(page: Page) -> None:
    """The day after the chosen one, and its first time."""
    chosen = page.locator(".grid [tabindex='0']")
    tab_to(page, chosen)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".grid [aria-current='date']")).to_be_focused()
    press(page, times(page).first)


def test_a_customer_books_moves_and_cancels_by_the_keyboard_alone(stack, team, page):
    offered, ada = team.offer(), somebody()
    page.goto(book_page(stack, offered))
    choose_by_keys(page)
    type_into(page, "Name", "Ada Example")
    type_into(page, "E-mail", ada)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()

    press(page, page.get_by_role("link", name="Reschedule"))
    expect(page.get_by_role("heading", name="Choose another time")).to_be_visible()
    choose_by_keys(page)
    press(page, page.get_by_role("button", name="Move the meeting"), "Space")
    expect(page.get_by_role("heading", name="Your meeting has moved")).to_be_visible()

    press(page, page.get_by_role("link", name="Cancel booking"))
    type_into(page, "Reason", "Ill")
    press(page, page.get_by_role("button", name="Cancel the booking"))
    expect(page.get_by_role("heading", name="Your booking is cancelled")).to_be_visible()


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}], ids=["with", "without"])
def test_of_two_who_want_one_time_the_slower_keeps_what_it_typed_and_sees_fresh_times(
    stack, team, browser, page, options
):
    offered, ada, grace = team.offer(), somebody(), somebody()
    context = browser.new_context(**options)
    slower = context.new_page()
    for each in (page, slower):
        each.goto(book_page(stack, offered))
    wanted = choose_a_time(page)
    assert choose_a_time(slower) == wanted
    fill_in(page, ada)
    fill_in(slower, grace, notes="I come by bike.")
    book(page)
    expect(page.get_by_role("heading", name="You are booked")).to_be_visible()
    book(slower)
    expect(slower.get_by_role("alert")).to_contain_text("somebody else just took that time")
    expect(slower.get_by_role("link", name=wanted, exact=True)).to_have_count(0)
    assert choose_a_time(slower) != wanted
    expect(slower.get_by_label("E-mail")).to_have_value(grace)
    expect(slower.get_by_label("Anything we should know?")).to_have_value("I come by bike.")
    book(slower)
    expect(slower.get_by_role("heading", name="You are booked")).to_be_visible()
    context.close()


def test_what_was_typed_is_kept_when_the_form_is_refused_even_without_javascript(stack, team, browser):
    offered = team.offer()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(book_page(stack, offered))
    choose_a_time(page)
    fill_in(page, "ada@nowhere")
    book(page)
    expect(page.get_by_label("Name")).to_have_value("Ada Example")
    expect(page.get_by_label("E-mail")).to_have_value("ada@nowhere")
    expect(page.get_by_text("Not an e-mail address").first).to_be_visible()
    context.close()


def test_no_request_goes_to_others_or_tells_where_it_came_from_by_the_secret_link(stack, team, page):
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    offered = team.offer()
    page.goto(book_page(stack, offered))
    choose_a_time(page)
    fill_in(page, somebody())
    book(page)
    token = re.search(r"/manage/([^/?]+)", page.url)[1]
    page.get_by_role("link", name="Reschedule").click()
    choose_a_time(page)
    page.get_by_role("button", name="Move the meeting").click()
    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_role("link", name="Rebook").click()
    expect(page.get_by_role("heading", name="Book a meeting")).to_be_visible()
    assert [each.url for each in asked if not each.url.startswith(stack.url)] == []
    assert [each.url for each in asked if token in each.headers.get("referer", "")] == []
    assert any(token in each.url for each in asked)
