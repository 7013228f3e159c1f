"""Customers and team: they book, move, cancel and resend, click twice, retry what got lost, and race each other."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests
from rebook.moments import format_moment

from chaos.history import ACKNOWLEDGED, BOOK, CANCEL, MOVE, READ, RESEND, UNCERTAIN, Call
from chaos.offers import DURATIONS, REMINDERS_MINUTES, SOON
from chaos.world import Known, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.world import World

_ANSWER_WITHIN_S = 5.0
_TRIES = 4
_HOT_STARTS, _HOT_FOR_S = 8, 2.0  # everybody wants the same few times, which change
_STARTS_A_DAY = 47  # every half hour; at the last one an hour's meeting would reach into the next day
_REMEMBERED = 60


class Load:
    """Some clients, each with its own seed, until `stop`."""

    def __init__(self, world: World, seed: int, clients: int) -> None:
        self._world = world
        made = [Client(world, random.Random(f"{seed}:{number}")) for number in range(clients)]
        self._threads = [threading.Thread(target=client.run, daemon=True) for client in made]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish what it is at."""
        self._world.stop.set()
        for thread in self._threads:
            thread.join()


class Client:
    """One customer or member of the team at a time."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._http = requests.Session()

    def run(self) -> None:
        acts = {self._book: 38, self._move: 24, self._cancel: 12, self._resend: 8, self._read: 18}
        with self._http, ThreadPoolExecutor(2) as hands:
            self._hands = hands
            while not self._world.stop.wait(self._chance.uniform(0, 2 * self._world.pause_s)):
                [act] = self._chance.choices(list(acts), list(acts.values()))
                act()

    def _book(self) -> None:
        slug = self._chance.choice(list(DURATIONS))
        email = f"{uuid4()}@example.org"
        starts_at = self._start(slug)
        customer = {"name": "Ada Example", "email": email, "timezone": "Europe/London"}
        body = {"meeting_type": slug, "starts_at": starts_at, "customer": customer}
        asked = {"meeting_type": slug, "starts_at": starts_at, "email": email}
        self._do(Request(BOOK, "/v1/bookings", body, asked))

    def _move(self) -> None:
        if known := self._somebodys():
            starts_at = self._start(known.meeting_type)
            self._change(MOVE, "reschedule", known, {"starts_at": starts_at, "reason": "chaos"})

    def _cancel(self) -> None:
        if known := self._somebodys():
            self._change(CANCEL, "cancel", known, {"reason": "chaos"})

    def _resend(self) -> None:
        if known := self._somebodys():
            path = f"/v1/bookings/{known.booking_id}/resend-confirmation"
            self._do(Request(RESEND, path, {}, {"booking_id": known.booking_id}, self._world.team))

    def _change(self, kind: str, verb: str, known: Known, body: dict[str, str]) -> None:
        """By the customer's link or by the team; now and then only if it is as it was, or as it was before."""
        by_team = self._chance.random() < 0.4
        where = f"/v1/bookings/{known.booking_id}" if by_team else f"/v1/manage/{known.link}"
        headers = dict(self._world.team) if by_team else {}
        asked = {**body, "booking_id": known.booking_id}
        if self._chance.random() < 0.3:
            asked["if_match"] = self._chance.choice((known.version, known.version, known.version - 1))
            headers["If-Match"] = f'"{asked["if_match"]}"'
        self._do(Request(kind, f"{where}/{verb}", body, asked, headers))

    def _read(self) -> None:
        """What was acknowledged is what one sees, at once."""
        if known := self._somebodys():
            asked = {"booking_id": known.booking_id, "min_version": known.version}
            path = f"/v1/manage/{known.link}?min_version={known.version}"
            self._call(Request(READ, path, {}, asked), lambda *args, **more: self._http.get(*args, **more))

    def _do(self, request: Request) -> None:
        """Mostly with an Idempotency-Key: then a lost answer is asked for again, and a click may be a double one."""
        if self._chance.random() < 0.2:
            self._learn(request, self._call(request, self._http.post, json=request.body))
            return
        headers = {**request.headers, "Idempotency-Key": request.act}
        request = replace(request, headers=headers, asked={**request.asked, "key": request.act})
        if self._chance.random() < 0.15:
            both = [self._hands.submit(self._call, request, requests.post, json=request.body) for _ in "ab"]
            for one in both:
                self._learn(request, one.result())
            return
        for attempt in range(_TRIES):
            call = self._call(request, self._http.post, json=request.body)
            self._learn(request, call)
            if call.outcome != UNCERTAIN or self._world.stop.wait(0.2 * 2**attempt):
                return

    def _call(self, request: Request, send: Callable[..., requests.Response], **body: Any) -> Call:
        headers = {**request.headers, "X-Correlation-Id": str(uuid4())}
        began_s = self._world.now_s()
        status, answer = 0, {}
        try:
            sent = send(self._world.url + request.path, headers=headers, timeout=_ANSWER_WITHIN_S, **body)
            status, answer = sent.status_code, sent.json()
        except requests.JSONDecodeError:
            answer = {}
        except requests.RequestException as error:
            answer = {"error": type(error).__name__}
        facts = (request.act, request.kind, headers["X-Correlation-Id"], request.asked)
        call = Call(*facts, began_s, self._world.now_s(), status, answer)
        self._world.history.add(call)
        return call

    def _learn(self, request: Request, call: Call) -> None:
        """Others will work with what was acknowledged."""
        if call.outcome != ACKNOWLEDGED:
            return
        booking_id, version, known = call.answer["booking_id"], call.answer["version"], self._world.known
        if request.kind == BOOK:
            link = call.answer["manage_url"].rpartition("/")[2]
            known[booking_id] = Known(booking_id, link, request.asked["meeting_type"], version)
        elif booking_id in known:
            known[booking_id] = replace(known[booking_id], version=version)

    def _somebodys(self) -> Known | None:
        """One of the bookings made lately; nobody minds that others change it too."""
        lately = list(self._world.known.values())[-_REMEMBERED:]
        return self._chance.choice(lately) if lately else None

    def _start(self, slug: str) -> str:
        """Half the time one that everybody wants."""
        now = datetime.now(UTC)
        if slug == SOON:
            falls_due = now + timedelta(minutes=1)
            ahead = timedelta(minutes=self._chance.choice(REMINDERS_MINUTES))
            return format_moment((falls_due + ahead).replace(second=0, microsecond=0))
        first = (now + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
        steps = self._world.days * _STARTS_A_DAY
        hot = int(self._world.now_s() / _HOT_FOR_S) * _HOT_STARTS + self._chance.randrange(_HOT_STARTS)
        step = hot % steps if self._chance.random() < 0.5 else self._chance.randrange(steps)
        day, number = divmod(step, _STARTS_A_DAY)
        return format_moment(first + timedelta(days=day, minutes=30 * number))
