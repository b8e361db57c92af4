-- Up Migration

-- Stores a batch of arrivals in one round trip: keys, parts, leads, touches, subjects and the mark "not yet routed".
-- Every array holds one element per arrival; subject_* are flattened pairs (index of the arrival from 1, blind index).
--
-- The first statement stores every arrival whose keys are all new. Keys go in sorted, so that two lanes never deadlock.
-- What is left met an existing key: each such arrival is settled on its own by append_known_part().
CREATE FUNCTION append_parts (
  sites text[], receipt_ids uuid[], received_ats timestamptz[], occurred_ats timestamptz[],
  event_names text[], event_ids text[], digests bytea[], claims bytea[], trusts trust[],
  has_contacts boolean[], is_bots boolean[], visitors bytea[], sealeds bytea[], sealed_clients bytea[],
  touch_digests bytea[], touch_ats timestamptz[], touch_sealeds bytea[],
  lead_ids text[], lead_sealeds bytea[], lead_flags text[], other_event_ids text[], other_digests bytea[],
  subject_ords integer[], subject_blinds bytea[]
) RETURNS TABLE (ord integer, status text, kept_event_id text, event_seq bigint, is_new_event boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  arrival record;
  settled record;
  kept_day date;
  new_seqs bigint[] := '{}';
  new_days date[] := '{}';
BEGIN
  INSERT INTO touches AS t (site, visitor, digest, seen_at, sealed)
    SELECT DISTINCT ON (u.site, u.visitor, u.digest) u.site, u.visitor, u.digest, u.seen_at, u.sealed
    FROM unnest(sites, visitors, touch_digests, touch_ats, touch_sealeds) AS u (site, visitor, digest, seen_at, sealed)
    WHERE u.digest IS NOT NULL AND u.visitor IS NOT NULL
    ORDER BY u.site, u.visitor, u.digest, u.seen_at
    ON CONFLICT DO NOTHING;

  FOR arrival IN
    WITH input AS MATERIALIZED (
      SELECT nextval('part_seq') AS seq, (u.received_at AT TIME ZONE 'UTC')::date AS day, u.*
      FROM unnest(sites, receipt_ids, received_ats, occurred_ats, event_names, event_ids, digests, claims, trusts,
        has_contacts, is_bots, visitors, sealeds, sealed_clients, lead_ids, lead_sealeds, lead_flags,
        other_event_ids, other_digests) WITH ORDINALITY
        AS u (site, receipt_id, received_at, occurred_at, event_name, event_id, digest, claim, trust,
          has_contact, is_bot, visitor, sealed, sealed_client, lead_id, lead_sealed, lead_flag,
          other_event_id, other_digest, ord)
    ), wanted AS (
      SELECT site, digest, seq, day FROM input
      UNION ALL
      SELECT site, claim, seq, day FROM input WHERE claim IS NOT NULL
    ), taken AS (
      INSERT INTO event_keys AS k (site, digest, event_seq, day)
        SELECT site, digest, seq, day FROM wanted ORDER BY site, digest, seq
        ON CONFLICT DO NOTHING
        RETURNING k.event_seq AS seq
    ), counted AS (
      SELECT seq, count(*) AS keys FROM taken GROUP BY seq
    ), judged AS (
      SELECT i.*, coalesce(c.keys, 0) = 1 + (i.claim IS NOT NULL)::integer AS is_new FROM input i LEFT JOIN counted c USING (seq)
    ), stored AS (
      INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
          site, event_name, event_id, visitor, sealed, sealed_client)
        SELECT seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, lead_id IS NOT NULL,
          site, event_name, event_id, visitor, sealed, sealed_client
        FROM judged WHERE is_new
    )
    SELECT * FROM judged ORDER BY ord
  LOOP
    IF arrival.is_new THEN
      new_seqs := new_seqs || arrival.seq;
      new_days := new_days || arrival.day;
      status := 'stored';
      kept_event_id := arrival.event_id;
      event_seq := arrival.seq;
      kept_day := arrival.day;
      is_new_event := true;
      IF arrival.lead_id IS NOT NULL THEN
        PERFORM append_lead(arrival.site, arrival.lead_id, arrival.seq, arrival.day, arrival.received_at, arrival.visitor,
          arrival.lead_flag, arrival.lead_sealed);
      END IF;
    ELSE
      SELECT * INTO settled FROM append_known_part(arrival.seq, arrival.day, arrival.site, arrival.receipt_id,
        arrival.received_at, arrival.occurred_at, arrival.event_name, arrival.event_id, arrival.digest, arrival.claim,
        arrival.trust, arrival.has_contact, arrival.is_bot, arrival.visitor, arrival.sealed, arrival.sealed_client,
        arrival.lead_id, arrival.lead_sealed, arrival.lead_flag, arrival.other_event_id, arrival.other_digest);
      status := settled.status;
      kept_event_id := settled.kept_event_id;
      event_seq := settled.event_seq;
      kept_day := settled.event_day;
      is_new_event := settled.is_new_event;
      IF is_new_event THEN
        new_seqs := new_seqs || settled.event_seq;
        new_days := new_days || arrival.day;
      END IF;
    END IF;
    ord := arrival.ord;
    IF arrival.ord = ANY (subject_ords) THEN
      INSERT INTO subjects AS s (site, blind, event_seq, day)
        SELECT arrival.site, p.blind, event_seq, kept_day
        FROM unnest(subject_ords, subject_blinds) AS p (ord, blind) WHERE p.ord = arrival.ord
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NEXT;
  END LOOP;

  IF cardinality(new_seqs) > 0 THEN
    INSERT INTO unrouted_batches (event_seqs, days) VALUES (new_seqs, new_days);
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
