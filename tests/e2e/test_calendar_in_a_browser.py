"""The calendar in a real browser: its keys, its months and its zones, on a site whose clock stands in 2030."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect
from servers.gallery import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.gallery import Gallery

BOOK = next(state for state in STATES if state.name == "book")


@pytest.fixture
def calendar(gallery: Gallery, browser: Any) -> Iterator[Page]:
    with gallery.visitor(browser, BOOK) as context:
        page = context.new_page()
        page.goto(gallery.url(BOOK))
        yield page


def focused_day(page: Page) -> str | None:
    return page.evaluate("document.activeElement.dataset.date")


def tab_to_the_grid(page: Page) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused_day(page):
            return
    pytest.fail("Tab does not lead to the days")


def test_one_day_is_in_the_tab_order_and_the_keys_of_the_date_grid_move_through_the_days(calendar):
    tab_to_the_grid(calendar)
    assert focused_day(calendar) == "2030-11-04"
    for key, day in (
        ("ArrowRight", "2030-11-05"),
        ("ArrowDown", "2030-11-12"),
        ("End", "2030-11-17"),
        ("Home", "2030-11-11"),
        ("ArrowUp", "2030-11-04"),
        ("ArrowLeft", "2030-11-03"),
    ):
        calendar.keyboard.press(key)
        assert focused_day(calendar) == day
    assert calendar.locator(".grid [tabindex='0']").count() == 1


def test_keys_lead_into_other_months_and_the_live_region_tells_of_them(calendar):
    tab_to_the_grid(calendar)
    calendar.keyboard.press("PageDown")
    expect(calendar.get_by_role("heading", name="December 2030")).to_be_visible()
    expect(calendar.locator("[data-date='2030-12-04']")).to_be_focused()
    expect(calendar.locator("[data-status]")).to_contain_text("December 2030: ")
    calendar.keyboard.press("PageUp")
    expect(calendar.locator("[data-date='2030-11-04']")).to_be_focused()
    calendar.keyboard.press("PageUp")
    expect(calendar.locator("[data-date='2030-11-04']")).to_be_focused()


def test_where_the_months_end_the_focus_goes_from_the_arrow_to_the_days(calendar):
    for month in ("December 2030", "January 2031"):
        calendar.get_by_role("link", name=f"Next month: {month}").focus()
        calendar.keyboard.press("Enter")
        expect(calendar.get_by_role("heading", name=month)).to_be_visible()
        is_last = month == "January 2031"
        expect(calendar.locator(".grid [tabindex='0']" if is_last else "#next-month")).to_be_focused()


def test_enter_and_space_choose_a_day_and_a_day_without_times_cannot_be_chosen(calendar):
    tab_to_the_grid(calendar)
    for key, day, name in (
        ("Enter", "2030-11-05", "Tuesday, 5 November"),
        ("Space", "2030-11-06", "Wednesday, 6"),
    ):
        calendar.keyboard.press("ArrowRight")
        calendar.keyboard.press(key)
        expect(calendar.locator("#times-name")).to_contain_text(name)
        expect(calendar.locator(f"[data-date='{day}']")).to_be_focused()
    calendar.keyboard.press("End")
    calendar.keyboard.press("Enter")
    expect(calendar.locator("#times-name")).to_contain_text("Wednesday, 6")
    expect(calendar.locator("td:has([data-date='2030-11-10'])")).to_have_attribute("aria-disabled", "true")


def test_months_come_without_a_jump(calendar):
    places = {
        "the month's name": "#month-name",
        "the grid": ".grid",
        "the arrows": ".arrows",
        "the zone": ".zone",
    }

    def tops() -> dict[str, float]:
        return {name: calendar.locator(where).bounding_box()["y"] for name, where in places.items()}

    calendar.mouse.wheel(0, 40)
    before = tops(), calendar.evaluate("scrollY")
    for month in ("December 2030", "January 2031"):
        calendar.get_by_role("link", name=f"Next month: {month}").click()
        expect(calendar.get_by_role("heading", name=month)).to_be_visible()
        assert (tops(), calendar.evaluate("scrollY")) == before


def test_times_come_in_the_visitors_own_zone_and_in_any_other(gallery, browser):
    context = browser.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(f"{gallery.url(BOOK)}?date=2030-11-06")
    expect(page.get_by_label("Times are shown in")).to_have_value("Asia/Tokyo")
    expect(page.get_by_role("link", name="17:00", exact=True)).to_be_visible()
    page.get_by_label("Times are shown in").select_option("Asia/Kolkata")
    expect(page.get_by_role("link", name="13:30", exact=True)).to_be_visible()
    page.get_by_role("link", name="13:30", exact=True).click()
    expect(page.get_by_text("Asia/Kolkata, UTC+5:30")).to_be_visible()
    context.close()


def test_no_time_of_the_former_zone_can_be_chosen_while_another_is_on_its_way(gallery, browser):
    context = browser.new_context(timezone_id="Europe/Berlin")
    page = context.new_page()
    page.goto(f"{gallery.url(BOOK)}?date=2030-11-06")
    held = []
    page.route("**/*Asia%2FKolkata*", lambda route: held.append(route), times=1)
    page.get_by_label("Times are shown in").select_option("Asia/Kolkata")
    expect(page.locator("[data-part=times]")).to_have_js_property("inert", True)
    held.pop().continue_()
    page.get_by_role("link", name="13:30", exact=True).click()
    expect(page.get_by_text("Asia/Kolkata, UTC+5:30")).to_be_visible()
    context.close()
