"""Letters over connections that are protected and logged in, to real servers with certificates made here."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from notifier.settings import SmtpSettings
from rebook.settings import BadSettings, load
from rebook_infra.ports import free_port
from servers.notifier_side import BOOKED, booked, new_outbox, row_of
from servers.smtp import HangingUpController

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from notifier.outbox import Outbox

USER, PASSWORD = "rebook", "open sesame"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """What SMTP_CA_FILE names."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


class Mail:
    """A server that keeps how each letter came."""

    def __init__(self) -> None:
        self.came: list[tuple[bool, str]] = []  # (over TLS, logged in as)

    async def handle_DATA(self, _server: Any, session: Any, _envelope: Any) -> str:  # noqa: N802
        user = session.auth_data.login.decode() if session.auth_data else ""
        self.came.append((session.ssl is not None, user))
        return "250 Kept"


def may_enter(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=not is_right, auth_data=data)


def certified(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[HangingUpController] = []

    def start(**options: Any) -> tuple[Mail, int]:
        mail = Mail()
        controller = HangingUpController(mail, "127.0.0.1", free_port(), **options)
        controller.start()
        running.append(controller)
        return mail, controller.port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def send(connection, clock) -> Iterator[Any]:
    """Has one letter sent with these settings; whether the server was well, and the letter's row."""
    outboxes: list[Outbox] = []

    def sent(port: int, **smtp: str) -> tuple[bool, dict[str, Any]]:
        booking = booked(connection, BOOKED, team=(), host_email="host@example.org")
        outbox = new_outbox(port, clock, **smtp)
        outboxes.append(outbox)
        outbox.send_due(connection)
        return not outbox.shared.breaker.is_open, row_of(connection, booking, "confirmation")

    yield sent
    for outbox in outboxes:
        outbox.close()


def test_a_connection_is_upgraded_after_the_greeting(authority, ca_file, serve, send):
    mail, port = serve(tls_context=certified(authority), require_starttls=True)
    is_well, row = send(port, smtp_security="starttls", smtp_ca_file=ca_file)
    assert (is_well, row["state"]) == (True, "sent")
    assert mail.came[0] == (True, "")


def test_a_connection_is_protected_from_its_first_byte(authority, ca_file, serve, send):
    mail, port = serve(ssl_context=certified(authority))
    is_well, row = send(port, smtp_security="tls", smtp_ca_file=ca_file)
    assert (is_well, row["state"]) == (True, "sent")
    assert len(mail.came) == 2


def test_the_notifier_logs_in_where_it_has_a_name(authority, ca_file, serve, send):
    mail, port = serve(tls_context=certified(authority), authenticator=may_enter, auth_required=True)
    facts = {"smtp_security": "starttls", "smtp_ca_file": ca_file, "smtp_user": USER}
    is_well, row = send(port, **facts, smtp_password=PASSWORD)
    assert (is_well, row["state"], mail.came[0]) == (True, "sent", (True, USER))


def test_a_wrong_password_is_trouble_of_the_server_and_no_letters_fault(authority, ca_file, serve, send):
    mail, port = serve(tls_context=certified(authority), authenticator=may_enter, auth_required=True)
    facts = {"smtp_security": "starttls", "smtp_ca_file": ca_file, "smtp_user": USER}
    is_well, row = send(port, **facts, smtp_password="wrong")
    assert (is_well, row["state"], row["tries"], mail.came) == (False, "pending", 0, [])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_not_believed(authority, serve, send, security):
    context = certified(authority)
    mail, port = serve(**({"tls_context": context} if security == "starttls" else {"ssl_context": context}))
    is_well, row = send(port, smtp_security=security)
    assert (is_well, row["state"], mail.came) == (False, "pending", [])


def test_a_certificate_of_another_server_is_not_believed(authority, ca_file, serve, send):
    mail, port = serve(tls_context=certified(authority, "elsewhere.example.org"))
    is_well, row = send(port, smtp_security="starttls", smtp_ca_file=ca_file)
    assert (is_well, row["state"], mail.came) == (False, "pending", [])


def test_a_server_that_offers_no_protection_gets_no_letter_in_the_clear(ca_file, serve, send):
    mail, port = serve()
    is_well, row = send(port, smtp_security="starttls", smtp_ca_file=ca_file)
    assert (is_well, row["state"], mail.came) == (False, "pending", [])


def test_a_file_of_authorities_that_is_not_there_stops_the_process_at_its_start():
    with pytest.raises(BadSettings, match="SMTP_CA_FILE must be a file that can be read"):
        load(SmtpSettings, {"SMTP_HOST": "mail.example.org", "SMTP_CA_FILE": "/nowhere/ca.pem"})
