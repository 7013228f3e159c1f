"""The customer's commands as HTML forms: answered with 303, refused with what was typed kept for the page."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from flask import Blueprint, Response, current_app, redirect, request
from marshmallow import Schema, ValidationError
from rebook.drafts import Draft
from rebook.events import CUSTOMER
from rebook.problems import Refused, flat, malformed
from rebook.sessions import CSRF_FIELD
from werkzeug.exceptions import RequestEntityTooLarge

from booking_command.access import access
from booking_command.api import confirm_for_customer
from booking_command.commands import (
    Cancel,
    CancelSchema,
    Conditions,
    Confirm,
    ConfirmSchema,
    Reschedule,
    RescheduleSchema,
)
from booking_command.limits import limited_bookings
from booking_command.refusals import KEY_HEADER
from booking_command.requests import bookings, idempotency_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rebook.drafts import Drafts

F = TypeVar("F", bound="Callable[..., Any]")

KEY_FIELD = "idempotency_key"
_NEVER_KEPT = {CSRF_FIELD, KEY_FIELD, "password", "current_password", "new_password"}

_PAGES: dict[str, tuple[str, str]] = {}  # endpoint -> the page of its form, and the query it needs

blueprint = Blueprint("forms", __name__)


def drafts() -> Drafts:
    return cast("Drafts", current_app.extensions["rebook_drafts"])


def form(blueprint: Blueprint, rule: str, page: str | None = None, query: str = "") -> Callable[[F], F]:
    """Take a form's POSTs at `rule`; refused ones go back to `page` (by default the form's own address).

    Args:
        query: what the page's address needs besides, such as `?add=1`, to show the form.
    """
    shown_at = (page or rule).replace("<", "{").replace(">", "}")

    def decorate(view: F) -> F:
        @functools.wraps(view)
        def handled(**parameters: Any) -> Response:
            answer: Response = view(**parameters)
            drafts().clear(answer, shown_at.format(**parameters))
            return answer

        blueprint.post(rule)(handled)
        _PAGES[f"{blueprint.name}.{view.__name__}"] = shown_at, query
        return view

    return decorate


def refused(refusal: Refused) -> Response | None:
    """Send a refused form back to its page with what was typed; None where the request was no form."""
    page, query = _PAGES.get(request.endpoint or "", ("", ""))
    if not page:
        return None
    path = page.format(**(request.view_args or {}))
    kept = {name: value for name, value in _readable().items() if name not in _NEVER_KEPT}
    answer = see_other(quote(path) + query)  # decoded, it may hold what no header can
    errors = {name: said for name, said in (refusal.errors or {}).items() if name != KEY_HEADER}
    drafts().write(answer, path, Draft(refusal.code, refusal.detail, errors, kept))
    return answer


def _readable() -> Mapping[str, str]:
    """The form's fields; none where there is too much of them."""
    try:
        return request.form
    except RequestEntityTooLarge:
        return {}


def see_other(path: str) -> Response:
    """RFC 9110, section 15.4.4: the page to look at, with GET, after what was done."""
    return cast("Response", redirect(path, 303))


def read(schema: Schema, fields: dict[str, Any]) -> Any:
    """Check a form's fields like a body; an empty field is an absent one."""
    try:
        return schema.load({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        raise malformed(flat(error.messages)) from None


def typed(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "") for name in names}


def once() -> Conditions:
    """A second click on the same rendered form is the same command."""
    key = request.form.get(KEY_FIELD, "")
    body = {name: value for name, value in request.form.items() if name not in {CSRF_FIELD, KEY_FIELD}}
    return Conditions(key=idempotency_key(key, body) if key else None)


@form(blueprint, "/book/<slug>")
@limited_bookings
def book(slug: str) -> Response:
    fields = {"meeting_type": slug, **typed("starts_at", "notes"), "customer": _customer()}
    receipt = confirm_for_customer(Confirm(**read(ConfirmSchema(), fields)), once())
    token = access().links.token(receipt.booking_id)
    return see_other(f"/manage/{token}?min_version={receipt.version}&done=booked")


@form(blueprint, "/manage/<token>/reschedule")
def reschedule(token: str) -> Response:
    booking_id = access().booking_of(token)
    body = read(RescheduleSchema(), typed("starts_at", "reason"))
    receipt = bookings().reschedule(Reschedule(booking_id, actor=CUSTOMER, **body), once())
    return see_other(f"/manage/{token}?min_version={receipt.version}&done=moved")


@form(blueprint, "/manage/<token>/cancel")
def cancel(token: str) -> Response:
    booking_id = access().booking_of(token)
    body = read(CancelSchema(), typed("reason"))
    receipt = bookings().cancel(Cancel(booking_id, actor=CUSTOMER, **body), once())
    return see_other(f"/manage/{token}?min_version={receipt.version}&done=cancelled")


def _customer() -> dict[str, str]:
    return {name: value for name, value in typed("name", "email", "timezone").items() if value}
