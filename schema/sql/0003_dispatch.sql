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

-- The functions below read and write the rows of a job at once. Each finds them by the primary key: a partition is new
-- every day, what the planner knows of it comes later than its rows, and by itself it has looped over thousands of rows
-- for each of thousands. `state::text = 'waiting'` does not offer it the index of what waits, which may be long. So the
-- plan names the key, and is made for the day at hand (force_custom_plan): one for all days of a year of retention would
-- cost each session 70 MB, and each call 800 locks.

-- New deliveries of one destination, day and state. One that is there already stays as it is; to look for it is dearer
-- than to insert, so it is looked for only when one is.
CREATE FUNCTION insert_deliveries (p_destination smallint, p_day date, p_is_test boolean, p_state delivery_state,
  p_reason text, p_seqs bigint[], p_dues_ms float8[], p_holds_ms float8[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO deliveries (event_seq, day, destination_id, is_test, state, reason, due_at, hold_until)
    SELECT u.seq, p_day, p_destination, p_is_test, p_state, p_reason, to_timestamp(u.due_ms / 1000),
      to_timestamp(u.hold_ms / 1000)
    FROM unnest(p_seqs, p_dues_ms, p_holds_ms) AS u (seq, due_ms, hold_ms);
EXCEPTION WHEN unique_violation THEN
  INSERT INTO deliveries (event_seq, day, destination_id, is_test, state, reason, due_at, hold_until)
    SELECT u.seq, p_day, p_destination, p_is_test, p_state, p_reason, to_timestamp(u.due_ms / 1000),
      to_timestamp(u.hold_ms / 1000)
    FROM unnest(p_seqs, p_dues_ms, p_holds_ms) AS u (seq, due_ms, hold_ms)
    ON CONFLICT DO NOTHING;
END $$;

-- The values of `hold_until` that jobs were promised, from Unix milliseconds.
CREATE FUNCTION promises_of (promises_ms float8[]) RETURNS timestamptz[] LANGUAGE sql IMMUTABLE AS
  'SELECT array_agg(to_timestamp(ms / 1000)) FROM unnest(promises_ms) AS ms';

-- The clear columns of all parts of some events of one day, for routing.
CREATE FUNCTION read_arrivals (p_day date, p_seqs bigint[]) RETURNS TABLE (event_seq bigint, seq bigint, site text,
  event_name text, received_at timestamptz, trust trust, has_contact boolean, is_bot boolean)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY SELECT e.event_seq, e.seq, e.site, e.event_name, e.received_at, e.trust, e.has_contact, e.is_bot
    FROM events e WHERE e.event_seq = ANY (p_seqs) AND e.day = p_day;
END $$;

-- The deliveries that are a job's to act on (a promise of its stands, or theirs has run out), once for each part of the
-- event; the columns of the part are null where there is none. The parts of each event are looked up by their key: the
-- plan is made while the day's partition is empty, and without OFFSET it may then read the whole day for each event.
CREATE FUNCTION read_job (p_destination smallint, p_day date, p_promises_ms float8[], p_seqs bigint[]) RETURNS TABLE (
  event_seq bigint, attempts smallint, is_test boolean, reason text, after_delivery bigint, attempt_id bigint,
  first_attempt_id bigint, seq bigint, receipt_id uuid, site text, trust trust, event_name text, event_id text,
  received_at timestamptz, occurred_at timestamptz, lead_id text, visitor bytea, sealed bytea, sealed_client bytea)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  promises timestamptz[] := promises_of(p_promises_ms);
BEGIN
  RETURN QUERY SELECT d.event_seq, d.attempts, d.is_test, d.reason, d.after_delivery, d.attempt_id, d.first_attempt_id,
      e.seq, e.receipt_id, e.site, e.trust, e.event_name, e.event_id, e.received_at, e.occurred_at,
      CASE WHEN e.is_lead THEN (
        SELECT l.lead_id FROM leads l WHERE l.site = e.site AND l.event_seq = e.event_seq
      ) END, e.visitor, e.sealed, e.sealed_client
    FROM deliveries d
    LEFT JOIN LATERAL (
      SELECT * FROM events p WHERE p.event_seq = d.event_seq AND p.day = p_day OFFSET 0
    ) AS e ON true
    WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (p_seqs)
      AND d.state::text = 'waiting' AND (d.hold_until <= now() OR d.hold_until = ANY (promises));
END $$;

-- The intent to send: claims the deliveries that are still the job's own (a promise of its stands, or theirs has run
-- out) for the length of the lease, and writes the attempt. No row: none is the job's own any more.
CREATE FUNCTION begin_attempt (p_destination smallint, p_day date, p_promises_ms float8[], p_lease_ms float8,
  p_seqs bigint[], p_resend_of bigint, p_part_seqs jsonb) RETURNS TABLE (id bigint, event_seqs bigint[])
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  fence bigint := nextval('attempt_id');
  lease_until timestamptz := now() + make_interval(secs => p_lease_ms / 1000);
  promises timestamptz[] := promises_of(p_promises_ms);
  claimed bigint[];
BEGIN
  WITH own AS (
    UPDATE deliveries d SET hold_until = lease_until, attempts = d.attempts + 1, attempt_id = fence,
      first_attempt_id = coalesce(d.first_attempt_id, fence)
    WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (p_seqs)
      AND d.state::text = 'waiting'
      AND (d.hold_until <= now() OR d.hold_until = ANY (promises))
    RETURNING d.event_seq
  )
  SELECT array_agg(own.event_seq) INTO claimed FROM own;
  IF claimed IS NULL THEN
    RETURN;
  END IF;
  -- In the order of the request: a network may name a place in it, half an hour later.
  claimed := CASE WHEN cardinality(claimed) = cardinality(p_seqs) THEN p_seqs ELSE ARRAY(
    SELECT w.seq FROM unnest(p_seqs) WITH ORDINALITY AS w (seq, place) WHERE w.seq = ANY (claimed) ORDER BY w.place
  ) END;
  IF p_resend_of IS NOT NULL THEN
    UPDATE attempts a SET ended_at = now(), result = 'lost'
      WHERE a.id = p_resend_of AND a.day = p_day AND a.ended_at IS NULL;
  END IF;
  INSERT INTO attempts (id, day, destination_id, lease_until, resend_of, event_seqs, part_seqs)
    VALUES (fence, p_day, p_destination, lease_until, p_resend_of, claimed, p_part_seqs);
  RETURN QUERY SELECT fence, claimed;
END $$;

-- Promises what waits to a job.
CREATE FUNCTION promise_deliveries (p_destination smallint, p_day date, p_seqs bigint[], p_promised_ms float8)
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  UPDATE deliveries d SET hold_until = to_timestamp(p_promised_ms / 1000)
    WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (p_seqs)
      AND d.state::text = 'waiting';
END $$;

-- Ends an attempt; the time of the transaction in Unix milliseconds. No row: it was ended before, and whoever asks is a
-- zombie whose deliveries somebody else has taken over.
CREATE FUNCTION end_attempt (p_attempt bigint, p_day date, p_http_status smallint, p_duration_ms integer, p_result text,
  p_trace text, p_said text) RETURNS TABLE (now_ms float8)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY UPDATE attempts a SET ended_at = now(), http_status = p_http_status, duration_ms = p_duration_ms,
      result = p_result, network_trace = p_trace, network_said = p_said
    WHERE a.id = p_attempt AND a.day = p_day AND a.ended_at IS NULL RETURNING floor(date_part('epoch', now()) * 1000);
END $$;

-- Writes outcomes. Deliveries with the same outcome are a group: p_sizes says how many of p_seqs, in order, each of the
-- other arrays is about. Only what is still the caller's own is written: the attempt's, or without one the promise's.
CREATE FUNCTION settle_deliveries (p_destination smallint, p_day date, p_attempt bigint, p_promises_ms float8[],
  p_seqs bigint[], p_sizes integer[], p_states delivery_state[], p_reasons text[], p_details text[],
  p_refunds smallint[], p_after_ms float8[], p_holds_ms float8[], p_verify_after_ms float8[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  promises timestamptz[] := promises_of(p_promises_ms);
  done integer := 0;
BEGIN
  FOR i IN 1 .. cardinality(p_sizes) LOOP
    UPDATE deliveries d SET state = p_states[i], reason = p_reasons[i], detail = p_details[i],
      attempts = d.attempts - p_refunds[i], due_at = now() + make_interval(secs => p_after_ms[i] / 1000),
      hold_until = to_timestamp(p_holds_ms[i] / 1000),
      verify_at = now() + make_interval(secs => p_verify_after_ms[i] / 1000)
    WHERE d.destination_id = p_destination AND d.day = p_day
      AND d.event_seq = ANY (p_seqs[done + 1 : done + p_sizes[i]]) AND d.state::text = 'waiting'
      AND (d.attempt_id = p_attempt OR (p_attempt IS NULL
        AND (d.hold_until <= now() OR d.hold_until = ANY (promises))));
    done := done + p_sizes[i];
  END LOOP;
END $$;

-- Finds the rows whose address and user agent are to be forgotten, late parts of old days included.
CREATE INDEX events_client ON events (received_at) WHERE sealed_client IS NOT NULL;
-- Keys lie in the order of their days: a few kilobytes tell where the old ones are.
CREATE INDEX event_keys_day ON event_keys USING brin (day) WITH (pages_per_range = 32);
CREATE INDEX failed_events_failed_at ON failed_events (failed_at);

-- Down Migration

DROP INDEX failed_events_failed_at, event_keys_day, events_client;
DROP FUNCTION settle_deliveries, end_attempt, promise_deliveries, begin_attempt, read_job, read_arrivals, promises_of,
  insert_deliveries, take_rate_token;
DROP TABLE rate_budgets;
