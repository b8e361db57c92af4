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
-- for each of thousands. So the plan names the key, and is made for the day at hand (force_custom_plan): one for all days
-- of a year of retention would cost each session 70 MB, and each call 800 locks.
-- Where rows of several tables are locked, it is in this order: agenda, attempts, deliveries.

-- New entries of the agenda; their ids, in the order given. p_sizes says how many of p_seqs, in order, each holds.
CREATE FUNCTION enter_agenda (p_destinations smallint[], p_days date[], p_dues_ms float8[], p_wakes_ms float8[],
  p_isolated boolean[], p_lingering boolean[], p_sizes integer[], p_seqs bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
DECLARE
  entry bigint;
  done integer := 0;
BEGIN
  FOR i IN 1 .. cardinality(p_sizes) LOOP
    INSERT INTO agenda (due_at, wake_at, destination_id, events, day, is_isolation, lingers, event_seqs)
      VALUES (to_timestamp(p_dues_ms[i] / 1000), to_timestamp(p_wakes_ms[i] / 1000), p_destinations[i], p_sizes[i],
        p_days[i], p_isolated[i], p_lingering[i], p_seqs[done + 1 : done + p_sizes[i]])
      RETURNING id INTO entry;
    done := done + p_sizes[i];
    RETURN NEXT entry;
  END LOOP;
END $$;

-- New deliveries of one destination, day, entry and state. One that is there already stays as it is; to look for it is
-- dearer than to insert, so it is looked for only when one is.
CREATE FUNCTION insert_deliveries (p_destination smallint, p_day date, p_is_test boolean, p_state delivery_state,
  p_reason text, p_entry bigint, p_seqs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  p_decided_at timestamptz := CASE WHEN p_entry IS NULL THEN now() END;
BEGIN
  INSERT INTO deliveries (event_seq, agenda_id, decided_at, destination_id, day, state, is_test, reason)
    SELECT u.seq, p_entry, p_decided_at, p_destination, p_day, p_state, nullif(p_is_test, false), p_reason
    FROM unnest(p_seqs) AS u (seq);
EXCEPTION WHEN unique_violation THEN
  INSERT INTO deliveries (event_seq, agenda_id, decided_at, destination_id, day, state, is_test, reason)
    SELECT u.seq, p_entry, p_decided_at, p_destination, p_day, p_state, nullif(p_is_test, false), p_reason
    FROM unnest(p_seqs) AS u (seq)
    ON CONFLICT DO NOTHING;
END $$;

-- The clear columns of all parts of some events of one day, for routing.
CREATE FUNCTION read_arrivals (p_day date, p_seqs bigint[]) RETURNS TABLE (event_seq bigint, seq bigint, site text,
  event_name text, received_at timestamptz, trust trust, has_contact boolean, is_bot boolean)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  RETURN QUERY SELECT e.event_seq, e.seq, e.site, e.event_name, e.received_at, e.trust, e.has_contact, e.is_bot
    FROM events e WHERE e.event_seq = ANY (p_seqs) AND e.day = p_day;
END $$;

-- Takes entries that nobody holds, for the length of the lease: which, what was planned in them, the fence under which
-- they are held, and the fences under which they were held before. A destination that lingers (p_linger_ms) takes
-- entries of others that are nearly due with it, up to p_most events; only what it takes is locked, for whoever meets a
-- lock lets the entry be. No row: all are held.
-- What a crash of the server forgets includes numbers that a sequence gave: a job that was taken before it may name an
-- entry that is another destination's by now, and a fence from a sequence might be held by two. So a fence is random.
-- The agenda is no partition of a day, so its plans need not be made anew for each call.
CREATE FUNCTION take_entries (p_destination smallint, p_day date, p_entries bigint[], p_lease_ms float8,
  p_linger_ms float8, p_most integer) RETURNS TABLE (own bigint[], seqs bigint[], own_fence bigint, earlier bigint[])
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  company bigint[];
BEGIN
  SELECT array_agg(free.id), array_agg(free.fence) FILTER (WHERE free.fence IS NOT NULL) INTO own, earlier FROM (
    SELECT a.id, a.fence FROM agenda a WHERE a.id = ANY (p_entries)
      -- Not as an index knows it: all that waits for the destination would be looked through.
      AND a.destination_id IS NOT DISTINCT FROM p_destination AND a.day IS NOT DISTINCT FROM p_day
      AND (NOT a.is_held OR a.wake_at <= now())
    ORDER BY a.id FOR UPDATE SKIP LOCKED
  ) AS free;
  IF own IS NULL THEN
    RETURN;
  END IF;
  IF p_linger_ms > 0 THEN
    company := ARRAY(
      SELECT c.id FROM (
        SELECT near.id, sum(near.events) OVER (ORDER BY near.due_at, near.id) AS events FROM (
          SELECT a.id, a.events, a.due_at FROM agenda a
          WHERE a.destination_id = p_destination AND a.day = p_day AND a.lingers AND a.fence IS NULL
            AND a.due_at <= now() + make_interval(secs => p_linger_ms / 1000) AND a.id <> ALL (own)
          ORDER BY a.due_at, a.id LIMIT p_most
        ) AS near
      ) AS c WHERE c.events <= p_most - (SELECT sum(a.events) FROM agenda a WHERE a.id = ANY (own)));
    own := own || ARRAY(
      SELECT a.id FROM agenda a WHERE a.id = ANY (company) AND a.fence IS NULL ORDER BY a.id FOR UPDATE SKIP LOCKED);
  END IF;
  -- Below 2^53, so that it is a number everywhere.
  own_fence := floor(random() * 9007199254740991);
  WITH taken AS (
    UPDATE agenda a SET fence = own_fence, is_held = true, wake_at = now() + make_interval(secs => p_lease_ms / 1000)
    WHERE a.id = ANY (own) RETURNING a.event_seqs
  )
  SELECT array_agg(u.seq) INTO seqs FROM taken CROSS JOIN LATERAL unnest(taken.event_seqs) AS u (seq);
  RETURN NEXT;
END $$;

-- Takes the entries of a job, and reads what is still to be sent of them, once for each part of the event; the columns of
-- the part are null where there is none. What was begun under an earlier fence has no end, and its answer is lost: that
-- is written before anything else.
-- Deliveries and parts are each read by their keys, then joined: the plan is made while the day's partition is empty, and
-- a loop over both may then read the whole day for each event.
-- Nothing leaves before begin_attempt() has made durable what came before it, so this need not wait for the disk.
CREATE FUNCTION take_job (p_destination smallint, p_day date, p_entries bigint[], p_lease_ms float8, p_linger_ms float8,
  p_most integer) RETURNS TABLE (
  fence bigint, agenda_id bigint, event_seq bigint, attempts smallint, is_test boolean, reason text,
  after_delivery bigint, attempt_id bigint, first_attempt_id bigint, seq bigint, receipt_id uuid, site text, trust trust,
  event_name text, event_id text, received_at timestamptz, occurred_at timestamptz, lead_id text, visitor bytea,
  sealed bytea, sealed_client bytea)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  taken record;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO taken FROM take_entries(p_destination, p_day, p_entries, p_lease_ms, p_linger_ms, p_most);
  IF taken.own IS NULL THEN
    RETURN;
  END IF;
  IF taken.earlier IS NOT NULL THEN
    PERFORM lose_attempts(p_destination, p_day, taken.earlier);
    -- Who had them may have settled all of one before the end. Nobody would renew the lease of that one, and whoever
    -- took it next would end what is begun under this fence.
    DELETE FROM agenda a WHERE a.id = ANY (taken.own) AND a.id NOT IN (
      SELECT d.agenda_id FROM deliveries d
      WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (taken.seqs)
        AND d.state = 'waiting' AND d.agenda_id IS NOT NULL);
  END IF;
  RETURN QUERY SELECT taken.own_fence, d.agenda_id, d.event_seq, d.attempts, d.is_test, d.reason, d.after_delivery,
      d.attempt_id, coalesce(d.first_attempt_id, d.attempt_id), e.seq, e.receipt_id, e.site, e.trust, e.event_name,
      e.event_id, e.received_at, e.occurred_at,
      CASE WHEN e.is_lead THEN (
        SELECT l.lead_id FROM leads l WHERE l.site = e.site AND l.event_seq = e.event_seq
      ) END, e.visitor, e.sealed, e.sealed_client
    FROM deliveries d
    LEFT JOIN (SELECT * FROM events p WHERE p.event_seq = ANY (taken.seqs) AND p.day = p_day OFFSET 0) AS e
      ON e.event_seq = d.event_seq
    WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (taken.seqs)
      AND d.state = 'waiting' AND d.agenda_id = ANY (taken.own);
  -- Entries whose deliveries are elsewhere. One among others is taken off when it is taken again.
  IF NOT FOUND THEN
    DELETE FROM agenda a WHERE a.id = ANY (taken.own);
  END IF;
END $$;

-- Ends what was begun under some fences and has no end: whoever began it is dead, or learns by this that it is too late.
CREATE FUNCTION lose_attempts (p_destination smallint, p_day date, p_fences bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  lost record;
BEGIN
  FOR lost IN
    UPDATE attempts a SET ended_at = now(), result = 'lost'
    WHERE a.day = p_day AND a.fence = ANY (p_fences) AND a.ended_at IS NULL RETURNING a.id, a.event_seqs
  LOOP
    UPDATE deliveries d SET attempts = d.attempts + 1, first_attempt_id = coalesce(d.first_attempt_id, d.attempt_id),
        attempt_id = lost.id
      WHERE d.destination_id = p_destination AND d.day = p_day AND d.event_seq = ANY (lost.event_seqs)
        AND d.state = 'waiting';
  END LOOP;
END $$;

-- Whether entries are still held under a fence: all of them, locked, and then the time of the transaction in Unix
-- milliseconds; else no row.
CREATE FUNCTION hold_entries (p_entries bigint[], p_fence bigint) RETURNS TABLE (now_ms float8)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  PERFORM FROM agenda a WHERE a.id = ANY (p_entries) AND a.fence = p_fence AND a.is_held ORDER BY a.id FOR UPDATE;
  GET DIAGNOSTICS now_ms = ROW_COUNT;
  IF now_ms = cardinality(p_entries) THEN
    now_ms := floor(date_part('epoch', now()) * 1000);
    RETURN NEXT;
  END IF;
END $$;

-- The intent to send: the lease of the entries begins anew, and the attempt is written. No row: they are not held under
-- this fence any more. The part of a lease that has passed since they were taken is not worth a write.
CREATE FUNCTION begin_attempt (p_destination smallint, p_day date, p_entries bigint[], p_fence bigint,
  p_lease_ms float8, p_seqs bigint[], p_resend_of bigint, p_part_seqs jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  held integer;
  held_until timestamptz;
BEGIN
  SELECT count(*), min(own.wake_at) INTO held, held_until FROM (
    SELECT a.wake_at FROM agenda a WHERE a.id = ANY (p_entries) AND a.fence = p_fence AND a.is_held
    ORDER BY a.id FOR UPDATE
  ) AS own;
  IF held < cardinality(p_entries) THEN
    RETURN;
  END IF;
  IF held_until < now() + make_interval(secs => p_lease_ms * 0.9 / 1000) THEN
    UPDATE agenda a SET wake_at = now() + make_interval(secs => p_lease_ms / 1000) WHERE a.id = ANY (p_entries);
  END IF;
  RETURN QUERY INSERT INTO attempts (day, destination_id, fence, resend_of, event_seqs, part_seqs)
    VALUES (p_day, p_destination, p_fence, p_resend_of, p_seqs, p_part_seqs) RETURNING id;
END $$;

-- Locks entries that are about to be closed.
CREATE FUNCTION lock_entries (p_entries bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  PERFORM FROM agenda a WHERE a.id = ANY (p_entries) ORDER BY a.id FOR UPDATE;
END $$;

-- Takes entries off the agenda, in which nothing waits any more.
CREATE FUNCTION close_entries (p_entries bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  DELETE FROM agenda a WHERE a.id = ANY (p_entries);
END $$;

-- Ends an attempt; the time of the transaction in Unix milliseconds. No row: it was ended before, and whoever asks is a
-- zombie whose deliveries somebody else has taken over. p_closed: the entries that will be deleted.
CREATE FUNCTION end_attempt (p_attempt bigint, p_day date, p_http_status smallint, p_duration_ms integer, p_result text,
  p_trace text, p_said text, p_verify_after_ms float8, p_closed bigint[]) RETURNS TABLE (now_ms float8)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  PERFORM lock_entries(p_closed);
  RETURN QUERY UPDATE attempts a SET ended_at = now(), http_status = p_http_status, duration_ms = p_duration_ms,
      result = p_result, network_trace = p_trace, network_said = p_said,
      verify_at = now() + make_interval(secs => p_verify_after_ms / 1000)
    WHERE a.id = p_attempt AND a.day = p_day AND a.ended_at IS NULL RETURNING floor(date_part('epoch', now()) * 1000);
END $$;

-- Writes outcomes. Deliveries with the same outcome are a group: p_sizes says how many of p_seqs, in order, each of the
-- other arrays is about. Only what is still in the caller's entries is written; p_closed are those in which nothing is
-- left. What waits on is in a new entry (p_waits_in).
CREATE FUNCTION settle_deliveries (p_destination smallint, p_day date, p_attempt bigint, p_entries bigint[],
  p_closed bigint[], p_seqs bigint[], p_sizes integer[], p_states delivery_state[], p_reasons text[], p_details text[],
  p_counts smallint[], p_waits_in bigint[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  done integer := 0;
BEGIN
  FOR i IN 1 .. cardinality(p_sizes) LOOP
    UPDATE deliveries d SET state = p_states[i], reason = p_reasons[i], detail = p_details[i],
      attempts = d.attempts + p_counts[i], agenda_id = p_waits_in[i], attempt_id = coalesce(p_attempt, d.attempt_id),
      first_attempt_id = CASE WHEN p_attempt IS NULL THEN d.first_attempt_id
        ELSE coalesce(d.first_attempt_id, d.attempt_id) END,
      decided_at = CASE WHEN p_attempt IS NULL AND p_waits_in[i] IS NULL THEN now() END
    WHERE d.destination_id = p_destination AND d.day = p_day
      AND d.event_seq = ANY (p_seqs[done + 1 : done + p_sizes[i]]) AND d.state = 'waiting'
      AND d.agenda_id = ANY (p_entries);
    done := done + p_sizes[i];
  END LOOP;
  PERFORM close_entries(p_closed);
END $$;

-- Closes what has waited for a destination that is no longer in the settings for longer than a grace: since it fell due,
-- and since a worker that still knows the destination woke or held it. By the time to wake an index finds it; to look
-- through all that waits, again and again for as long as the grace lasts, would be dear.
CREATE FUNCTION close_removed (p_destination smallint, p_grace interval, p_most integer) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  closed record;
BEGIN
  FOR closed IN
    DELETE FROM agenda WHERE id IN (
      SELECT a.id FROM agenda a
      WHERE a.destination_id = p_destination AND a.wake_at < now() - p_grace AND a.due_at < now() - p_grace
      ORDER BY a.wake_at LIMIT p_most FOR UPDATE SKIP LOCKED
    ) RETURNING id, day, fence, event_seqs
  LOOP
    IF closed.fence IS NOT NULL THEN
      PERFORM lose_attempts(p_destination, closed.day, ARRAY[closed.fence]);
    END IF;
    UPDATE deliveries d SET state = 'skipped', reason = 'destination_removed', agenda_id = NULL, decided_at = now()
      WHERE d.destination_id = p_destination AND d.day = closed.day AND d.event_seq = ANY (closed.event_seqs)
        AND d.state = 'waiting' AND d.agenda_id = closed.id;
  END LOOP;
END $$;

-- Finds the rows whose address and user agent are to be forgotten, late parts of old days included.
CREATE INDEX events_client ON events (received_at) WHERE sealed_client IS NOT NULL;
-- Keys lie in the order of their days: a few kilobytes tell where the old ones are.
CREATE INDEX event_keys_day ON event_keys USING brin (day) WITH (pages_per_range = 32);
CREATE INDEX failed_events_failed_at ON failed_events (failed_at);

-- Down Migration

DROP INDEX failed_events_failed_at, event_keys_day, events_client;
DROP FUNCTION close_removed, settle_deliveries, end_attempt, close_entries, lock_entries, begin_attempt, hold_entries,
  lose_attempts, take_job, take_entries, read_arrivals, insert_deliveries, enter_agenda, take_rate_token;
DROP TABLE rate_budgets;
