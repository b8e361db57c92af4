-- Up Migration

-- When a visitor last took their consent to advertising back: nothing of theirs that is older may be sent any more.
CREATE TABLE revokes (
  site text NOT NULL,
  visitor bytea NOT NULL,             -- blind index of the visitor id, as in events and touches
  revoked_at timestamptz NOT NULL,
  PRIMARY KEY (site, visitor)
);
CREATE INDEX revokes_revoked_at ON revokes (revoked_at);

-- Down Migration

DROP TABLE revokes;
