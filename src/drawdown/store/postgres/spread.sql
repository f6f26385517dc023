-- What is asked only where the tables are spread: each statement is about one group, named by its slots.

-- name: group_due_wallets
SELECT book, customer, entitlement FROM wallet
WHERE slot = ANY ($3::int[]) AND next_due_at <= $1 AND clock IS NULL
ORDER BY next_due_at LIMIT $2

-- name: group_uncounted_wallets
SELECT book, customer FROM wallet
WHERE slot = ANY ($6::int[]) AND (slot, customer) > ($1, $2) AND entitlement = $3
  AND next_due_at IS NOT NULL AND position($4 IN coalesce(watch, '')) = 0
ORDER BY slot, customer LIMIT $5

-- What an event's id or a document's name leads to may be there though nobody came back to say so.
-- name: group_prunable_claims
SELECT slot, book, space, key FROM claim
WHERE slot = ANY ($3::int[]) AND created_at < $1 AND (answer IS NOT NULL OR askers IS NOT NULL)
  AND space <> 'usage.event' AND space NOT LIKE 'document.%'
ORDER BY created_at LIMIT $2

-- name: group_prune_claims
DELETE FROM claim c USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[])
  AS u (slot, book, space, key)
WHERE c.slot = ANY ($5::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND (c.answer IS NOT NULL OR c.askers IS NOT NULL)

-- A claim without an answer has its askers counted: the last to leave frees the key.

-- name: open_claims
INSERT INTO claim (slot, book, space, key, created_at, fingerprint, target, askers)
SELECT u.slot, u.book, u.space, u.key, u.created_at, u.fingerprint, u.target, 1
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::uuid[])
  AS u (slot, book, space, key, created_at, fingerprint, target)
WHERE u.slot = ANY ($8::int[])
ON CONFLICT (slot, book, space, key) DO UPDATE SET askers = claim.askers + 1
WHERE claim.answer IS NULL AND claim.fingerprint = excluded.fingerprint
RETURNING book, space, key, target

-- name: close_claim
UPDATE claim SET status = $6, answer = $7, request_id = $8
WHERE slot = $1 AND book = $2 AND space = $3 AND key = $4 AND target = $5 AND answer IS NULL

-- What a claim leads to is there: from now on it is a name like any other.
-- name: keep_claims
UPDATE claim c SET askers = NULL, fingerprint = NULL
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS u (slot, book, space, key, target)
WHERE c.slot = ANY ($6::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND c.target = u.target AND c.answer IS NULL

-- name: leave_claims
UPDATE claim c SET askers = c.askers - 1
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS u (slot, book, space, key, target)
WHERE c.slot = ANY ($6::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND c.target = u.target AND c.answer IS NULL

-- name: free_claims
DELETE FROM claim c
USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS u (slot, book, space, key, target)
WHERE c.slot = ANY ($6::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND c.target = u.target AND c.answer IS NULL AND c.askers = 0

-- name: release_claims
DELETE FROM claim c
USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS u (slot, book, space, key, target)
WHERE c.slot = ANY ($6::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND c.target = u.target AND c.answer IS NULL

-- What verify walks, of one group ---------------------------------------------------------------------

-- name: group_count_wallets
SELECT count(*) FROM wallet WHERE slot = ANY ($1::int[])

-- name: group_count_entries
SELECT count(*) FROM entry WHERE slot = ANY ($1::int[])

-- name: group_next_wallets
SELECT w.customer, w.entitlement, e.code, e.scale, w.created_at, w.posted, w.pending, w.held, w.overage, w.granted, w.used, w.expired, w.voided,
  w.open_grants, w.open_holds, w.seq, w.chain, w.last_at, w.next_due_at, w.overage_rule, w.watch
FROM wallet w LEFT JOIN entitlement e ON e.id = w.entitlement
WHERE w.slot = ANY ($5::int[]) AND (w.slot, w.customer, w.entitlement) > ($1, $2, $3)
ORDER BY w.slot, w.customer, w.entitlement LIMIT $4

-- name: group_count_stray_entries
SELECT count(*)
FROM entry e
LEFT JOIN operation o ON o.slot = e.slot AND o.id = e.operation AND o.slot = ANY ($1::int[])
WHERE e.slot = ANY ($1::int[]) AND o.id IS NULL

-- name: group_count_wrong_operations
SELECT count(*)
FROM operation o
LEFT JOIN (
  SELECT slot, operation, count(*) AS kept FROM entry WHERE slot = ANY ($1::int[])
  GROUP BY slot, operation) e
  ON e.slot = o.slot AND e.operation = o.id
WHERE o.slot = ANY ($1::int[]) AND coalesce(e.kept, 0) <> (
  SELECT coalesce(sum((s.value ->> 1)::bigint), 0) FROM jsonb_each(o.spans::jsonb) s)

-- name: group_count_stray_holds
SELECT count(*) FROM hold WHERE slot = ANY ($1::int[]) AND state <> 'open' AND held <> 0

-- name: group_walk_claims
SELECT slot, book, space, key, target, answer IS NOT NULL, octet_length(fingerprint) > 0
FROM claim WHERE slot = ANY ($6::int[]) AND (slot, book, space, key) > ($1, $2, $3, $4)
ORDER BY slot, book, space, key LIMIT $5

-- name: group_next_events
SELECT id, customer, book, own_id, name, time, recorded_at, properties, charges, overridden_by, revision
FROM usage_event WHERE slot = ANY ($5::int[]) AND (slot, customer, id) > ($1, $2, $3)
ORDER BY slot, customer, id LIMIT $4

-- name: group_count_stray_counts
SELECT count(*) FROM usage_count c
WHERE c.slot = ANY ($1::int[]) AND NOT EXISTS (
  SELECT 1 FROM usage_event e
  WHERE e.slot = ANY ($1::int[]) AND e.slot = c.slot AND e.customer = c.customer)

-- name: group_count_wrong_events
SELECT count(*)
FROM usage_event e
LEFT JOIN (
  SELECT slot, operation, sum(amount) FILTER (WHERE kind = 'debited') AS drawn,
    sum(amount) FILTER (WHERE kind = 'overage_charged') AS overage
  FROM entry WHERE slot = ANY ($1::int[])
  GROUP BY slot, operation) d
  ON d.slot = e.slot AND d.operation = e.id
WHERE e.slot = ANY ($1::int[]) AND e.revision = 0 AND (coalesce(d.drawn, 0), coalesce(d.overage, 0)) <> (
    SELECT coalesce(sum((c.value ->> 5)::bigint), 0), coalesce(sum((c.value ->> 6)::bigint), 0)
    FROM jsonb_array_elements(e.charges::jsonb) c)
