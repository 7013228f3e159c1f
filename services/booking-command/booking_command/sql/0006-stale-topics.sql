-- Topics of ours that still hold what has been erased, until the relay has dropped them (rebook.stale_topics).
CREATE TABLE stale_topics (
    topic  text        PRIMARY KEY, -- its name without the prefix
    try_at timestamptz NOT NULL DEFAULT now() -- later where Kafka refused
);
