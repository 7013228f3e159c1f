"""Every page in every state, on real sites whose clock stands in 2030: to be looked at, checked and drawn."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from flask import Response
from rebook import events
from rebook.drafts import Draft, Drafts
from rebook.sessions import Session, Sessions
from werkzeug.serving import WSGIRequestHandler, make_server

from servers.query_side import HOST, KEYS, MEMBER, booking_id, event, new_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

    from servers.query_side import Site

FULL, EMPTY, DEFECT, LOST = "full", "empty", "defect", "lost"
_BOOK = "/book/intro-call"
_BOOKINGS = "/scheduling/bookings"
_TYPES = "/scheduling/meeting-types"
_ACCOUNT = "/scheduling/account"
_CUSTOMER = {"name": "Grace Example", "email": "grace@example", "notes": "Is there a lift?"}
_CHOSEN = {"starts_at": "2030-11-06T08:00:00Z", "timezone": "Europe/Berlin"}
_NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def by_link(name: str, below: str = "") -> str:
    """The path of a page behind the manage link of the booking called `name`; the gallery puts in the token."""
    return f"/manage/<{name}>{below}"


def by_id(name: str, below: str = "") -> str:
    return f"{_BOOKINGS}/{booking_id(name)}{below}"


@dataclass(frozen=True)
class State:
    """A page as somebody meets it; `draft` is the refusal of its form that has just come back."""

    name: str
    path: str
    team: bool = False
    site: str = FULL
    draft: Draft | None = None
    status: int = 200

    def for_team(self) -> State:
        return replace(self, team=True)


def refused(code: str, detail: str = "", errors: dict[str, list[str]] | None = None, **typed: str) -> Draft:
    return Draft(code, detail, errors or {}, typed)


_BAD_ADDRESS = {"customer.email": ["Not an e-mail address."]}
_BAD_TYPE = {"weekly_hours.mon.0.1": ["Not a time of day such as 09:00."], "title": ["Please fill this in."]}
_TYPED_OVER = {"version": "1", "title": "A first call", "description": "No hurry.", "fri": ""}
_TYPED_TYPE = {"title": "", "slug": "intro-call", "mon": "9 to 5", "timezone": "Europe/Berlin"}

CUSTOMER_STATES = [
    State("start", "/"),
    State("start-empty", "/", site=EMPTY),
    State("book", _BOOK),
    State("book-far", f"{_BOOK}?date=2030-12-03&timezone=Asia/Kolkata"),
    State("book-nothing-free", "/book/board?month=2030-11"),
    State("book-all-taken", "/book/sold-out"),
    State("book-taken", _BOOK, draft=refused("slot-taken", **_CUSTOMER, **_CHOSEN)),
    State("book-gone", f"{_BOOK}?starts_at=2030-11-06T08:07:00Z"),
    State("book-withdrawn", "/book/nothing", status=404),
    State("details", f"{_BOOK}?starts_at=2030-11-06T08:00:00Z"),
    State(
        "details-refused", _BOOK, draft=refused("malformed-command", "", _BAD_ADDRESS, **_CUSTOMER, **_CHOSEN)
    ),
    State("details-busy", _BOOK, draft=refused("busy", "Nothing was changed.", **_CUSTOMER, **_CHOSEN)),
    State("manage-booked", by_link("ada", "?min_version=1&done=booked")),
    State("manage", by_link("ada")),
    State("manage-moved", by_link("grace", "?min_version=2&done=moved")),
    State("manage-cancelled", by_link("alan", "?min_version=2&done=cancelled")),
    State("manage-too-late", by_link("linus")),
    State("manage-begun", by_link("radia")),
    State("manage-over", by_link("edsger")),
    State("move", by_link("ada", "/reschedule")),
    State("move-confirm", by_link("ada", "/reschedule?starts_at=2030-11-06T09:00:00Z")),
    State(
        "move-taken",
        by_link("ada", "/reschedule"),
        draft=refused("slot-taken", starts_at="2030-11-06T09:00:00Z"),
    ),
    State("move-too-late", by_link("linus", "/reschedule"), draft=refused("cutoff-passed", "Too late.")),
    State("cancel", by_link("ada", "/cancel")),
    State("cancel-begun", by_link("radia", "/cancel"), draft=refused("meeting-started", "It has begun.")),
    State("link-unknown", "/manage/0b9c6f0e", status=404),
    State("link-not-yet", by_link("ada", "?min_version=9&done=moved"), status=503),
    State("problem", "/problems/slot-taken"),
    State("page-unknown", "/nowhere", status=404),
    State("lost", "/", site=LOST, status=503),
    State("defect", _BOOK, site=DEFECT, status=500),
]
TEAM_STATES = [
    State("login", "/login"),
    State(
        "login-refused",
        "/login",
        draft=refused("unauthenticated", "They do not match.", email="ada@example.org"),
    ),
    State("bookings", _BOOKINGS).for_team(),
    State("bookings-past", f"{_BOOKINGS}?filter=past").for_team(),
    State("bookings-cancelled", f"{_BOOKINGS}?filter=cancelled&timezone=America/New_York").for_team(),
    State("bookings-found", f"{_BOOKINGS}?q=grace&meeting_type=intro-call&host=ada@example.org").for_team(),
    State("bookings-none-found", f"{_BOOKINGS}?q=nobody&from=2030-11-05").for_team(),
    State("bookings-empty", _BOOKINGS, site=EMPTY).for_team(),
    State("bookings-past-empty", f"{_BOOKINGS}?filter=past", site=EMPTY).for_team(),
    State("bookings-bad-address", f"{_BOOKINGS}?cursor=nonsense", status=422).for_team(),
    State("booking", by_id("grace")).for_team(),
    State("booking-resent", by_id("grace", "?min_version=2&done=resent")).for_team(),
    State("booking-cancelled", by_id("alan")).for_team(),
    State("booking-over", by_id("edsger")).for_team(),
    State("booking-long", by_id("long")).for_team(),
    State("booking-refused", by_id("edsger"), draft=refused("meeting-started", "It has begun.")).for_team(),
    State("booking-unknown", by_id("nobody"), status=404).for_team(),
    State("team-move", by_id("ada", "/reschedule")).for_team(),
    State("team-move-confirm", by_id("ada", "/reschedule?starts_at=2030-11-06T09:00:00Z")).for_team(),
    State("team-cancel", by_id("ada", "/cancel")).for_team(),
    State("types", _TYPES).for_team(),
    State("types-saved", f"{_TYPES}?done=saved").for_team(),
    State("types-empty", _TYPES, site=EMPTY).for_team(),
    State("type-add", f"{_TYPES}?add=1").for_team(),
    State(
        "type-add-refused",
        f"{_TYPES}?add=1",
        draft=refused("malformed-command", "", _BAD_TYPE, **_TYPED_TYPE),
    ).for_team(),
    State("type-edit", f"{_TYPES}/intro-call").for_team(),
    State(
        "type-edit-stale",
        f"{_TYPES}/intro-call",
        draft=refused("stale-version", "Look again.", **_TYPED_OVER),
    ).for_team(),
    State("type-unknown", f"{_TYPES}/gone", status=404).for_team(),
    State("account", _ACCOUNT).for_team(),
    State("account-empty", f"{_ACCOUNT}?done=password-changed", site=EMPTY).for_team(),
    State(
        "account-token", _ACCOUNT, draft=refused("token-issued", name="CRM", token="rbk_" + "x" * 43)
    ).for_team(),
    State(
        "account-refused",
        _ACCOUNT,
        draft=refused("malformed-command", "", {"current_password": ["That is not your password."]}),
    ).for_team(),
]
STATES = CUSTOMER_STATES + TEAM_STATES


class Gallery:
    """The sites on loopback ports, and browsers in the state that a page asks for."""

    def __init__(self, sites: dict[str, Site], urls: dict[str, str]) -> None:
        self._sites = sites
        self._urls = urls

    def url(self, state: State) -> str:
        name, _, below = state.path.removeprefix("/manage/<").partition(">")
        is_by_link = state.path.startswith("/manage/<")
        token = self._sites[state.site].links.token(UUID(booking_id(name))) if is_by_link else ""
        return self._urls[state.site] + (f"/manage/{token}{below}" if is_by_link else state.path)

    def source(self, state: State) -> str:
        """The page's HTML; its status is the one that the state is to have."""
        cookies = {cookie["name"]: cookie["value"] for cookie in self._cookies(state)}
        answer = requests.get(self.url(state), cookies=cookies, headers={"Accept": "text/html"}, timeout=15)
        assert answer.status_code == state.status, f"{state.name}: {answer.status_code}\n{answer.text}"
        return answer.text

    @contextmanager
    def visitor(self, browser: Browser, state: State, **options: Any) -> Iterator[BrowserContext]:
        """A browser that has the cookies of the state and nothing else."""
        context = browser.new_context(timezone_id="Europe/Berlin", **options)
        context.add_cookies(self._cookies(state))
        yield context
        context.close()

    def _cookies(self, state: State) -> list[Any]:
        answer = Response()
        if state.team:
            member = Session.begin(MEMBER, "ada@example.org", 1)
            Sessions(KEYS, 12, secure=False).write(answer, member)
        if state.draft:
            page = self.url(replace(state, path=state.path.partition("?")[0]))
            Drafts(KEYS, secure=False).write(answer, page.removeprefix(self._urls[state.site]), state.draft)
        pairs = (header.partition(";")[0].partition("=") for header in answer.headers.getlist("Set-Cookie"))
        return [{"name": name, "value": value, "url": self.url(state)} for name, _, value in pairs if value]


class _QuietHandler(WSGIRequestHandler):
    def log(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: the run's output is for its results."""


@contextmanager
def _served(site: Site) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, site.app, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def gallery(database: Any) -> Iterator[Gallery]:
    """Four sites: full of everything, still empty, with a defect, and with its read tables out of reach."""
    with ExitStack() as stack:
        usual = {"rate_limits": False, "web_threads": 24}
        changes = {FULL: {}, EMPTY: {}, DEFECT: {}, LOST: {"database_url": _NOWHERE}}
        sites = {
            name: stack.enter_context(new_site(database, **usual, **more)) for name, more in changes.items()
        }
        _fill(sites[FULL])
        sites[DEFECT].define()
        sites[DEFECT].app.extensions["rebook_queries"].now = None
        yield Gallery(sites, {name: stack.enter_context(_served(site)) for name, site in sites.items()})


def _fill(site: Site) -> None:
    _offer(site)
    _book(site)
    _tell_of_letters(site)
    for number, name in enumerate(("CRM", "Nightly export")):
        token = {"name": name, "sha256": str(number), "member_id": MEMBER, "created_by": "ada@example.org"}
        site.take(event(events.API_TOKEN_ISSUED, booking_id(f"token-{number}"), 1, token))


def _offer(site: Site) -> None:
    office = {day: [["09:00", "12:00"], ["13:00", "17:30"]] for day in ("mon", "tue", "wed", "thu")}
    words = "Half an hour to get to know each other.\nBring every question you have."
    site.define(
        title="Introduction call", description=words, weekly_hours={**office, "fri": [["09:00", "12:30"]]}
    )
    closed = {f"2030-11-{day:02}": [] for day in range(1, 31)}
    for slug, title, changes in (
        ("board", "Board meeting", {"date_overrides": closed, "duration_minutes": 120}),
        ("sold-out", "Open evening", {"weekly_hours": {}, "duration_minutes": 90}),
        ("site-visit", "Site visit", {"duration_minutes": 45, "timezone": "America/New_York"}),
    ):
        subject = booking_id(f"type-{slug}")
        told = site.definition(
            slug=slug, title=title, host={**HOST, "email": f"{slug}@example.org"}, **changes
        )
        site.take(event(events.MEETING_TYPE_DEFINED, subject, 1, told))


def _book(site: Site) -> None:
    site.confirm("ada", "2030-11-05T09:00:00Z", notes="Please ring twice.\nThe bell is quiet.")
    site.confirm("grace", "2030-11-06T13:00:00Z", title="Introduction call")
    site.move("grace", "2030-11-07T10:00:00Z", before="2030-11-06T13:00:00Z")
    site.confirm("alan", "2030-11-08T08:00:00Z")
    site.cancel("alan", reason="I have caught a cold; I shall be back.")
    site.confirm("linus", "2030-11-04T12:30:00Z", cancel_cutoff_minutes=120)
    site.confirm("radia", "2030-11-04T11:40:00Z", meeting_type="site-visit", title="Site visit")
    site.confirm("edsger", "2030-11-01T10:00:00Z")
    site.confirm("long", "2030-11-05T10:00:00Z", title="A title that goes on and on " * 4)
    for number in range(60):
        site.confirm(f"customer-{number}", f"2030-11-{number // 6 + 11}T{number % 6 + 8:02}:30:00Z")


def _tell_of_letters(site: Site) -> None:
    for number, (name, kind, letter, recipient, more) in enumerate(
        (
            ("grace", events.EMAIL_SENT, "confirmation", "grace@example.com", {}),
            ("grace", events.EMAIL_SENT, "team-confirmation", "ada@example.org", {}),
            ("grace", events.EMAIL_SENT, "rescheduled", "grace@example.com", {}),
            (
                "grace",
                events.EMAIL_FAILED,
                "team-rescheduled",
                "office@example.org",
                {"reason": "550 No such user"},
            ),
            ("alan", events.EMAIL_SENT, "cancelled", "alan@example.com", {}),
            ("edsger", events.EMAIL_SENT, "reminder", "edsger@example.com", {"minutes_before": 1440}),
            (
                "edsger",
                events.EMAIL_SKIPPED,
                "reminder",
                "edsger@example.com",
                {"minutes_before": 60, "reason": "late"},
            ),
        ),
        start=1,
    ):
        site.letter(name, kind, number, letter, recipient, **more)
