"""The mail catcher's page and its small JSON interface."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, abort, current_app, render_template, request, url_for

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from rebook_infra.mailbox import Letter, Mailbox

# A letter's HTML is a stranger's: it may show itself and load nothing.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_LETTER_CSP = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox {_SANDBOX}"
_NO_GUESSING = {"X-Content-Type-Options": "nosniff"}

_pages = Blueprint("pages", __name__)
_api = Blueprint("api", __name__)


def create_app(mailbox: Mailbox) -> Flask:
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    style, *_ = app.jinja_env.loader.get_source(app.jinja_env, "mail.css")  # type: ignore[union-attr]
    app.jinja_env.globals["style"] = style
    app.config["PAGE_CSP"] = f"default-src 'none'; style-src 'sha256-{_sha256(style)}'; frame-src 'self'"
    app.extensions["mailbox"] = mailbox
    app.register_blueprint(_pages)
    app.register_blueprint(_api)
    return app


def _mailbox() -> Mailbox:
    mailbox: Mailbox = current_app.extensions["mailbox"]
    return mailbox


def _found(letter_id: str) -> Letter:
    return _mailbox().letter(letter_id) or abort(404)


@_pages.get("/")
def index() -> ResponseReturnValue:
    return _page(letters=_mailbox().letters(), letter=None)


@_pages.get("/letters/<letter_id>")
def letter(letter_id: str) -> ResponseReturnValue:
    return _page(letters=_mailbox().letters(), letter=_found(letter_id))


@_pages.get("/letters/<letter_id>/html")
def html(letter_id: str) -> ResponseReturnValue:
    headers = {"Content-Security-Policy": _LETTER_CSP, "Referrer-Policy": "no-referrer"}
    in_new_windows = '<base target="_blank">'  # links leave the frame that the letter is shown in
    return Response(in_new_windows + _found(letter_id).body("html"), mimetype="text/html", headers=headers)


@_pages.get("/letters/<letter_id>/source")
def source(letter_id: str) -> ResponseReturnValue:
    return Response(_found(letter_id).source, content_type="text/plain; charset=utf-8", headers=_NO_GUESSING)


@_pages.get("/letters/<letter_id>/attachments/<int:number>")
def attachment(letter_id: str, number: int) -> ResponseReturnValue:
    attachments = _found(letter_id).attachments
    if number >= len(attachments):
        abort(404)
    file = attachments[number]
    answer = Response(file.content, content_type=file.content_type, headers=_NO_GUESSING)
    answer.headers.set("Content-Disposition", "attachment", filename=file.filename)
    return answer


@_api.get("/api/messages")
def messages() -> ResponseReturnValue:
    """Newest first; `?to=` keeps those of one recipient."""
    wanted = request.args.get("to", "").lower()
    kept = [one for one in _mailbox().letters() if not wanted or wanted in [to.lower() for to in one.to]]
    return {"items": [_as_json(one) for one in kept]}


@_api.get("/api/messages/<letter_id>")
def message(letter_id: str) -> ResponseReturnValue:
    return _as_json(_found(letter_id))


@_api.delete("/api/messages")
def clear() -> ResponseReturnValue:
    _mailbox().clear()
    return "", 204


def _page(**shown: Any) -> Response:
    headers = {"Content-Security-Policy": current_app.config["PAGE_CSP"], "Cache-Control": "no-store"}
    return Response(render_template("mail.html", **shown), headers=headers)


def _as_json(letter: Letter) -> dict[str, Any]:
    files = enumerate(letter.attachments)
    return {
        "id": letter.id,
        "received_at": letter.received_at.isoformat().replace("+00:00", "Z"),
        "from": letter.header("From"),
        "to": letter.to,
        "subject": letter.header("Subject"),
        "text": letter.body("plain"),
        "html": letter.body("html"),
        "attachments": [
            {
                "filename": file.filename,
                "content_type": file.content_type,
                "url": url_for("pages.attachment", letter_id=letter.id, number=number),
            }
            for number, file in files
        ],
        "source": url_for("pages.source", letter_id=letter.id),
    }


def _sha256(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
