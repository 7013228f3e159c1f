"""Pages for when something is not there, not yet there, or not right; and what each problem code means."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Blueprint, make_response, redirect, request
from rebook.problems import PROBLEMS, Refused
from rebook.web import correlation_id

from booking_query.drawing import draw

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("problems", __name__)

_REFRESH_S = 1


@dataclass(frozen=True)
class Message:
    """A page that says one thing and what to do next."""

    title: str
    sentences: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = (("/", "See what can be booked"),)
    mark: str = "alert"


_MESSAGES = {
    "not-found": Message(
        "There is no such page", ("The address may be mistyped, or the page may have moved away.",)
    ),
    "unknown-link": Message(
        "This link does not open a booking",
        (
            (
                "Mail programs sometimes cut long links in two. Copy the whole link from your confirmation e-mail "
                "and paste it into the address bar."
            ),
            "If that does not help, answer the e-mail: the team can send the confirmation again.",
        ),
    ),
    "unknown-meeting-type": Message(
        "This meeting cannot be booked any more",
        (
            (
                "Its page was taken down, or the address is mistyped. Bookings that were made stay as they are: the "
                "links in their e-mails go on working."
            ),
        ),
    ),
    "unknown-meeting-type-of-team": Message(
        "There is no such meeting type",
        ("It may have been deleted meanwhile. Bookings that were made stay as they are.",),
        (("/scheduling/meeting-types", "Meeting types"),),
    ),
    "unknown-booking": Message(
        "There is no such booking",
        ("Check the address, or look for the customer's name in the list.",),
        (("/scheduling/bookings", "All bookings"),),
    ),
    "malformed-query": Message(
        "We cannot read this address",
        ("Something after its question mark is not right: it may have been cut, or changed on its way.",),
        (("?", "Open the page without it"),),
    ),
    "too-many-requests": Message(
        "One moment, please",
        (
            (
                "Too many links that open nothing were tried from your network just now. A link that is right always "
                "works: copy the whole of it from your confirmation e-mail."
            ),
        ),
        (("", "Try again"), ("/", "See what can be booked")),
        "clock",
    ),
    "busy": Message(
        "Very much is going on right now",
        ("Nothing is lost. Try again in a few seconds.",),
        (("", "Try again"),),
    ),
    "unavailable": Message(
        "We cannot look that up right now",
        (
            "A part of the service is out of reach. Bookings are safe, and this page works again once it is back.",
        ),
        (("", "Try again"),),
    ),
    "internal-error": Message(
        "Something went wrong on our side",
        ("It has been recorded. Nothing was changed by looking at this page.",),
        (("", "Try again"), ("/", "See what can be booked")),
    ),
}


@blueprint.get("/problems/<code>")
def explained(code: str) -> str:
    """What a problem code means, for whoever follows the `type` of an answer."""
    if code not in PROBLEMS:
        raise Refused(code="not-found")
    return draw("problem.html", code=code, problem=PROBLEMS[code])


def shown(refusal: Refused) -> ResponseReturnValue | None:
    """A refusal as a page; None for programs, who get a problem document."""
    if _is_for_programs():
        return None
    if refusal.code == "unauthenticated":
        return redirect("/login?next=" + quote(_asked_for(), safe="/"), 303)
    status = PROBLEMS[refusal.code].status
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR and refusal.code != "not-yet"
    reference = correlation_id() if is_ours else ""
    answer = make_response(draw("message.html", message=_message(refusal), correlation_id=reference), status)
    answer.headers.update(refusal.headers)
    if refusal.code == "not-yet":
        answer.headers["Refresh"] = str(_REFRESH_S)  # HTML, section 7.4.5; works without scripts
    return answer


def _is_for_programs() -> bool:
    if request.blueprint and request.blueprint.startswith("pages"):
        return False
    return request.path.startswith("/v1/") or "text/html" not in request.headers.get("Accept", "")


def _asked_for() -> str:
    return request.full_path.removesuffix("?")


def _message(refusal: Refused) -> Message:
    if refusal.code == "not-yet":
        return _not_yet()
    if refusal.code == "unknown-meeting-type" and request.path.startswith("/scheduling/"):
        return _MESSAGES["unknown-meeting-type-of-team"]
    return _MESSAGES.get(refusal.code, Message(PROBLEMS[refusal.code].title, (refusal.detail,)))


def _not_yet() -> Message:
    """Between a change and the moment it can be shown; the page asks again by itself."""
    again = ((_asked_for(), "Look again"),)
    if "done" in request.args:
        soon = "It will show in a moment; this page looks again by itself."
        return Message("Your change is recorded", (soon,), again, "check")
    return Message("One moment", ("It is on its way; this page looks again by itself.",), again, "clock")
