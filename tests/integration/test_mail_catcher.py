"""The mail catcher as a process: letters in by SMTP, out by its page."""

from __future__ import annotations

import os
import smtplib
import socket
import sys
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest
import requests
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process
from servers.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = '<script>document.title = "mine"</script><a href="https://example.org/manage/x">Reschedule</a>'


class MailCatcher:
    """Its process, and a way to send it a letter."""

    def __init__(self, home: Path) -> None:
        self.smtp_port, page_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{page_port}"
        variables = {
            "SMTP_PORT": str(self.smtp_port),
            "MAIL_PAGE_PORT": str(page_port),
            "MAIL_DIR": str(home / "mail"),
        }
        process = Process("mail", (sys.executable, "-m", "rebook_infra.mail"), os.environ | variables)
        self.server = Server(process, home / "mail.log", self._answers)
        self.server.start()

    def send(self, subject: str, to: str) -> None:
        letter = EmailMessage()
        letter["Subject"], letter["From"], letter["To"] = subject, "Rebook <bookings@example.org>", to
        letter.set_content("See https://example.org/manage/x for your booking.")
        letter.add_alternative(HOSTILE, subtype="html")
        letter.add_attachment(
            b"BEGIN:VCALENDAR\r\n", maintype="text", subtype="calendar", filename="invite.ics"
        )
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.send_message(letter)

    def _answers(self) -> bool:
        with socket.socket() as smtp, socket.socket() as page:
            ports = ((smtp, self.smtp_port), (page, int(self.url.rpartition(":")[2])))
            return all(probe.connect_ex(("127.0.0.1", port)) == 0 for probe, port in ports)


@pytest.fixture(scope="module")
def catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailCatcher]:
    running = MailCatcher(tmp_path_factory.mktemp("mail"))
    yield running
    running.server.stop()


def test_letters_are_listed_newest_first_with_all_their_parts(catcher: MailCatcher):
    catcher.send("Confirmed: first", "ann@example.org")
    catcher.send("Confirmed: second", "bob@example.org")
    first, second = requests.get(f"{catcher.url}/api/messages", timeout=5).json()["items"][1::-1]
    assert (first["subject"], second["subject"]) == ("Confirmed: first", "Confirmed: second")
    assert first["to"] == ["ann@example.org"]
    assert "https://example.org/manage/x" in first["text"]
    assert first["attachments"][0]["content_type"] == "text/calendar"
    ics = requests.get(catcher.url + first["attachments"][0]["url"], timeout=5)
    assert ics.content == b"BEGIN:VCALENDAR\r\n"
    assert b"Subject: Confirmed: first" in requests.get(catcher.url + first["source"], timeout=5).content


def test_one_recipients_letters_can_be_asked_for(catcher: MailCatcher):
    catcher.send("For Cara", "Cara@example.org")
    items = requests.get(f"{catcher.url}/api/messages?to=cara@example.org", timeout=5).json()["items"]
    assert [item["subject"] for item in items] == ["For Cara"]


def test_a_letters_html_can_do_nothing_but_show_itself(catcher: MailCatcher):
    catcher.send("Hostile", "dan@example.org")
    newest = requests.get(f"{catcher.url}/api/messages", timeout=5).json()["items"][0]["id"]
    page = requests.get(f"{catcher.url}/letters/{newest}", timeout=5)
    assert "<script>document" not in page.text
    assert '<iframe title="The letter as HTML" sandbox="allow-popups' in page.text
    html = requests.get(f"{catcher.url}/letters/{newest}/html", timeout=5)
    assert "default-src 'none'" in html.headers["Content-Security-Policy"]
    assert "allow-scripts" not in html.headers["Content-Security-Policy"]
    assert HOSTILE in html.text


def test_letters_survive_a_restart_until_they_are_deleted(catcher: MailCatcher):
    catcher.send("To be kept", "eve@example.org")
    catcher.server.stop()
    catcher.server.start()
    assert (
        requests.get(f"{catcher.url}/api/messages", timeout=5).json()["items"][0]["subject"] == "To be kept"
    )
    assert requests.delete(f"{catcher.url}/api/messages", timeout=5).status_code == 204
    assert requests.get(f"{catcher.url}/api/messages", timeout=5).json() == {"items": []}
