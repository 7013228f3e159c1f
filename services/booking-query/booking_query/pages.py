"""Every page of Rebook: `blueprint` brings the views, the templates' helpers and the error pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint
from rebook import web

from booking_query import (
    drawing,
    pages_account,
    pages_customer,
    pages_team,
    pages_types,
    problem_pages,
)

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState

blueprint = Blueprint("pages", __name__, template_folder="templates")


@blueprint.record_once
def _equip(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    drawing.equip(app)
    web.when_refused(app, problem_pages.shown)


for part in (
    pages_customer.blueprint,
    pages_account.entrance,
    pages_account.blueprint,
    pages_team.blueprint,
    pages_types.blueprint,
    problem_pages.blueprint,
    drawing.blueprint,
):
    blueprint.register_blueprint(part)
