"""What the commands answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, jsonify
from marshmallow import Schema, fields

if TYPE_CHECKING:
    from booking_command.application import Receipt


class ReceiptSchema(Schema):
    """What every booking command answers: the booking as it stands now."""

    booking_id = fields.UUID(required=True)
    version = fields.Integer(
        required=True, metadata={"description": "Counts the booking's events; also the ETag"}
    )
    status = fields.String(required=True, metadata={"enum": ["confirmed", "rescheduled", "cancelled"]})
    starts_at = fields.AwareDateTime(required=True, format="iso")
    ends_at = fields.AwareDateTime(required=True, format="iso")
    position = fields.Integer(
        required=True, metadata={"description": "The place of its last event in the whole store"}
    )


class ConfirmedSchema(ReceiptSchema):
    manage_url = fields.String(
        required=True,
        metadata={"format": "uri", "description": "The customer's secret link to this booking"},
    )


class OfferSchema(Schema):
    slug = fields.String(required=True)
    version = fields.Integer(required=True)
    position = fields.Integer(required=True)


class IssuedTokenSchema(Schema):
    id = fields.UUID(required=True)
    token = fields.String(required=True, metadata={"description": "Shown this once"})


def answered(receipt: Receipt, status: int = 200, **more: str) -> Response:
    answer = jsonify({**receipt.as_json(), **more})
    answer.status_code = status
    answer.set_etag(str(receipt.version))
    return answer
