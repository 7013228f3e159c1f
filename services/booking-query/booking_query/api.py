"""The queries over HTTP: each endpoint a function of its needs, one success, the rest refusals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Response, g, request
from flask_smorest import Blueprint
from rebook.moments import zone
from rebook.openapi import TEAM_ONLY, may_refuse

from booking_query import answers, parameters, schemas
from booking_query.bookings_list import Search
from booking_query.credentials import opened_by, team
from booking_query.parameters import QuerySchema, VersionedSchema, read
from booking_query.queries import queries

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


class QueryParser:
    """Reads query strings in webargs' place, which looks in many places how it is to read them."""

    DEFAULT_VALIDATION_STATUS = 422

    def use_args(self, schema: QuerySchema, *, location: str) -> Callable[[F], F]:
        """Give the view what `schema` finds in the query, after its other arguments."""
        assert location == "query"

        def decorate(view: F) -> F:
            @functools.wraps(view)
            def asked(*args: Any, **kwargs: Any) -> Any:
                return view(*args, read(schema, request.args.to_dict()), **kwargs)

            return cast("F", asked)

        return decorate


class QueryBlueprint(Blueprint):  # type: ignore[misc]
    ARGUMENTS_PARSER = QueryParser()

    def asks(self, schema: type[QuerySchema]) -> Callable[[F], F]:
        """The view takes the query parameters that `schema` describes."""
        decorate: Callable[[F], F] = self.arguments(schema(), location="query")
        return decorate

    def answers(self, schema: Any) -> Callable[[F], F]:
        decorate: Callable[[F], F] = self.response(200, schema)
        return decorate


blueprint = QueryBlueprint("queries", __name__, url_prefix="/v1")


def team_only(view: F) -> F:
    """Let only the team in."""

    @blueprint.doc(security=TEAM_ONLY)
    @may_refuse(blueprint, "unauthenticated")
    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        team().require()
        return view(*args, **kwargs)

    return cast("F", guarded)


def by_link(view: F) -> F:
    """Give the view the id of the booking that its token opens."""

    @may_refuse(blueprint, "unknown-link", "too-many-requests", "not-yet")
    @functools.wraps(view)
    def opened(*args: Any, token: str, **kwargs: Any) -> Any:
        g.booking_id = opened_by(token)
        return view(*args, **kwargs)

    return cast("F", opened)


@blueprint.get("/bookings")
@team_only
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(parameters.BookingsSchema)
@blueprint.answers(schemas.BookingsSchema)
def bookings(asked: dict[str, Any]) -> Response:
    """A page of the list of bookings."""
    return answers.bookings(queries().bookings(Search.of(asked)))


@blueprint.get("/bookings/counts")
@team_only
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(QuerySchema)
@blueprint.answers(schemas.CountsSchema)
def counts(_: dict[str, Any]) -> Response:
    """How many bookings there are under each filter."""
    return answers.counts(queries().counts())


@blueprint.get("/bookings/<booking_id>")
@team_only
@may_refuse(blueprint, "malformed-query", "unknown-booking", "not-yet")
@blueprint.asks(VersionedSchema)
@blueprint.answers(schemas.BookingDetailsSchema)
def booking(asked: dict[str, Any], booking_id: str) -> Response:
    """One booking with its history."""
    found = queries().booking(booking_id, asked.get("min_version"))
    return answers.booking(found, queries().history(booking_id))


@blueprint.get("/bookings/<booking_id>/slots")
@team_only
@may_refuse(blueprint, "malformed-query", "unknown-booking", "not-yet")
@blueprint.asks(parameters.SlotsSchema)
@blueprint.answers(schemas.SlotsSchema)
def slots_for_team(asked: dict[str, Any], booking_id: str) -> Response:
    """Where the team can move a booking to."""
    found = queries().booking(booking_id, asked.get("min_version"))
    usual = queries().last_terms(found["meeting_type"])["timezone"]
    return _slots_for_move(found, asked, usual, for_team=True)


@blueprint.get("/meeting-types")
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(QuerySchema)
@blueprint.answers(schemas.MeetingTypesSchema)
def meeting_types(_: dict[str, Any]) -> Response:
    """What can be booked."""
    return answers.meeting_types(queries().meeting_types(), for_team=_is_team())


@blueprint.get("/meeting-types/<slug>")
@may_refuse(blueprint, "malformed-query", "unknown-meeting-type", "not-yet")
@blueprint.asks(VersionedSchema)
@blueprint.answers(schemas.MeetingTypeSchema)
def meeting_type(asked: dict[str, Any], slug: str) -> Response:
    """One meeting type."""
    found = queries().meeting_type(slug, asked.get("min_version"))
    return answers.meeting_type(found, for_team=_is_team())


@blueprint.get("/meeting-types/<slug>/slots")
@may_refuse(blueprint, "malformed-query", "unknown-meeting-type", "not-yet")
@blueprint.asks(parameters.SlotsSchema)
@blueprint.answers(schemas.SlotsSchema)
def slots(asked: dict[str, Any], slug: str) -> Response:
    """When a meeting type can be booked."""
    found = queries().meeting_type(slug, asked.get("min_version"))
    where = zone(asked.get("timezone", found["timezone"]))
    return answers.slots(queries().slots(found, asked["from_"], asked["to"], where), where)


@blueprint.get("/api-tokens")
@team_only
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(QuerySchema)
@blueprint.answers(schemas.ApiTokensSchema)
def api_tokens(_: dict[str, Any]) -> Response:
    """The API tokens that are in use."""
    return answers.api_tokens(queries().api_tokens())


@blueprint.get("/manage/<token>")
@by_link
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(VersionedSchema)
@blueprint.answers(schemas.ManagedBookingSchema)
def managed(asked: dict[str, Any]) -> Response:
    """One's own booking."""
    return answers.managed(queries().managed(g.booking_id, asked.get("min_version")))


@blueprint.get("/manage/<token>/slots")
@by_link
@may_refuse(blueprint, "malformed-query")
@blueprint.asks(parameters.SlotsSchema)
@blueprint.answers(schemas.SlotsSchema)
def slots_for_customer(asked: dict[str, Any]) -> Response:
    """Where one's own booking can move to."""
    found = queries().managed(g.booking_id, asked.get("min_version"))
    return _slots_for_move(found, asked, found["customer"]["timezone"], for_team=False)


def _slots_for_move(
    found: dict[str, Any], asked: dict[str, Any], usual_zone: str, *, for_team: bool
) -> Response:
    where = zone(asked.get("timezone", usual_zone))
    offer = queries().slots_for_move(found, asked["from_"], asked["to"], where, team=for_team)
    return answers.slots(offer, where)


def _is_team() -> bool:
    return team().member() is not None
