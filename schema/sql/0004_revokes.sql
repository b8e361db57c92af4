-- Up Migration

-- When a visitor last took their consent back, by what it was for: nothing of theirs that is older may be sent for it.
CREATE TABLE revokes (
  site text NOT NULL,
  visitor bytea NOT NULL,             -- blind index of the visitor id, as in events and touches
  ads_revoked_at timestamptz,         -- ad_storage or ad_user_data
  analytics_revoked_at timestamptz,   -- analytics_storage
  revoked_at timestamptz NOT NULL GENERATED ALWAYS AS (greatest(ads_revoked_at, analytics_revoked_at)) STORED,
  PRIMARY KEY (site, visitor)
);
CREATE INDEX revokes_revoked_at ON revokes (revoked_at);

-- Down Migration

DROP TABLE revokes;
