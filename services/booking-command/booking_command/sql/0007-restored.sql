-- A cursor belongs to a history too: what a topic was filled with before the store was restored is no more.
ALTER TABLE relay_cursors ADD COLUMN store_id uuid; -- the store's newest id when it began to be filled
UPDATE relay_cursors SET store_id = (SELECT store_id FROM store_ids ORDER BY first_position DESC LIMIT 1);
ALTER TABLE relay_cursors ALTER COLUMN store_id SET NOT NULL;
