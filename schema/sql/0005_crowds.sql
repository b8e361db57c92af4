-- Up Migration

-- Visitor ids that many people carry, because a cache kept an answer with somebody's cookies: they count for nobody.
CREATE TABLE crowds (
  digest bytea PRIMARY KEY,           -- of the visitor id itself, so that it is found after a change of secrets
  site text NOT NULL,                 -- where it was noticed
  found_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX crowds_found_at ON crowds (found_at);

-- Down Migration

DROP TABLE crowds;
