"""Meeting types, members of the team and their API tokens become read tables (see `projection`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rebook import events
from rebook.meeting_types import MeetingType

from booking_query.projection import MEETING_TYPES, MEMBERS, TOKENS, change, projects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

_DEFINE = """
    INSERT INTO meeting_types (slug, stream_id, version, definition)
    VALUES (%(slug)s, %(subject)s, %(sequence)s, %(definition)s) ON CONFLICT (slug) DO NOTHING
"""
_REDEFINE = """
    UPDATE meeting_types SET version = %(sequence)s, definition = %(definition)s, deleted_at = NULL
    WHERE stream_id = %(subject)s AND version = %(sequence)s - 1
"""
_DELETE = """
    UPDATE meeting_types SET version = %(sequence)s, deleted_at = %(time)s
    WHERE stream_id = %(subject)s AND version = %(sequence)s - 1
"""
_ADD = """
    INSERT INTO team_members (member_id, version, email, generation)
    VALUES (%(subject)s, %(sequence)s, %(email)s, %(generation)s) ON CONFLICT (member_id) DO NOTHING
"""
_ADD_AGAIN = """
    UPDATE team_members SET version = %(sequence)s, email = %(email)s, generation = %(generation)s, removed_at = NULL
    WHERE member_id = %(subject)s AND version = %(sequence)s - 1
"""
_REMOVE = """
    UPDATE team_members SET version = %(sequence)s, removed_at = %(time)s
    WHERE member_id = %(subject)s AND version = %(sequence)s - 1
"""
_REVOKE_ALL = "UPDATE api_tokens SET revoked_at = %s WHERE member_id = %s AND revoked_at IS NULL"
_NEW_GENERATION = """
    UPDATE team_members SET version = %(sequence)s, generation = %(generation)s
    WHERE member_id = %(subject)s AND version = %(sequence)s - 1
"""
_END_SESSION = "INSERT INTO ended_sessions (session_id, ended_at) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_ISSUE = """
    INSERT INTO api_tokens (token_id, version, name, sha256, member_id, created_by, created_at)
    VALUES (%(subject)s, %(sequence)s, %(name)s, %(sha256)s, %(member_id)s, %(created_by)s, %(time)s)
    ON CONFLICT (token_id) DO NOTHING
"""
_REVOKE = """
    UPDATE api_tokens SET version = %(sequence)s, revoked_at = %(time)s
    WHERE token_id = %(subject)s AND version = %(sequence)s - 1
"""


@projects(events.MEETING_TYPE_DEFINED)
def defined(event: Event, cursor: Cursor) -> None:
    definition = json.dumps(MeetingType.from_json(event.data).as_json())
    statement = _DEFINE if event.sequence == 1 else _REDEFINE
    change(event, cursor, MEETING_TYPES, statement, definition=definition)


@projects(events.MEETING_TYPE_DELETED)
def deleted(event: Event, cursor: Cursor) -> None:
    change(event, cursor, MEETING_TYPES, _DELETE)


@projects(events.TEAM_MEMBER_ADDED)
def member_added(event: Event, cursor: Cursor) -> None:
    change(event, cursor, MEMBERS, _ADD if event.sequence == 1 else _ADD_AGAIN)


@projects(events.TEAM_MEMBER_REMOVED)
def member_removed(event: Event, cursor: Cursor) -> None:
    if change(event, cursor, MEMBERS, _REMOVE):
        cursor.execute(_REVOKE_ALL, (event.time, event.subject))


@projects(events.TEAM_PASSWORD_CHANGED)
def password_changed(event: Event, cursor: Cursor) -> None:
    change(event, cursor, MEMBERS, _NEW_GENERATION)


@projects(events.TEAM_SESSION_ENDED)
def session_ended(event: Event, cursor: Cursor) -> None:
    if change(event, cursor, MEMBERS, MEMBERS.pass_over):
        cursor.execute(_END_SESSION, (event.data["session_id"], event.time))


@projects(events.API_TOKEN_ISSUED)
def token_issued(event: Event, cursor: Cursor) -> None:
    change(event, cursor, TOKENS, _ISSUE)


@projects(events.API_TOKEN_REVOKED)
def token_revoked(event: Event, cursor: Cursor) -> None:
    change(event, cursor, TOKENS, _REVOKE)
