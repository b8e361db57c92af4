-- Up Migration

-- While a new version is rolled out, the one before it runs on the same database, and may be restarted there. A version
-- that does not know a migration takes it to be an expansion, which changes nothing for it. A migration that does take
-- something away (the contraction that follows a version or more later) says so here, in its own transaction:
--   INSERT INTO breaking_migrations VALUES ('0042_without_old_column', '1.4.0');
CREATE TABLE breaking_migrations (
  name text PRIMARY KEY,
  oldest_version text NOT NULL      -- the oldest Postern that runs on the database from then on
);
COMMENT ON TABLE breaking_migrations IS 'Which migrations end which older versions.';

-- Down Migration
DROP TABLE breaking_migrations;
