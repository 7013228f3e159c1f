"""Every page over HTTP, on a real PostgreSQL: what it says, what it keeps safe, and that looking changes nothing."""

from __future__ import annotations

import re
from uuid import UUID

import icalendar
import pytest
from flask import Response
from rebook import events
from rebook.drafts import Draft, Drafts
from rebook.moments import parse_moment
from rebook.problems import PROBLEMS
from rebook.sessions import Session, Sessions
from servers.query_side import KEYS, MEMBER, booking_id, event

PAGE_MAX_BYTES = 60_000
CUSTOMERS = ("", "/reschedule", "/cancel")
TEAMS = ("/scheduling/bookings", "/scheduling/meeting-types", "/scheduling/account")


@pytest.fixture
def customer(site):
    return site.anybody


@pytest.fixture
def manage(site):
    """The address of the manage page of a booking for Tuesday, 10:00 in Berlin."""
    site.confirm("ada", "2030-11-05T09:00:00Z", notes="<script>alert(1)</script>")
    return f"/manage/{site.links.token(UUID(booking_id('ada')))}"


@pytest.fixture
def member(site):
    """A browser of the team's, logged in."""
    client = site.app.test_client()
    with site.app.test_request_context():
        answer = Response()
        Sessions(KEYS, 12, secure=False).write(answer, Session.begin(MEMBER, "ada@example.org", 1))
    return take_cookies(client, answer)


def take_cookies(client, answer):
    for header in answer.headers.getlist("Set-Cookie"):
        name, _, value = header.split(";")[0].partition("=")
        client.set_cookie(name, value, path=re.search("Path=([^;]+)", header)[1])
    return client


def refused(site, client, page, draft):
    """The client as it is after a form of `page` was refused."""
    with site.app.test_request_context():
        answer = Response()
        Drafts(KEYS, secure=False).write(answer, page, draft)
    return take_cookies(client, answer)


def shown(client, path, status=200):
    answer = client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
    return answer.text


def every_page(manage):
    booking = f"/scheduling/bookings/{booking_id('ada')}"
    return [
        *("/", "/book/intro-call", "/book/intro-call?starts_at=2030-11-06T08:00:00Z", "/problems/slot-taken"),
        *(manage + below for below in CUSTOMERS),
        *(booking + below for below in CUSTOMERS),
        *(*TEAMS, "/scheduling/meeting-types?add=1", "/scheduling/meeting-types/intro-call"),
    ]


def test_every_page_is_small_strict_and_escaped(member, manage):
    for path in every_page(manage):
        answer = member.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(
            r"<script(?! type=\"module\" src=\"/static/)|<style| style=| on\w+=", answer.text
        ), path
        assert len(answer.data) + assets_bytes(member, answer.text) < PAGE_MAX_BYTES, path


def assets_bytes(client, page):
    return sum(
        len(client.get(path, buffered=True).data) for path in set(re.findall(r"\"(/static/[^\"]+)\"", page))
    )


def test_a_manage_page_leaks_its_address_to_nobody(customer, manage):
    for below in CUSTOMERS:
        headers = customer.get(manage + below).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "noindex" in headers["X-Robots-Tag"]


def test_nor_does_one_that_was_asked_for_with_a_slash_too_many(customer, manage):
    answer = customer.get("/", environ_overrides={"PATH_INFO": f"/{manage}"})
    assert answer.status_code == 200
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_looking_at_every_page_changes_no_booking(site, member, manage):
    before = site.get(f"/bookings/{booking_id('ada')}")
    for path in every_page(manage):
        member.get(path)
        member.head(path)
    assert site.get(f"/bookings/{booking_id('ada')}") == before


def test_a_static_file_is_kept_for_ever_under_its_hash_and_never_under_another(customer):
    (path,) = re.findall(r"\"(/static/[^\"]+style\.css)\"", shown(customer, "/"))
    assert "immutable" in customer.get(path, buffered=True).headers["Cache-Control"]
    stale = customer.get("/static/0123456789abcdef/style.css", buffered=True)
    assert "immutable" not in stale.headers["Cache-Control"]
    assert customer.get("/static/0123456789abcdef/..%2Fpages.py").status_code == 404


def test_times_are_shown_in_the_zone_asked_for_else_the_browsers_else_the_types(customer):
    assert ">09:00</a>" in shown(customer, "/book/intro-call")
    customer.set_cookie("rebook_timezone", "Asia%2FTokyo")
    assert ">17:00</a>" in shown(customer, "/book/intro-call")
    asked = shown(customer, "/book/intro-call?timezone=Asia/Kolkata")
    assert ">13:30</a>" in asked
    assert "?timezone=Asia%2FKolkata&amp;starts_at=2030-11-05T08%3A00%3A00Z" in asked
    assert ">17:00</a>" in shown(customer, "/book/intro-call?timezone=Mars/Olympus")


def test_a_form_is_drawn_with_a_new_key_each_time(customer):
    path = "/book/intro-call?starts_at=2030-11-06T08:00:00Z"
    keys = {
        re.search(r"name=\"idempotency_key\" value=\"(.+?)\"", shown(customer, path))[1] for _ in range(3)
    }
    assert len(keys) == 3


def test_a_refused_booking_comes_back_filled_in_with_each_error_beside_its_field(site, customer):
    typed = {
        "email": "a@b",
        "notes": "<i>kept</i>",
        "starts_at": "2030-11-06T08:00:00Z",
        "timezone": "Asia/Tokyo",
    }
    errors = {"customer.email": ["Not an address."]}
    page = "/book/intro-call"
    text = shown(refused(site, customer, page, Draft("malformed-command", "", errors, typed)), page)
    assert "<title>Error: " in text
    assert '<a href="#email">E-mail</a>: Not an address.' in text
    assert 'aria-describedby="email-hint email-error" aria-invalid="true"' in text
    assert "&lt;i&gt;kept&lt;/i&gt;" in text
    assert "Asia/Tokyo, UTC+9" in text


def test_a_taken_slot_brings_the_calendar_back_without_it_and_keeps_what_was_typed(site, customer):
    typed = {"name": "Ada", "notes": "kept", "starts_at": "2030-11-06T08:00:00Z", "timezone": "Europe/Berlin"}
    page = "/book/intro-call"
    refused(site, customer, page, Draft("slot-taken", "", {}, typed))
    text = shown(customer, page)
    assert "somebody else just took that time" in text
    assert "Wednesday, 6 November" in text
    assert "2030-11-06T08%3A00%3A00Z" not in text
    next_choice = shown(customer, page + "?starts_at=2030-11-06T08:30:00Z")
    assert "kept</textarea>" in next_choice
    assert "somebody else" not in next_choice
    assert "2030-11-06T08%3A00%3A00Z" not in shown(customer, page + "?starts_at=2030-11-06T08:00:00Z")


def test_a_start_that_is_not_on_offer_shows_the_calendar_of_its_day(customer):
    text = shown(customer, "/book/intro-call?starts_at=2030-11-06T08:07:00Z")
    assert "That time is not free any more" in text
    assert "Wednesday, 6 November" in text


def test_moving_sets_the_old_time_beside_the_new_one(customer, manage):
    text = shown(customer, f"{manage}/reschedule?starts_at=2030-11-06T09:00:00Z&timezone=Europe/Berlin")
    days = re.findall(r"class=\"day\">([^<]+)<.+?class=\"hours\">([^<]+)<", text)
    assert days == [
        ("Tuesday, 5 November 2030", "10:00-10:30"),
        ("Wednesday, 6 November 2030", "10:00-10:30"),
    ]


def test_its_own_time_is_marked_and_is_no_choice(customer, manage):
    text = shown(customer, f"{manage}/reschedule?date=2030-11-05&timezone=Europe/Berlin")
    assert re.search(r"<span class=\"time standing\">10:00", text)
    assert "Choose another time" in shown(customer, f"{manage}/reschedule?starts_at=2030-11-05T09:00:00Z")


def test_what_was_just_done_is_said_until_the_booking_changes_again(site, customer, manage):
    assert "You are booked" in shown(customer, f"{manage}?min_version=1&done=booked")
    site.cancel("ada")
    assert "You are booked" not in shown(customer, f"{manage}?min_version=1&done=booked")
    assert "Your booking is cancelled" in shown(customer, f"{manage}?min_version=2&done=cancelled")


def test_a_booking_comes_as_a_calendar_entry_that_mails_nobody_and_holds_no_token(site, customer, manage):
    site.move("ada", "2030-11-06T09:00:00Z")
    answer = customer.get(f"{manage}/calendar.ics")
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        200,
        "text/calendar",
        "no-store",
    )
    calendar = icalendar.Calendar.from_ical(answer.data)
    (entry,) = calendar.walk("VEVENT")
    assert (str(entry["UID"]), entry["SEQUENCE"]) == (f"{booking_id('ada')}@example.org", 1)
    assert entry["DTSTART"].dt == parse_moment("2030-11-06T09:00:00Z")
    assert not {"METHOD", "ATTENDEE", "ORGANIZER"} & {*calendar, *entry}
    link = r"href=\"(https://[^\"]+)\" target=\"_blank\" rel=\"noopener noreferrer\""
    others = re.findall(link, shown(customer, manage))
    assert len(others) == 3
    token = manage.removeprefix("/manage/")
    assert not [each for each in [*others, answer.text] if token in each or token.partition(".")[2] in each]


def test_a_cancelled_booking_is_no_calendar_entry(site, customer, manage):
    site.cancel("ada")
    answer = customer.get(f"{manage}/calendar.ics")
    assert (answer.status_code, answer.headers["Location"]) == (303, manage)
    assert "calendar.ics" not in shown(customer, manage)


def test_a_cancelled_booking_says_so_on_each_of_its_pages_and_offers_no_change(site, customer, manage):
    site.cancel("ada", reason="Ill <b>")
    for below in CUSTOMERS:
        text = shown(customer, manage + below)
        assert "A cancelled booking stays cancelled" in text
        assert "Ill &lt;b&gt;" in text
        assert "<form" not in text
        assert 'href="/book/intro-call"' in text


def test_after_the_cutoff_the_page_says_until_when_it_was_possible(site, customer):
    site.confirm("late", "2030-11-04T12:30:00Z")
    text = shown(customer, f"/manage/{site.links.token(UUID(booking_id('late')))}/reschedule")
    assert "It is too late to reschedule (possible until 4 Nov 2030, 06:30) online." in text
    assert "/cancel" in text


def test_what_is_not_projected_yet_is_said_to_be_recorded_and_looked_for_again(customer, manage):
    answer = customer.get(f"{manage}?min_version=2&done=moved")
    assert (answer.status_code, answer.headers["Refresh"], answer.headers["Retry-After"]) == (503, "1", "1")
    assert "Your change is recorded" in answer.text
    assert "Your meeting has moved" in shown(customer, f"{manage}?min_version=1&done=moved")


def test_a_wrong_link_helps_and_says_nothing_of_why(customer, manage):
    texts = {shown(customer, path, 404) for path in ("/manage/nonsense", manage[:-1])}
    assert len(texts) == 1
    assert "Copy the whole link" in texts.pop()


def test_people_get_pages_and_programs_get_problems(customer):
    assert "There is no such page" in shown(customer, "/nowhere", 404)
    assert customer.get("/nowhere").mimetype == "application/problem+json"
    assert customer.get("/v1/nowhere", headers={"Accept": "text/html"}).mimetype == "application/problem+json"
    assert "cannot be booked any more" in shown(customer, "/book/nothing", 404)


def test_every_problem_has_its_page(customer):
    for code, problem in PROBLEMS.items():
        assert f"<h1>{problem.title}</h1>" in shown(customer, f"/problems/{code}").replace("&#39;", "'")
    shown(customer, "/problems/unheard-of", 404)


def test_without_a_session_every_page_of_the_team_leads_to_the_login_and_back(customer):
    for path in (*TEAMS, f"/scheduling/bookings/{booking_id('ada')}/cancel"):
        answer = customer.get(f"{path}?filter=past")
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            f"/login?next={path}%3Ffilter%3Dpast",
        )
    assert 'name="next" value="/scheduling/account"' in shown(customer, "/login?next=/scheduling/account")
    assert 'name="next" value="/scheduling/bookings"' in shown(customer, "/login?next=//evil.example")


def test_forms_of_the_team_carry_the_sessions_csrf_token(member, manage):
    (token,) = set(re.findall(r"name=\"csrf_token\" value=\"(.+?)\"", shown(member, "/scheduling/account")))
    assert token == member.get_cookie("rebook_csrf").value
    path = f"/scheduling/bookings/{booking_id('ada')}"
    forms = re.findall(r"<form method=\"post\".+?</form>", shown(member, path), re.DOTALL)
    assert len(forms) == 1
    assert all(token in form and "idempotency_key" in form for form in forms)


def test_the_list_keeps_its_state_in_the_address(site, member):
    for number in range(40):
        site.confirm(f"c{number:02}", f"2030-11-{number // 8 + 10}T{number % 8 + 8:02}:00:00Z")
    text = shown(member, "/scheduling/bookings?meeting_type=intro-call&timezone=Asia/Tokyo&from=2030-11-01")
    following = re.search(r"href=\"([^\"]+)\" rel=\"next\"", text)[1].replace("&amp;", "&")
    rest = shown(member, following)
    assert text.count('class="row-who"') + rest.count('class="row-who"') == 40
    assert "timezone=Asia%2FTokyo" in following
    assert 'value="2030-11-01"' in rest
    assert "No upcoming booking matches" in shown(member, "/scheduling/bookings?q=nobody")


def test_a_page_behind_the_lists_end_says_that_nothing_follows_and_leads_to_the_first(site, member):
    for number in range(31):
        site.confirm(f"c{number:02}", f"2030-11-{number // 8 + 10}T{number % 8 + 8:02}:00:00Z")
    text = shown(member, "/scheduling/bookings?timezone=Asia/Tokyo")
    following = re.search(r"href=\"([^\"]+)\" rel=\"next\"", text)[1].replace("&amp;", "&")
    site.cancel("c30")
    rest = shown(member, following)
    assert "No more bookings follow" in rest
    assert 'href="/scheduling/bookings?filter=upcoming&amp;timezone=Asia%2FTokyo">First page<' in rest


def test_the_list_is_narrowed_by_host_and_says_what_an_address_that_makes_no_sense_is(site, member):
    site.confirm("bea", "2030-11-11T08:00:00Z", host={"name": "Bo", "email": "bo@example.org"})
    site.confirm("cleo", "2030-11-11T09:00:00Z")
    text = shown(member, "/scheduling/bookings?host=bo@example.org")
    assert re.findall(r"class=\"row-who\"><a [^>]+>([^<]+)<", text) == ["Bea"]
    assert '<option value="bo@example.org" selected>' in text
    assert "We cannot read this address" in shown(member, "/scheduling/bookings?cursor=nonsense", 422)


def test_a_refused_logout_says_so_once_on_the_page_it_comes_back_to(site, member):
    refused(site, member, "/scheduling/bookings", Draft("csrf", "Stale."))
    assert "The form has gone stale" in shown(member, "/scheduling/bookings")
    assert "The form has gone stale" not in shown(member, "/scheduling/bookings")


def test_a_refused_resend_says_so_once_and_never_beside_a_later_success(site, member):
    page = f"/scheduling/bookings/{site.confirm('ada', '2030-11-05T09:00:00Z')}"
    refused(site, member, page, Draft("csrf", "Stale."))
    assert "The form has gone stale" in shown(member, page)
    site.move("ada", "2030-11-06T09:00:00Z")
    moved = shown(member, f"{page}?min_version=2&done=moved")
    assert "The meeting has moved" in moved
    assert "The form has gone stale" not in moved


def test_a_form_sent_after_the_session_ended_comes_back_filled_in_after_the_login(site, member):
    page = f"/scheduling/bookings/{site.confirm('ada', '2030-11-05T09:00:00Z')}/cancel"
    refused(
        site,
        member,
        page,
        Draft("unauthenticated", PROBLEMS["unauthenticated"].advice, {}, {"reason": "Ill"}),
    )
    text = shown(member, page)
    assert "You had been logged out" in text
    assert "Ill</textarea>" in text
    assert "There is no such meeting type" in shown(member, "/scheduling/meeting-types/gone", 404)


def test_a_refused_new_meeting_type_waits_behind_add_and_the_list_stays_in_reach(site, member):
    page = "/scheduling/meeting-types"
    refused(site, member, page, Draft("malformed-command", "", {}, {"title": "Second call"}))
    for path in (page, f"{page}?done=saved"):
        assert "<h1>Meeting types</h1>" in shown(member, path)
    for _ in range(2):
        assert 'value="Second call"' in shown(member, f"{page}?add=1")


def test_the_hours_of_each_day_are_described_by_how_hours_are_typed(site, member):
    page = "/scheduling/meeting-types"
    errors = {"weekly_hours.mon.0.1": ["Not a time of day."]}
    refused(site, member, page, Draft("malformed-command", "", errors, {"mon": "9 to 5"}))
    text = shown(member, f"{page}?add=1")
    assert re.findall(r"<input id=\"(...)\".+? aria-describedby=\"(hours-hint[^\"]*)\"", text) == [
        ("mon", "hours-hint mon-error"),
        *((day, "hours-hint") for day in ("tue", "wed", "thu", "fri", "sat", "sun")),
    ]


def test_what_was_typed_over_one_version_never_passes_for_a_change_of_the_next(site, member):
    page = "/scheduling/meeting-types/intro-call"
    site.define(2, title="Changed by another")
    refused(site, member, page, Draft("malformed-command", "", {}, {"title": "Mine", "version": "1"}))
    text = shown(member, page)
    assert 'value="Mine"' in text
    assert re.findall(r"name=\"version\" value=\"(\d+)\"", text) == ["1", "1"]


def test_an_overtaken_change_is_kept_beside_what_stands_now(site, member):
    page = "/scheduling/meeting-types/intro-call"
    site.define(2, title="Changed by another", description="Two\nlines")
    typed = {"title": "Mine", "description": "Two\r\nlines", "mon": "", "version": "1"}
    refused(site, member, page, Draft("stale-version", "", {}, typed))
    text = shown(member, page)
    assert re.findall(r"<dt><a href=\"#(\w+)\">.+?<dd class=\"typed\">(.+?)</dd>", text) == [
        ("title", "Changed by another"),
        ("mon", "09:00-12:00"),
    ]
    assert 'value="Mine"' in text
    assert re.findall(r"name=\"version\" value=\"(\d+)\"", text) == ["2", "2"]
    fresh = shown(member, f"{page}?fresh=1")
    assert 'role="alert"' not in fresh
    assert 'value="Changed by another"' in fresh


def test_hours_are_drawn_as_they_are_typed_and_what_is_wrong_with_them_is_said(member):
    path = (
        "/scheduling/meeting-types?preview=1&timezone=Europe/Berlin&duration_minutes=45&slot_step_minutes=30"
    )
    drawn = shown(member, f"{path}&mon=09:00-11:00&tue=9-11")
    assert "Tuesday: Not a time of day" in drawn
    assert "<rect" not in drawn
    drawn = shown(member, f"{path}&mon=09:00-11:00&date_overrides=2030-11-13: 14:00-15:00")
    days = re.findall(r"drawn-day\">(.+?)</li>", drawn, re.DOTALL)
    assert [" ".join(re.sub(r"<[^>]+>", " ", day).split()) for day in days[:3]] == [
        "Mon 11 Nov 09:00-11:00 · 3 starts",
        "Tue 12 Nov closed",
        "Wed 13 Nov 14:00-15:00 · 1 start",
    ]
    assert '<rect class="open" x="540" width="120"' in drawn


def test_the_account_shows_tokens_as_they_are_after_the_change_that_led_there(site, member):
    token = booking_id("token")
    path = f"/scheduling/account?token={token}&done="
    assert "sync" in shown(member, f"{path}token-issued")
    assert "Your change is recorded" in shown(member, f"{path}token-revoked", 503)
    site.take(event(events.API_TOKEN_REVOKED, token, 2, {"token_id": token, "actor": "ada@example.org"}))
    assert "The token is revoked" in shown(member, f"{path}token-revoked")


def test_a_new_api_token_is_shown_once(site, member):
    page = "/scheduling/account"
    refused(site, member, page, Draft("token-issued", "", {}, {"name": "CRM", "token": "secret-token"}))
    answer = member.get(page)
    assert "secret-token" in answer.text
    assert any(header.startswith("rebook_draft_") for header in answer.headers.getlist("Set-Cookie"))
