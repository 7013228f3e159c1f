"""Every page in every state in a real browser: for everyone, on a phone, in light and dark, by the standards."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from servers import html_checker
from servers.gallery import STATES, State

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page, Route
    from servers.gallery import Gallery

WEIGHT_MAX_BYTES = 60_000
PHONE = {"width": 360, "height": 740}
_WEIGHT = "performance.getEntries().reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)"
WCAG_AND_BEST_PRACTICE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page, what: dict[str, Any]) -> list[str]:
    """What axe, which is in the page already, finds; with the places."""
    found = page.evaluate(
        "options => axe.run(options).then(results => results.violations)", {"runOnly": what}
    )
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]
    ]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_page_is_light_and_accessible_and_fits_a_phone(gallery: Gallery, browser: Any, state: State):
    complaints: list[str] = []
    with gallery.visitor(browser, state, viewport=PHONE, color_scheme="light") as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(_said(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if state.status == HTTPStatus.SERVICE_UNAVAILABLE:
            page.route(gallery.url(state), _without_refresh)
        answer = page.goto(gallery.url(state))
        assert answer
        assert answer.status == state.status
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        page.evaluate(AXE_SCRIPT)
        assert violations(page, {"type": "tag", "values": WCAG_AND_BEST_PRACTICE}) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, {"type": "rule", "values": ["color-contrast"]}) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert 0 < page.evaluate(_WEIGHT) < WEIGHT_MAX_BYTES
    expected = f"status of {state.status}"  # Chromium notes the page's own status where it is no success
    assert [each for each in complaints if expected not in each] == []


def _without_refresh(route: Route) -> None:
    """Keep a page that looks again by itself from going away while it is looked at."""
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name != "refresh"}
    route.fulfill(response=answer, headers=headers)


def _said(message: ConsoleMessage) -> str:
    return f"{message.type}: {message.text}"


def test_the_w3c_checker_finds_no_error_in_any_page_style_or_picture(gallery: Gallery, tmp_path: Path):
    for state in STATES:
        (tmp_path / f"{state.name}.html").write_text(gallery.source(state))
    static = files("booking_query") / "static"
    for name in ("style.css", "icon.svg"):
        (tmp_path / name).write_bytes((static / name).read_bytes())
    assert html_checker.errors(*tmp_path.iterdir()) == []
