-- When an operator had it tried again: its age counts from then, and a change that overtook it still counts.
ALTER TABLE deliveries ADD COLUMN released_at timestamptz;

-- Letters about one booking, for the console.
CREATE INDEX deliveries_of_booking ON deliveries (booking_id, number);

-- How many rows of delivery events there were when read_topic was last written: fewer means that some were lost.
ALTER TABLE reported_topic ADD COLUMN events_known bigint NOT NULL DEFAULT 0;

-- How far the deliveries topic has been read: what comes after may tell of letters that these tables have lost.
CREATE TABLE read_topic (
    topic_id    text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (topic_id, partition)
);
