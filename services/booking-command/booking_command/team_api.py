"""Meeting types, sessions and API tokens over HTTP."""

from __future__ import annotations

from flask import Response, jsonify
from rebook.meeting_types import MeetingType, MeetingTypeSchema, is_slug
from rebook.openapi import ETAG, IF_MATCH, TEAM_ONLY, leads_to, may_refuse

from booking_command.access import access, acting, team_only
from booking_command.answers import IssuedTokenSchema, OfferSchema
from booking_command.commands import ApiTokenSchema, LoginSchema
from booking_command.limits import limited_login
from booking_command.refusals import UnknownMeetingType
from booking_command.requests import (
    BARE_REFUSALS,
    BODY_REFUSALS,
    TEAM_REFUSALS,
    CommandBlueprint,
    accounts,
    admit,
    checked_slug,
    conditions,
    known_token,
    offers,
)

DELETABLE = leads_to("delete_meeting_type", slug="$response.body#/slug")
REVOCABLE = leads_to("revoke_api_token", token_id="$response.body#/id")  # noqa: S106 - where it stands

blueprint = CommandBlueprint("team", __name__, url_prefix="/v1")


@blueprint.put("/meeting-types/<slug>")
@blueprint.doc(security=TEAM_ONLY, parameters=[IF_MATCH], responses={201: {"links": DELETABLE}})
@may_refuse(blueprint, *BODY_REFUSALS, *TEAM_REFUSALS, "stale-version", "busy")
@team_only
@blueprint.arguments(MeetingTypeSchema())
@blueprint.response(200, OfferSchema, headers=ETAG)
@blueprint.alt_response(201, schema=OfferSchema, headers=ETAG)
def define_meeting_type(terms: MeetingType, slug: str) -> Response:
    """Add or change a meeting type."""
    receipt = offers().define(checked_slug(slug), terms, actor=acting().email, conditions=conditions())
    answer = jsonify(slug=receipt.slug, version=receipt.version, position=receipt.position)
    answer.status_code = 201 if receipt.added else 200
    answer.set_etag(str(receipt.version))
    return answer


@blueprint.delete("/meeting-types/<slug>")
@blueprint.doc(security=TEAM_ONLY, parameters=[IF_MATCH])
@may_refuse(blueprint, *BARE_REFUSALS, "unknown-meeting-type", "stale-version", "busy")
@team_only
@blueprint.response(204, headers=ETAG)
def delete_meeting_type(slug: str) -> Response:
    """Take a meeting type off the offer; its bookings stay."""
    admit()
    if not is_slug(slug):
        raise UnknownMeetingType
    receipt = offers().delete(slug, actor=acting().email, conditions=conditions())
    answer = Response(status=204)
    answer.set_etag(str(receipt.version))
    return answer


@blueprint.post("/session")
@may_refuse(blueprint, *BODY_REFUSALS, "unauthenticated", "too-many-requests")
@limited_login
@blueprint.arguments(LoginSchema())
@blueprint.response(204)
def log_in(body: dict[str, str]) -> Response:
    """Begin a session in the place of any earlier one."""
    answer = Response(status=204)
    access().begin_session(answer, **body)
    return answer


@blueprint.delete("/session")
@blueprint.doc(security=TEAM_ONLY)
@may_refuse(blueprint, *BARE_REFUSALS, "busy")
@team_only
@blueprint.response(204)
def log_out() -> Response:
    """End the session."""
    admit()
    answer = Response(status=204)
    if session := acting().session:
        accounts().log_out(session)
    access().sessions.clear(answer)
    return answer


@blueprint.post("/api-tokens")
@blueprint.doc(security=TEAM_ONLY, responses={201: {"links": REVOCABLE}})
@may_refuse(blueprint, *BODY_REFUSALS, *TEAM_REFUSALS)
@team_only
@blueprint.arguments(ApiTokenSchema())
@blueprint.response(201, IssuedTokenSchema)
def issue_api_token(body: dict[str, str]) -> Response:
    """Make an API token that acts in one's own name; it is shown this once."""
    token_id, token = accounts().issue_token(acting(), body["name"])
    answer = jsonify(id=str(token_id), token=token)
    answer.status_code = 201
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.delete("/api-tokens/<token_id>")
@blueprint.doc(security=TEAM_ONLY)
@may_refuse(blueprint, *BARE_REFUSALS, "unknown-api-token", "busy")
@team_only
@blueprint.response(204)
def revoke_api_token(token_id: str) -> Response:
    """End an API token."""
    admit()
    accounts().revoke_token(acting(), known_token(token_id))
    return Response(status=204)
