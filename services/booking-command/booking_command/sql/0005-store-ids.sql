-- A store's identity is part of every event's source. A store that goes on from a copy gives its further events
-- another one: the original may have stored, and published, different ones under the same stream and version.
CREATE TABLE store_ids (
    first_position bigint PRIMARY KEY, -- of the events that it identifies, up to the next one's
    store_id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO store_ids SELECT 0, store_id FROM store;
DROP TABLE store;
