-- Up Migration

-- Stores a batch of arrivals in one round trip: keys, parts, leads, touches, subjects and the mark "not yet routed".
-- Every array holds one element per arrival, except subject_*: pairs of an arrival's index (from 1) and a place. All bytes
-- are in one parameter, and *_ats and *_lengths say where in it (from 1; NULL: there are none): digests first, 16 bytes
-- each; without a length it is 16, too. gateway/columns.ts lays them out.
--
-- The first statements store every arrival whose keys are all new. Keys go in sorted, so that two lanes never deadlock.
-- What is left met an existing key: each such arrival is settled on its own by append_known_part(). The result has a row
-- for each of these only: whatever is not in it was stored as a new event under its own id.
CREATE FUNCTION append_parts (
  sites text[], receipt_ids uuid[], received_ms bigint[], occurred_ms bigint[],
  event_names text[], event_ids text[], trusts trust[], has_contacts boolean[], is_bots boolean[],
  touch_ms bigint[], lead_ids text[], lead_flags text[], other_event_ids text[],
  claim_ats integer[], visitor_ats integer[], sealed_ats integer[], client_ats integer[],
  touch_digest_ats integer[], touch_ats integer[], lead_ats integer[], other_digest_ats integer[],
  sealed_lengths integer[], client_lengths integer[], touch_lengths integer[], lead_lengths integer[],
  subject_ords integer[], subject_ats integer[], bytes bytea
) RETURNS TABLE (ord integer, status text, kept_event_id text, is_new_event boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  seqs bigint[] := ARRAY(SELECT nextval('part_seq') FROM generate_series(1, cardinality(sites)));
  days date[] := ARRAY(SELECT (to_timestamp(ms::float8 / 1000) AT TIME ZONE 'UTC')::date FROM unnest(received_ms) AS ms);
  taken bigint[];
  news boolean[];                     -- NULL: all are new
  kept_seqs bigint[] := seqs;
  kept_days date[] := days;
  routed_seqs bigint[] := seqs;
  routed_days date[] := days;
  settled record;
  i integer;
BEGIN
  IF cardinality(array_remove(touch_ats, NULL)) > 0 THEN
    INSERT INTO touches AS t (site, visitor, digest, seen_at, sealed)
      SELECT DISTINCT ON (site, visitor, digest) site, visitor, digest, to_timestamp(ms::float8 / 1000), sealed FROM (
        SELECT u.site, substring(bytes FROM u.visitor_at FOR 16) AS visitor, substring(bytes FROM u.digest_at FOR 16) AS digest,
          u.ms, substring(bytes FROM u.at FOR u.length) AS sealed
        FROM unnest(sites, visitor_ats, touch_digest_ats, touch_ms, touch_ats, touch_lengths)
          AS u (site, visitor_at, digest_at, ms, at, length)
        WHERE u.at IS NOT NULL AND u.visitor_at IS NOT NULL
      ) AS landing
      ORDER BY site, visitor, digest, ms
      ON CONFLICT DO NOTHING;
  END IF;

  WITH inserted AS (
    INSERT INTO event_keys AS k (site, digest, event_seq, day)
      SELECT site, digest, seq, day FROM (
        SELECT u.site, substring(bytes FROM (u.ord::integer - 1) * 16 + 1 FOR 16) AS digest, u.seq, u.day
        FROM unnest(sites, seqs, days) WITH ORDINALITY AS u (site, seq, day, ord)
        UNION ALL
        SELECT u.site, substring(bytes FROM u.at FOR 16), u.seq, u.day
        FROM unnest(sites, seqs, days, claim_ats) AS u (site, seq, day, at) WHERE u.at IS NOT NULL
      ) AS wanted
      ORDER BY site, digest, seq
      ON CONFLICT DO NOTHING
      RETURNING k.event_seq AS seq
  )
  SELECT array_agg(seq) INTO taken FROM inserted;

  IF coalesce(cardinality(taken), 0) < cardinality(sites) + cardinality(array_remove(claim_ats, NULL)) THEN
    news := ARRAY(
      SELECT coalesce(c.keys, 0) = 1 + (u.claim_at IS NOT NULL)::integer
      FROM unnest(seqs, claim_ats) WITH ORDINALITY AS u (seq, claim_at, ord)
      LEFT JOIN (SELECT t.seq, count(*) AS keys FROM unnest(taken) AS t (seq) GROUP BY t.seq) AS c USING (seq)
      ORDER BY u.ord);
    SELECT coalesce(array_agg(u.seq), '{}'), coalesce(array_agg(u.day), '{}') INTO routed_seqs, routed_days
      FROM unnest(seqs, days, news) AS u (seq, day, is_new) WHERE u.is_new;
  END IF;

  INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, visitor, sealed, sealed_client)
    SELECT u.seq, u.seq, to_timestamp(u.received_ms::float8 / 1000), to_timestamp(u.occurred_ms::float8 / 1000),
      u.receipt_id, u.day, u.trust, u.has_contact, u.is_bot, u.lead_id IS NOT NULL, u.site, u.event_name, u.event_id,
      substring(bytes FROM u.visitor_at FOR 16), substring(bytes FROM u.sealed_at FOR u.sealed_length),
      substring(bytes FROM u.client_at FOR u.client_length)
    FROM unnest(seqs, days, sites, receipt_ids, received_ms, occurred_ms, event_names, event_ids, trusts, has_contacts,
      is_bots, lead_ids, visitor_ats, sealed_ats, sealed_lengths, client_ats, client_lengths, news)
      AS u (seq, day, site, receipt_id, received_ms, occurred_ms, event_name, event_id, trust, has_contact,
        is_bot, lead_id, visitor_at, sealed_at, sealed_length, client_at, client_length, is_new)
    WHERE u.is_new IS NOT FALSE;

  IF news IS NOT NULL OR cardinality(array_remove(lead_ids, NULL)) > 0 THEN
    FOR i IN
      SELECT u.ord::integer FROM unnest(lead_ids, news) WITH ORDINALITY AS u (lead_id, is_new, ord)
      WHERE u.lead_id IS NOT NULL OR u.is_new IS FALSE ORDER BY u.ord
    LOOP
      IF news[i] IS NOT FALSE THEN
        PERFORM append_lead(sites[i], lead_ids[i], seqs[i], days[i], to_timestamp(received_ms[i]::float8 / 1000),
          substring(bytes FROM visitor_ats[i] FOR 16), lead_flags[i],
          substring(bytes FROM lead_ats[i] FOR lead_lengths[i]));
        CONTINUE;
      END IF;
      SELECT * INTO settled FROM append_known_part(seqs[i], days[i], sites[i], receipt_ids[i],
        to_timestamp(received_ms[i]::float8 / 1000), to_timestamp(occurred_ms[i]::float8 / 1000), event_names[i], event_ids[i],
        substring(bytes FROM (i - 1) * 16 + 1 FOR 16), substring(bytes FROM claim_ats[i] FOR 16),
        trusts[i], has_contacts[i], is_bots[i], substring(bytes FROM visitor_ats[i] FOR 16),
        substring(bytes FROM sealed_ats[i] FOR sealed_lengths[i]), substring(bytes FROM client_ats[i] FOR client_lengths[i]),
        lead_ids[i], substring(bytes FROM lead_ats[i] FOR lead_lengths[i]), lead_flags[i], other_event_ids[i],
        substring(bytes FROM other_digest_ats[i] FOR 16));
      kept_seqs[i] := settled.event_seq;
      kept_days[i] := settled.event_day;
      IF settled.is_new_event THEN
        routed_seqs := routed_seqs || settled.event_seq;
        routed_days := routed_days || days[i];
      END IF;
      ord := i;
      status := settled.status;
      kept_event_id := settled.kept_event_id;
      is_new_event := settled.is_new_event;
      RETURN NEXT;
    END LOOP;
  END IF;

  IF cardinality(subject_ords) > 0 THEN
    INSERT INTO subjects AS s (site, blind, event_seq, day)
      SELECT DISTINCT u.site, substring(bytes FROM p.at FOR 16), u.seq, u.day
      FROM unnest(subject_ords, subject_ats) AS p (ord, at)
      JOIN unnest(sites, kept_seqs, kept_days) WITH ORDINALITY AS u (site, seq, day, ord) ON u.ord = p.ord
      ORDER BY 1, 2, 3
      ON CONFLICT DO NOTHING;
  END IF;

  IF cardinality(routed_seqs) > 0 THEN
    INSERT INTO unrouted_batches (event_seqs, days) VALUES (routed_seqs, routed_days);
  END IF;
END $$;

-- A lead and its first touch: the visitor's earliest landing. False when the event has a lead already.
CREATE FUNCTION append_lead (lead_site text, new_lead_id text, lead_event_seq bigint, lead_day date,
  lead_received_at timestamptz, lead_visitor bytea, flag text, lead_sealed bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO leads (site, lead_id, event_seq, day, received_at, visitor, flags, sealed, first_touch)
    VALUES (lead_site, new_lead_id, lead_event_seq, lead_day, lead_received_at, lead_visitor,
      CASE WHEN flag IS NULL THEN '{}' ELSE ARRAY[flag] END, lead_sealed,
      (SELECT t.sealed FROM touches t WHERE t.site = lead_site AND t.visitor = lead_visitor ORDER BY t.seen_at LIMIT 1))
    ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

-- One arrival at least one of whose keys is taken. Each statement here sees what other transactions have committed.
CREATE FUNCTION append_known_part (
  own_seq bigint, own_day date, p_site text, p_receipt_id uuid, p_received_at timestamptz, p_occurred_at timestamptz,
  p_event_name text, p_event_id text, p_digest bytea, p_claim bytea, p_trust trust, p_has_contact boolean,
  p_is_bot boolean, p_visitor bytea, p_sealed bytea, p_sealed_client bytea, p_lead_id text, p_lead_sealed bytea,
  p_lead_flag text, p_other_event_id text, p_other_digest bytea
) RETURNS TABLE (status text, kept_event_id text, event_seq bigint, event_day date, is_new_event boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  by_id event_keys%ROWTYPE;
  by_claim event_keys%ROWTYPE;
  known_lead_id text;
  first_receipt uuid;
  is_new_lead boolean := false;
BEGIN
  SELECT * INTO by_id FROM event_keys k WHERE k.site = p_site AND k.digest = p_digest;
  event_seq := by_id.event_seq;
  event_day := by_id.day;
  IF p_claim IS NOT NULL THEN
    SELECT * INTO by_claim FROM event_keys k WHERE k.site = p_site AND k.digest = p_claim;
    IF by_id.event_seq = own_seq THEN
      -- the id is new, but the transaction is known: the id becomes another name of that event
      event_seq := by_claim.event_seq;
      event_day := by_claim.day;
      UPDATE event_keys k SET event_seq = by_claim.event_seq, day = by_claim.day WHERE k.site = p_site AND k.digest = p_digest;
    ELSIF by_claim.event_seq = own_seq THEN
      UPDATE event_keys k SET event_seq = by_id.event_seq, day = by_id.day WHERE k.site = p_site AND k.digest = p_claim;
    END IF;
  END IF;
  kept_event_id := p_event_id;
  is_new_event := false;

  IF p_lead_id IS NOT NULL THEN
    is_new_lead := append_lead(p_site, p_lead_id, event_seq, event_day, p_received_at, p_visitor, p_lead_flag, p_lead_sealed);
    SELECT l.lead_id INTO known_lead_id FROM leads l WHERE l.site = p_site AND l.event_seq = append_known_part.event_seq;
    IF known_lead_id IS DISTINCT FROM p_lead_id THEN
      -- the same event_id from another person, or with a corrected e-mail: a lead is never answered away
      INSERT INTO event_keys AS k (site, digest, event_seq, day) VALUES (p_site, p_other_digest, own_seq, own_day)
        ON CONFLICT DO NOTHING;
      is_new_event := FOUND;
      SELECT k.event_seq, k.day INTO event_seq, event_day FROM event_keys k WHERE k.site = p_site AND k.digest = p_other_digest;
      kept_event_id := p_other_event_id;
      is_new_lead := append_lead(p_site, p_lead_id, event_seq, event_day, p_received_at, p_visitor,
        'other_identity', p_lead_sealed);
    END IF;
  END IF;

  INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, visitor, sealed, sealed_client)
    VALUES (event_seq, own_seq, p_received_at, p_occurred_at, p_receipt_id, event_day, p_trust, p_has_contact, p_is_bot,
      p_lead_id IS NOT NULL, p_site, p_event_name, kept_event_id, p_visitor, p_sealed, p_sealed_client)
    ON CONFLICT DO NOTHING;
  IF FOUND THEN
    status := CASE WHEN is_new_event OR is_new_lead THEN 'stored' ELSE 'duplicate' END;
  ELSE
    -- our own retry of an arrival whose commit we did not hear of: answer what the first answer was
    SELECT e.receipt_id INTO first_receipt FROM events e
      WHERE e.event_seq = append_known_part.event_seq AND e.day = event_day AND (e.seq = e.event_seq OR e.is_lead)
        AND e.receipt_id = p_receipt_id;
    status := CASE WHEN first_receipt IS NULL THEN 'duplicate' ELSE 'stored' END;
  END IF;
  RETURN NEXT;
END $$;

-- Down Migration

DROP FUNCTION append_known_part;
DROP FUNCTION append_lead;
DROP FUNCTION append_parts;
