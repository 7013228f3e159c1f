"""What is acknowledged is kept and told, whatever is away meanwhile."""

from __future__ import annotations

import pytest
import requests
from rebook.kafka import KafkaSettings, admin
from rebook.settings import load
from servers.people import Team, by_api, links, somebody
from servers.waiting import until

PATIENCE_S = 60


@pytest.fixture
def team(stack) -> Team:
    return Team.logged_in(stack)


def test_a_booking_made_while_the_mail_server_is_away_is_mailed_when_it_is_back(stack, smtp, team):
    offered, ada = team.offer(), somebody()
    smtp.stop()
    try:
        assert offered.book(offered.start(), ada).status_code == 201
    finally:
        smtp.start()
    smtp.wait_for(lambda letter: ada in letter.recipients, PATIENCE_S)
    stack.wait_ready()


def test_a_booking_made_while_kafka_is_away_is_told_when_it_is_back(stack, kafka, smtp, team):
    offered, ada = team.offer(), somebody()
    starts_at = offered.start()
    kafka.stop()
    try:
        assert offered.book(starts_at, ada).status_code == 201
        assert stack.status("/command/readyz") == 200
    finally:
        kafka.start()
    smtp.wait_for(lambda letter: ada in letter.recipients, PATIENCE_S)
    stack.wait_ready()


def test_while_postgresql_is_away_a_booking_is_refused_and_then_taken(stack, team):
    offered, ada = team.offer(), somebody()
    starts_at = offered.start()
    stack.hold("postgres")
    try:
        refused = offered.book(starts_at, ada)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert stack.status("/command/readyz") == 503
    finally:
        stack.release("postgres")
    until(lambda: offered.book(starts_at, ada).status_code == 201, PATIENCE_S, "a booking")
    stack.wait_ready()


def test_a_topic_deleted_under_everything_that_runs_loses_and_doubles_nothing(stack, smtp, team):
    offered, ada, bob = team.offer(), somebody(), somebody()
    before = offered.book(offered.start(), ada).json()
    smtp.wait_for(lambda letter: ada in letter.recipients)
    settings = load(KafkaSettings, stack.environment)
    with admin(settings) as topics:
        topics.delete_topics([settings.topic("bookings")])
    after = offered.book(offered.start(1), bob).json()
    smtp.wait_for(lambda letter: bob in letter.recipients, PATIENCE_S)
    until(lambda: len(team.listed("upcoming", offered)) == 2, PATIENCE_S, "both bookings in the list")
    assert set(team.listed("upcoming", offered)) == {before["booking_id"], after["booking_id"]}
    move, _ = links(smtp.letters(ada)[0])
    assert requests.post(by_api(move), json={"starts_at": offered.start(4)}, timeout=10).status_code == 200
    until(lambda: len(smtp.letters(ada)) == 2, PATIENCE_S, "the letter about the move")
    stack.wait_ready()
    assert [len(smtp.letters(somebody)) for somebody in (ada, bob)] == [2, 1]
