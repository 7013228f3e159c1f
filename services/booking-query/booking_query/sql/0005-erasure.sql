-- Erased customers: their name and address are empty in every row.

CREATE INDEX bookings_erased ON bookings (booking_id) WHERE customer_email = '';

-- A line of history without what was typed, whom a letter went to, and what a mail server said, which may quote an
-- address. Why a letter was not sent is said by the notifier itself.
CREATE FUNCTION without_customer(type text, details jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN
    details
    || CASE WHEN details ? 'reason' AND type <> 'email-skipped' THEN '{"reason": ""}'::jsonb ELSE '{}'::jsonb END
    || CASE WHEN details ? 'recipient' AND NOT starts_with(details->>'letter', 'team-')
            THEN '{"recipient": ""}'::jsonb ELSE '{}'::jsonb END;
