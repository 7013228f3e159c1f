"""The mail server: one connection, used again for letter after letter, and what its answers mean for a letter."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from notifier.mail_trouble import RefusedForGood, ServerTrouble, TryAgain, as_bytes, interrupted, quoted, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifier.settings import SmtpSettings

_IDLE_MAX_S = 30.0  # firewalls forget quiet connections without a word
_LOOK_EVERY_S = 5.0
_SERVERS_OWN = {421, 530, 534, 535, 538}  # shutting down; wants another login


class MailServer:
    """A connection to the mail server that is made when it is needed and kept."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._trust = _trust(settings)
        self._connection: smtplib.SMTP | None = None
        self._has_served = False  # a letter, over this connection
        self._used_at_s = self._seen_at_s = 0.0

    def connect(self) -> None:
        """Make sure of a connection, as far as one can without asking.

        Raises:
            ServerTrouble: there is none to be had.
        """
        if self._connection is not None and time.monotonic() - self._used_at_s > _IDLE_MAX_S:
            self.quit()
        if self._connection is None:
            try:
                self._connection = self._connected()
                self._has_served = False
                self._used_at_s = time.monotonic()
            except (OSError, smtplib.SMTPException) as error:
                raise ServerTrouble(f"The mail server cannot be used: {said(error)}") from None

    def look(self) -> bool:
        """See whether the server is there, unless it was seen lately; False then.

        Raises:
            ServerTrouble: it is not.
        """
        if time.monotonic() - self._seen_at_s < _LOOK_EVERY_S:
            return False
        self._seen_at_s = time.monotonic()
        if self._connection is not None:
            self._start_over()
        self.connect()
        return True

    def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand one letter over; it is taken when this returns.

        Raises:
            ServerTrouble, TryAgain, RefusedForGood: it was not taken, as far as we know.
        """
        if not self._begun_on_kept_connection(sender):
            self._begin(sender)
        self._step("rcpt", recipient)
        self._step("data", message)
        self._used_at_s = self._seen_at_s = time.monotonic()
        self._has_served = True

    def _begun_on_kept_connection(self, sender: str) -> bool:
        """Whether the connection of the letter before serves this one too; it may have come to its end meanwhile."""
        if self._connection is None or not self._has_served:
            return False
        try:
            self._begin(sender)
        except ServerTrouble:
            if self._connection is not None:
                raise
            return False
        return True

    def _begin(self, sender: str) -> None:
        """The first words about a letter; a server that hangs up on them dislikes no letter.

        What follows belongs to the same session, so a connection is replaced here or not at all.
        """
        self.connect()
        try:
            self._step("mail", sender)
        except TryAgain as trouble:
            if self._connection is None:
                raise ServerTrouble(str(trouble)) from None
            raise

    def quit(self) -> None:
        """Take leave; a server that is gone already need not be told."""
        if self._connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._connection.quit()
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        connection = self._greeted()
        try:
            if settings.smtp_security == "starttls":
                connection.starttls(context=self._trust)
            connection.ehlo_or_helo_if_needed()
            if settings.smtp_user:
                connection.login(settings.smtp_user, settings.smtp_password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _greeted(self) -> smtplib.SMTP:
        settings = self._settings
        where: dict[str, Any] = {
            "host": settings.smtp_host,
            "port": settings.smtp_port,
            "timeout": settings.smtp_timeout_s,
            "local_hostname": socket.gethostname(),
        }
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(**where, context=self._trust)
        return smtplib.SMTP(**where)

    def _step(self, name: str, argument: Any) -> None:
        """One command of a letter's transaction, its answer told apart."""
        command: Callable[[Any], tuple[int, bytes]] = getattr(self._connection, name)
        try:
            code, reply = command(argument)
        except smtplib.SMTPResponseException as refusal:
            code, reply = refusal.smtp_code, as_bytes(refusal.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            self._close()
            raise interrupted(error) from None
        if code // 100 != 2:
            self._refused(code, f"The mail server answered: {quoted(code, reply)}")

    def _refused(self, code: int, why: str) -> None:
        if code in _SERVERS_OWN:
            self._close()
            raise ServerTrouble(why)
        self._start_over()
        raise (RefusedForGood if code >= 500 else TryAgain)(why)

    def _start_over(self) -> None:
        """Make the connection fit for another letter."""
        assert self._connection is not None
        try:
            code, _ = self._connection.rset()
        except (OSError, smtplib.SMTPException):
            code = 0
        if code != 250:
            self._close()


def _trust(settings: SmtpSettings) -> ssl.SSLContext | None:
    """Whose certificates are believed; None where the connection is not protected."""
    if settings.smtp_security == "none":
        return None
    return ssl.create_default_context(cafile=settings.smtp_ca_file or None)
