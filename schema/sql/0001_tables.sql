-- Up Migration

-- One row per arrival ("part"). event_seq is the seq of the event's first part; all parts of an event, its deliveries
-- and its attempts live in the partition of the UTC day on which that first part was received.
CREATE TYPE trust AS ENUM ('anonymous', 'same_site', 'signed');
CREATE TYPE delivery_state AS ENUM ('waiting', 'held', 'accepted', 'delivered', 'skipped', 'rejected');

CREATE SEQUENCE part_seq;

CREATE TABLE events (
  event_seq bigint NOT NULL,
  seq bigint NOT NULL,
  received_at timestamptz NOT NULL,
  occurred_at timestamptz NOT NULL,
  receipt_id uuid NOT NULL,           -- ours, one per arrival: recognises our own retry after an ambiguous commit
  day date NOT NULL,
  trust trust NOT NULL,
  has_contact boolean NOT NULL,       -- an e-mail or phone is in the payload: the event need not wait for the form post
  is_bot boolean NOT NULL,
  is_lead boolean NOT NULL,
  site text NOT NULL,
  event_name text NOT NULL,
  event_id text NOT NULL,
  visitor bytea,                      -- blind index of the visitor id
  sealed bytea,                       -- EventData as JSON, AES-256-GCM; null once erased
  sealed_client bytea,                -- address and user agent; null once erased or past their retention
  PRIMARY KEY (event_seq, receipt_id, day)
) PARTITION BY RANGE (day);
COMMENT ON TABLE events IS 'One row per arrival; rows with the same event_seq are parts of one event.';
-- What is sealed cannot be compressed; by itself Postgres would try for each row of more than 2 kB.
ALTER TABLE events ALTER sealed SET STORAGE EXTERNAL, ALTER sealed_client SET STORAGE EXTERNAL;

-- Which event an arrival belongs to: 16 bytes of SHA-256 over event_name and event_id, or, for the claim of a purchase
-- or refund, over event_name and transaction_id. Unique across days, so not partitioned by them.
CREATE TABLE event_keys (
  site text NOT NULL,
  digest bytea NOT NULL,
  event_seq bigint NOT NULL,
  day date NOT NULL,
  PRIMARY KEY (digest, site)          -- the digest first: it decides at the first comparison
);

-- Batches of new events that the dispatch half has not routed yet. Written with the events, deleted by the router.
CREATE TABLE unrouted_batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT now(),
  attempts smallint NOT NULL DEFAULT 0,
  retry_at timestamptz NOT NULL DEFAULT '-infinity',
  event_seqs bigint[] NOT NULL,
  days date[] NOT NULL
);
-- Gone within the second: not worth the time that compressing a batch takes.
ALTER TABLE unrouted_batches ALTER event_seqs SET STORAGE EXTERNAL, ALTER days SET STORAGE EXTERNAL;

-- A landing with click ids or a campaign: the first and the last one of a visitor make a lead's first and last touch.
CREATE TABLE touches (
  site text NOT NULL,
  visitor bytea NOT NULL,
  digest bytea NOT NULL,              -- of the click ids and campaign: a repeated landing keeps its first time
  seen_at timestamptz NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (site, visitor, digest)
);
CREATE INDEX touches_seen_at ON touches (seen_at);

CREATE TABLE leads (
  site text NOT NULL,
  lead_id text NOT NULL,
  event_seq bigint NOT NULL,
  day date NOT NULL,
  received_at timestamptz NOT NULL,
  visitor bytea,
  flags text[] NOT NULL DEFAULT '{}',
  sealed bytea,                       -- LeadData as JSON
  first_touch bytea,                  -- a copy of touches.sealed
  PRIMARY KEY (site, lead_id)
);
CREATE UNIQUE INDEX leads_event ON leads (site, event_seq);
CREATE INDEX leads_received_at ON leads (site, received_at);

-- Where a person's rows are, by the keyed blind index of a normalised e-mail or phone: for export and erasure.
CREATE TABLE subjects (
  site text NOT NULL,
  blind bytea NOT NULL,
  event_seq bigint NOT NULL,
  day date NOT NULL,
  PRIMARY KEY (site, blind, event_seq, day)
) PARTITION BY RANGE (day);

-- The settings' destinations under a narrow number; a row stays when its destination leaves the settings.
CREATE TABLE destinations (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site text NOT NULL,
  name text NOT NULL,
  type text NOT NULL,
  paused_at timestamptz,
  paused_detail text,
  credentials_digest bytea,           -- of the settings it was paused with: changed settings resume it
  UNIQUE (site, name)
);

-- One row for each event and destination. It is written twice in its life, when it is routed and when it is settled, and
-- has no index but its key, so that the second version lies on the page of the first and leaves no index entry: what
-- waits is found through `agenda`, whose verdict comes later through `attempts`. Nulls take no room, so what most
-- deliveries do not need is null for them.
CREATE TABLE deliveries (
  event_seq bigint NOT NULL,
  agenda_id bigint,                   -- waiting: the entry that it is planned in, and whoever holds that may settle it
  attempt_id bigint,                  -- the newest attempt that was settled or found to be lost
  first_attempt_id bigint,            -- the first, where it is another
  after_delivery bigint,              -- event_seq of the original that must be delivered first, at the same destination
  decided_at timestamptz,             -- when its state was reached, where no attempt's end says so
  destination_id smallint NOT NULL,
  attempts smallint NOT NULL DEFAULT 0,
  day date NOT NULL,
  state delivery_state NOT NULL,
  is_test boolean,                    -- true, or null
  reason text,
  detail text,                        -- what the network said of this event: scrubbed and cut to 500 characters
  PRIMARY KEY (event_seq, destination_id, day)
) PARTITION BY RANGE (day);

-- What waits: deliveries of one destination and day that fall due together, in one entry. A job wakes a worker for an
-- entry. Whoever takes it holds it until `wake_at`; an entry that is there after that has lost its job or its worker,
-- and is for anybody to take. It is gone when all its deliveries are settled. Those that wait on are in a new entry.
CREATE SEQUENCE agenda_id;
CREATE TABLE agenda (
  id bigint PRIMARY KEY DEFAULT nextval('agenda_id'),
  due_at timestamptz NOT NULL,
  wake_at timestamptz NOT NULL,       -- when the promoter makes a job for it
  fence bigint,                       -- of who took it last, random: whoever comes then ends what that one has begun
  destination_id smallint NOT NULL,
  events smallint NOT NULL,
  day date NOT NULL,
  is_held boolean NOT NULL DEFAULT false,
  is_isolation boolean NOT NULL,      -- they were refused together, and are tried again together
  lingers boolean NOT NULL,           -- they wait for company
  event_seqs bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- Gone within the second, mostly: not worth the time that compressing a thousand numbers takes.
ALTER TABLE agenda ALTER event_seqs SET STORAGE EXTERNAL;
CREATE INDEX agenda_wake ON agenda (destination_id, wake_at);
CREATE INDEX agenda_company ON agenda (destination_id, day, due_at, id) WHERE lingers AND fence IS NULL;

-- One request to a network. Committed as an intent before the bytes leave; ended by exactly one transaction.
CREATE SEQUENCE attempt_id;
CREATE TABLE attempts (
  id bigint NOT NULL DEFAULT nextval('attempt_id'),   -- only the worker that began it may end it, or who ends it as lost
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  verify_at timestamptz,              -- when the network is asked what became of what it accepted
  fence bigint NOT NULL,              -- of who held the entries of `agenda` that it was made for
  resend_of bigint,                   -- the attempt whose answer was lost and whose bytes this one repeats
  day date NOT NULL,
  destination_id smallint NOT NULL,
  http_status smallint,
  duration_ms integer,
  result text,                        -- delivered | accepted | rejected | retry | pause | mixed | lost
  event_seqs bigint[] NOT NULL,
  part_seqs jsonb,                    -- {event_seq: [seq …]} where an event had more than its first part
  network_trace text,                 -- the network's own request id
  network_said text,                  -- scrubbed and cut to 2,000 characters
  PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);
-- To compress a thousand numbers takes longer than all else about the row.
ALTER TABLE attempts ALTER event_seqs SET STORAGE EXTERNAL;
CREATE INDEX attempts_unended ON attempts (fence) WHERE ended_at IS NULL;
CREATE INDEX attempts_verify ON attempts (destination_id, verify_at) WHERE verify_at IS NOT NULL;

-- What could not be stored or routed: the raw bytes, sealed, with the reason. Looked at by a person; never dropped silently.
CREATE TABLE failed_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  failed_at timestamptz NOT NULL DEFAULT now(),
  site text NOT NULL,
  stage text NOT NULL,                -- append | route
  reason text NOT NULL,
  event_seq bigint,
  receipt_id uuid,
  sealed bytea
);

-- Proves that a process holds the secret that the sealed rows were written with.
CREATE TABLE key_check (
  key_id bytea PRIMARY KEY,
  proof bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Day partitions of the four partitioned tables, from a day on; the DEFAULT partition means a missing one loses no row.
-- A day whose rows already lie in the DEFAULT partition keeps them there instead of failing the rest.
CREATE FUNCTION ensure_partitions (from_day date, days integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  parent text;
  first date;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('postern.ensure_partitions'));
  FOREACH parent IN ARRAY ARRAY['events', 'deliveries', 'attempts', 'subjects'] LOOP
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I DEFAULT', parent || '_default', parent);
    FOR offset_days IN 0 .. days - 1 LOOP
      first := from_day + offset_days;
      IF to_regclass(parent || to_char(first, '_YYYYMMDD')) IS NULL THEN
        BEGIN
          -- The half of a page that routing leaves free holds the second version of each delivery: of the same size,
          -- for the settlement takes the entry and the reason out and puts the attempt in.
          EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)%s',
            parent || to_char(first, '_YYYYMMDD'), parent, first, first + 1,
            CASE WHEN parent = 'deliveries' THEN ' WITH (fillfactor = 50)' ELSE '' END);
          made := made + 1;
        EXCEPTION WHEN check_violation THEN
          RAISE WARNING 'rows of % lie in %_default; they stay there', first, parent;
        END;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date - 1, 16);

-- Down Migration

DROP FUNCTION ensure_partitions;
DROP TABLE key_check, failed_events, attempts, agenda, deliveries, destinations, subjects, leads, touches, unrouted_batches,
  event_keys, events;
DROP SEQUENCE attempt_id, agenda_id, part_seq;
DROP TYPE delivery_state, trust;
