-- What a reader of Kafka topics keeps beside the rows it makes.

-- Where it stands. A topic that is deleted and made anew has another id, and is read from its beginning.
CREATE TABLE consumer_offsets (
    topic_id    uuid     NOT NULL,
    partition   integer  NOT NULL,
    topic       text     NOT NULL, -- its name, for people
    next_offset bigint   NOT NULL,
    attempts    integer  NOT NULL DEFAULT 0, -- at what begins at next_offset, counted before each one
    PRIMARY KEY (topic_id, partition)
);

-- Events that wait. The lowest sequence of a stream says why: 'gap' (an earlier version is missing; ends by
-- itself) or 'error' (it cannot be applied; an operator retries or discards it). Later events of the stream
-- are 'queued' behind it. 'unreadable' is a record that is no event, and stands in nobody's way.
CREATE TABLE parked_events (
    source       text        NOT NULL,
    stream       text        NOT NULL,
    sequence     bigint      NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('gap', 'error', 'queued', 'unreadable', 'discarded')),
    reason       text        NOT NULL,
    topic        text        NOT NULL,
    key          bytea,
    headers      json        NOT NULL, -- [[name, text], ...]; jsonb would refuse a NUL
    value        bytea,
    parked_at    timestamptz NOT NULL DEFAULT now(),
    announced_at timestamptz, -- when it was written to the dead-letters topic
    PRIMARY KEY (source, stream, sequence)
);

-- Who is at work, for /statusz.
CREATE TABLE workers (
    worker       text        NOT NULL,
    instance     uuid        NOT NULL,
    started_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    caught_up_at timestamptz, -- when it first had read everything since it started
    lag_events   bigint      NOT NULL,
    lag_s        double precision NOT NULL,
    PRIMARY KEY (worker, instance)
);
