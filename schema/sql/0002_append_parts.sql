-- Up Migration

-- Stores a batch of arrivals in one round trip: keys, parts, leads, touches, subjects and the mark "not yet routed".
-- Every array holds one element per arrival (gateway/columns.ts), except key_order and subject_*. Times are Unix seconds.
-- key_order: in which order the keys go in, as places in `digests || claims`, so that two lanes never deadlock.
-- subject_*: pairs of an arrival's index (from 1) and a blind index.
--
-- The first statements store every arrival whose keys are all new. What is left met an existing key: each such arrival is
-- settled on its own by append_known_part(). The result has a row for each of these only: whatever is not in it was
-- stored as a new event under its own id.
CREATE FUNCTION append_parts (
  may_know boolean,                   -- some of the keys may be there already
  sites text[], receipt_ids uuid[], days date[], received_at float8[], occurred_at float8[],
  event_names text[], event_ids text[], trusts trust[], has_contacts boolean[], is_bots boolean[],
  digests bytea[], claims bytea[], key_order integer[], visitors bytea[], sealed bytea[], sealed_clients bytea[],
  touch_at float8[], touch_digests bytea[], sealed_touches bytea[],
  lead_ids text[], lead_flags text[], sealed_leads bytea[], other_event_ids text[], other_digests bytea[],
  subject_ords integer[], subject_blinds bytea[]
) RETURNS TABLE (ord integer, status text, kept_event_id text, is_new_event boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  size integer := cardinality(sites);
  keys bytea[] := digests || claims;
  seqs bigint[] := ARRAY(SELECT nextval('part_seq') FROM generate_series(1, size));
  all_new boolean := false;
  taken bigint[];
  news boolean[];                     -- NULL: all are new
  kept_seqs bigint[] := seqs;
  kept_days date[] := days;
  routed_seqs bigint[] := seqs;
  routed_days date[] := days;
  settled record;
  i integer;
BEGIN
  IF cardinality(array_remove(touch_at, NULL)) > 0 THEN
    INSERT INTO touches (site, visitor, digest, seen_at, sealed)
      SELECT DISTINCT ON (1, 2, 3) sites[o], visitors[o], touch_digests[o], to_timestamp(touch_at[o]), sealed_touches[o]
      FROM generate_series(1, size) AS o
      WHERE touch_at[o] IS NOT NULL AND visitors[o] IS NOT NULL
      ORDER BY 1, 2, 3, touch_at[o]
      ON CONFLICT DO NOTHING;
  END IF;

  -- To look for a key costs as much as to insert it, so it is looked for only when it may be there. Should one be there
  -- though nobody knew, the rows of this first try are taken back, and it is as if it had not been.
  IF NOT may_know THEN
    BEGIN
      INSERT INTO event_keys (site, digest, event_seq, day)
        SELECT sites[o], keys[place], seqs[o], days[o]
        FROM unnest(key_order) AS place, LATERAL (SELECT (place - 1) % size + 1) AS p (o);
      all_new := true;
    EXCEPTION WHEN unique_violation THEN
      NULL;
    END;
  END IF;

  IF NOT all_new THEN
    WITH inserted AS (
      INSERT INTO event_keys AS k (site, digest, event_seq, day)
        SELECT sites[o], keys[place], seqs[o], days[o]
        FROM unnest(key_order) AS place, LATERAL (SELECT (place - 1) % size + 1) AS p (o)
        ON CONFLICT DO NOTHING
        RETURNING k.event_seq AS seq
    )
    SELECT array_agg(seq) INTO taken FROM inserted;

    IF coalesce(cardinality(taken), 0) < cardinality(key_order) THEN
      news := ARRAY(
        SELECT coalesce(c.keys, 0) = 1 + (claims[u.ord] IS NOT NULL)::integer
        FROM unnest(seqs) WITH ORDINALITY AS u (seq, ord)
        LEFT JOIN (SELECT t.seq, count(*) AS keys FROM unnest(taken) AS t (seq) GROUP BY t.seq) AS c USING (seq)
        ORDER BY u.ord);
      SELECT coalesce(array_agg(u.seq), '{}'), coalesce(array_agg(u.day), '{}') INTO routed_seqs, routed_days
        FROM unnest(seqs, days, news) AS u (seq, day, is_new) WHERE u.is_new;
    END IF;
  END IF;

  INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, visitor, sealed, sealed_client)
    SELECT seqs[o], seqs[o], to_timestamp(received_at[o]), to_timestamp(occurred_at[o]), receipt_ids[o], days[o],
      trusts[o], has_contacts[o], is_bots[o], lead_ids[o] IS NOT NULL, sites[o], event_names[o], event_ids[o],
      visitors[o], sealed[o], sealed_clients[o]
    FROM generate_series(1, size) AS o
    WHERE news[o] IS NOT FALSE;

  IF news IS NOT NULL OR cardinality(array_remove(lead_ids, NULL)) > 0 THEN
    -- In the order of their keys, so that two lanes that bring leads to the same events never wait for each other in a
    -- circle. Those with a claim come first and as they came: each may depend on what an earlier one made of its claim.
    FOR i IN
      SELECT o FROM generate_series(1, size) AS o
      ORDER BY claims[o] IS NULL, CASE WHEN claims[o] IS NULL THEN digests[o] END,
        CASE WHEN claims[o] IS NULL THEN sites[o] END, o
    LOOP
      IF news[i] IS NOT FALSE THEN
        IF lead_ids[i] IS NOT NULL THEN
          PERFORM append_lead(sites[i], lead_ids[i], seqs[i], days[i], to_timestamp(received_at[i]), visitors[i],
            lead_flags[i], sealed_leads[i]);
        END IF;
        CONTINUE;
      END IF;
      SELECT * INTO settled FROM append_known_part(seqs[i], days[i], sites[i], receipt_ids[i],
        to_timestamp(received_at[i]), to_timestamp(occurred_at[i]), event_names[i], event_ids[i], digests[i], claims[i],
        trusts[i], has_contacts[i], is_bots[i], visitors[i], sealed[i], sealed_clients[i],
        lead_ids[i], sealed_leads[i], lead_flags[i], other_event_ids[i], other_digests[i]);
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
    INSERT INTO subjects (site, blind, event_seq, day)
      SELECT sites[p.ord], p.blind, kept_seqs[p.ord], kept_days[p.ord]
      FROM unnest(subject_ords, subject_blinds) AS p (ord, blind)
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
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
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
