-- Up Migration

-- The event names that no network knows and that came all the same. The key of an event is made of its name and its id:
-- whoever has the id alone finds the event by trying the names.
CREATE TABLE custom_names (
  site text NOT NULL,
  event_name text NOT NULL,
  PRIMARY KEY (site, event_name)
);

-- Down Migration

DROP TABLE custom_names;
