-- The store that an event came from (its ce_source): after a restore to an earlier point, the same booking and version
-- name another event. Empty where it was not kept yet; `notifier rebuild` fills it in.
ALTER TABLE bookings ADD COLUMN source text NOT NULL DEFAULT ''; -- of the event that confirmed it
ALTER TABLE changes ADD COLUMN source text NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN source text NOT NULL DEFAULT ''; -- of the event that calls for it
