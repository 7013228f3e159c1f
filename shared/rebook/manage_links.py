"""The manage link: one signature over one booking's id, the customer's key to that booking for its whole life.

Nothing is stored, so no database, topic, log or backup holds a working link. A new first key signs new
links; every key still in the list opens old ones. The signature is HMAC-SHA-256 (RFC 2104) with a salt of
its own, so that no other signed text of Rebook opens a booking.
"""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from uuid import UUID

from itsdangerous import Signer

from rebook.problems import UnknownLink

_SALT = "rebook.manage-link.v1"
_TOKEN_LENGTH = 32 + 1 + 43  # hex UUID, a dot, 32 bytes of base64url


class ManageLinks:
    """Makes and reads manage tokens with a list of keys, newest first."""

    def __init__(self, keys: tuple[str, ...], public_url: str) -> None:
        self._public_url = public_url
        self._signers = [
            Signer(key, salt=_SALT, sep=".", key_derivation="hmac", digest_method=hashlib.sha256)
            for key in keys
        ]

    def token(self, booking_id: UUID) -> str:
        return self._signers[0].sign(booking_id.hex).decode()

    def url(self, booking_id: UUID) -> str:
        """The booking's own page; `/reschedule` and `/cancel` below it are the two links of every letter."""
        return f"{self._public_url}/manage/{self.token(booking_id)}"

    def booking_id(self, token: str) -> UUID:
        """The booking this token opens.

        Exactly one spelling per key is a link: the signature is compared as text, so base64's spare bits
        open nothing. Every key is tried, whatever the outcome, in constant time each.

        Raises:
            UnknownLink: nothing is said about why.
        """
        claimed = token[:32]
        matches = [_same(signer, claimed, token) for signer in self._signers]
        if len(token) != _TOKEN_LENGTH or not any(matches):
            raise UnknownLink
        return UUID(hex=claimed)


def _same(signer: Signer, claimed: str, token: str) -> bool:
    expected = signer.sign(claimed.encode("utf-8", "surrogatepass"))
    return compare_digest(expected, token.encode("utf-8", "surrogatepass"))
