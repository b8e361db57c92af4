-- Up Migration

-- What may still be sent under a rate: a bucket of tokens that fills up with time. Shared by all workers, and by the
-- destinations that share a quota.
CREATE TABLE rate_budgets (
  budget text NOT NULL,               -- a destination, or what its quota belongs to (dispatch/store.ts)
  per text NOT NULL,                  -- minute | day
  tokens double precision NOT NULL,
  filled_at timestamptz NOT NULL,
  PRIMARY KEY (budget, per)
);

-- Takes one token; the result is null when it was granted, else the time at which one will be there.
CREATE FUNCTION take_rate_token (p_budget text, p_per text, capacity double precision,
  per_second double precision) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  left_tokens double precision;
  at timestamptz := clock_timestamp();
BEGIN
  INSERT INTO rate_budgets (budget, per, tokens, filled_at) VALUES (p_budget, p_per, capacity, at)
    ON CONFLICT DO NOTHING;
  SELECT least(capacity, b.tokens + per_second * greatest(0, extract(epoch FROM at - b.filled_at))) INTO left_tokens
    FROM rate_budgets b WHERE b.budget = p_budget AND b.per = p_per FOR UPDATE;
  IF left_tokens < 1 THEN
    RETURN at + make_interval(secs => (1 - left_tokens) / per_second);
  END IF;
  UPDATE rate_budgets b SET tokens = left_tokens - 1, filled_at = at WHERE b.budget = p_budget AND b.per = p_per;
  RETURN NULL;
END $$;

-- Finds the rows whose address and user agent are to be forgotten, late parts of old days included.
CREATE INDEX events_client ON events (received_at) WHERE sealed_client IS NOT NULL;
-- Keys lie in the order of their days: a few kilobytes tell where the old ones are.
CREATE INDEX event_keys_day ON event_keys USING brin (day) WITH (pages_per_range = 32);
CREATE INDEX failed_events_failed_at ON failed_events (failed_at);

-- Down Migration

DROP INDEX failed_events_failed_at, event_keys_day, events_client;
DROP FUNCTION take_rate_token;
DROP TABLE rate_budgets;
