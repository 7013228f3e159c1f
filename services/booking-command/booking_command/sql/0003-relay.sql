-- How far the store has been published, and by whom.

-- One relay is active at a time: the holder of the lease. A newer epoch fences off an older one.
CREATE TABLE relay_lease (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder text,
    epoch bigint NOT NULL DEFAULT 0,
    seen_at timestamptz,
    caught_up_at timestamptz -- when this holder had published everything for the first time
);
INSERT INTO relay_lease DEFAULT VALUES;

-- A cursor belongs to the topic it has filled: a topic made anew has another id and starts from nothing.
CREATE TABLE relay_cursors (
    topic text PRIMARY KEY,
    topic_id text NOT NULL,
    position bigint NOT NULL
);
