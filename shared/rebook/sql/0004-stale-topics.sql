-- Topics of ours that still hold what has been erased, until their owner has dropped them (rebook.stale_topics).
CREATE TABLE stale_topics (
    topic  text        PRIMARY KEY, -- its name without the prefix
    try_at timestamptz NOT NULL DEFAULT now() -- later where Kafka refused
);

-- Which dead-letters topic was told of a parked event: another one, made anew, is told again.
ALTER TABLE parked_events ADD COLUMN announced_in text;

-- Everything that is parked about one booking: the key of its records.
CREATE INDEX parked_events_by_key ON parked_events (key);
