-- Every statement names the slots of what it touches, as arrays, so that one statement does for a whole
-- batch and stays on one machine where the tables are spread. The last argument of those that take
-- arrays is the distinct slots among them. A join marked "shard" finds what is there anyway, and is only to
-- tell where that is: on one server it is left out.

-- What is loaded for a batch --------------------------------------------------------------------------

-- name: find_name
SELECT c.book, c.space, c.key, c.target
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) AS u (slot, book, space, key)
JOIN claim c ON c.slot = u.slot AND c.book = u.book AND c.space = u.space AND c.key = u.key
WHERE c.slot = ANY ($5::int[])

-- name: find_claim
SELECT c.book, c.space, c.key, c.created_at, c.fingerprint, c.target, c.status, c.answer, c.request_id
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) AS u (slot, book, space, key)
JOIN claim c ON c.slot = u.slot AND c.book = u.book AND c.space = u.space AND c.key = u.key
WHERE c.slot = ANY ($5::int[])

-- name: find_customer
SELECT c.id, c.book, c.created_at, c.own_id, c.name, c.email, c.metadata, c.profiles, c.closed_at,
  c.test_clock
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN customer c ON c.slot = u.slot AND c.id = u.id
WHERE c.slot = ANY ($3::int[])

-- name: find_entitlement
SELECT id, book, created_at, updated_at, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE id = ANY ($1::uuid[])

-- Read to be changed: by one at a time, and as it is.
-- name: lock_entitlement
SELECT id, book, created_at, updated_at, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE

-- Read to be changed.
-- name: lock_customer
SELECT c.id, c.book, c.created_at, c.own_id, c.name, c.email, c.metadata, c.profiles, c.closed_at,
  c.test_clock
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN customer c ON c.slot = u.slot AND c.id = u.id
WHERE c.slot = ANY ($3::int[])
ORDER BY c.id
FOR UPDATE OF c

-- name: find_document
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN document d ON d.slot = u.slot AND d.id = u.id
WHERE d.slot = ANY ($3::int[])

-- They change with their wallet locked, and only so.
-- name: standing_documents
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN document d ON d.slot = u.slot AND d.owner = u.customer AND d.entitlement = u.entitlement
WHERE d.slot = ANY ($4::int[])

-- Read to be changed.
-- name: lock_document
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN document d ON d.slot = u.slot AND d.id = u.id
WHERE d.slot = ANY ($3::int[])
ORDER BY d.id
FOR UPDATE OF d

-- name: find_alert
SELECT a.id, a.owner, a.book, a.entitlement, a.rule, a.metadata, a.created_at, a.closed_at, a.meter
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN alert a ON a.slot = u.slot AND a.id = u.id
WHERE a.slot = ANY ($3::int[])

-- name: top_up_wallet
SELECT t.id, t.customer, t.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN top_up t ON t.slot = u.slot AND t.id = u.id
WHERE t.slot = ANY ($3::int[])

-- name: top_up_request_wallet
SELECT r.id, r.customer, r.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN top_up_request r ON r.slot = u.slot AND r.id = u.id
WHERE r.slot = ANY ($3::int[])

-- name: find_top_up
SELECT t.id, t.customer, t.entitlement, t.closed_at, t.terms, w.watch
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN top_up t ON t.slot = u.slot AND t.id = u.id
JOIN wallet w ON w.slot = t.slot AND w.customer = t.customer AND w.entitlement = t.entitlement
WHERE t.slot = ANY ($3::int[]) AND w.slot = ANY ($3::int[])

-- name: find_top_up_request
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN top_up_request r ON r.slot = u.slot AND r.id = u.id
WHERE r.slot = ANY ($3::int[])

-- name: lock_wallet
SELECT w.customer, w.entitlement, w.created_at, w.posted, w.pending, w.held, w.overage, w.granted, w.used, w.expired, w.voided,
  w.open_grants, w.open_holds, w.seq, w.chain, w.last_at, w.next_due_at, w.overage_rule,
  w.watch, c.book, c.created_at, c.own_id, c.name, c.email, c.metadata, c.profiles, c.closed_at, c.test_clock
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement
JOIN customer c ON c.slot = w.slot AND c.id = w.customer
WHERE w.slot = ANY ($4::int[]) AND c.slot = ANY ($4::int[])
ORDER BY w.slot, w.customer, w.entitlement
FOR UPDATE OF w

-- name: find_wallet
SELECT w.customer, w.entitlement, w.created_at, w.posted, w.pending, w.held, w.overage, w.granted, w.used, w.expired, w.voided,
  w.open_grants, w.open_holds, w.seq, w.chain, w.last_at, w.next_due_at, w.overage_rule,
  w.watch
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement
WHERE w.slot = ANY ($4::int[])

-- name: customer_wallets
SELECT w.customer, w.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, customer)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer
WHERE w.slot = ANY ($3::int[])
ORDER BY w.customer, w.entitlement

-- name: grant_wallet
SELECT g.id, g.customer, g.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN credit_grant g ON g.slot = u.slot AND g.id = u.id
WHERE g.slot = ANY ($3::int[])

-- name: hold_wallet
SELECT h.id, h.customer, h.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN hold h ON h.slot = u.slot AND h.id = u.id
WHERE h.slot = ANY ($3::int[])

-- name: debit_wallets
SELECT o.id, o.customer, o.entitlement, o.spans
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN operation o ON o.slot = u.slot AND o.id = u.id
WHERE o.slot = ANY ($3::int[])

-- name: find_grant
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN credit_grant g ON g.slot = u.slot AND g.id = u.id
WHERE g.slot = ANY ($3::int[])

-- name: first_grants
SELECT w.customer, w.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
CROSS JOIN LATERAL (
  SELECT * FROM credit_grant f
  WHERE f.slot = w.slot AND f.customer = w.customer AND f.entitlement = w.entitlement AND f.active
    AND f.slot = ANY ($5::int[])
  ORDER BY f.priority, f.burn_expires, f.burn_paid, f.effective_at, f.recorded_at, f.id
  LIMIT $4) g
WHERE w.slot = ANY ($5::int[])

-- name: due_grants
SELECT w.customer, w.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
JOIN credit_grant g ON g.slot = w.slot AND g.customer = w.customer AND g.entitlement = w.entitlement
  AND g.due_at <= u.at
WHERE w.slot = ANY ($5::int[]) AND g.slot = ANY ($5::int[])

-- name: late_grants
SELECT w.customer, w.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
JOIN credit_grant g ON g.slot = w.slot AND g.customer = w.customer AND g.entitlement = w.entitlement
  AND g.expired_at > u.at AND g.expired > 0
WHERE w.slot = ANY ($5::int[]) AND g.slot = ANY ($5::int[])

-- name: next_due_grant
SELECT w.customer, w.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
CROSS JOIN LATERAL (
  SELECT * FROM credit_grant f
  WHERE f.slot = w.slot AND f.customer = w.customer AND f.entitlement = w.entitlement
    AND f.due_at > u.at AND f.slot = ANY ($5::int[])
  ORDER BY f.due_at LIMIT 1) g
WHERE w.slot = ANY ($5::int[])

-- name: find_hold
SELECT h.customer, h.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state, h.created_at, h.recorded_at,
  h.expires_at, h.ended_at, h.attributes, h.metadata
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN hold h ON h.slot = u.slot AND h.id = u.id
WHERE h.slot = ANY ($3::int[])

-- name: schedule_wallet
SELECT s.id, s.customer, s.entitlement
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN schedule s ON s.slot = u.slot AND s.id = u.id
WHERE s.slot = ANY ($3::int[])

-- name: find_schedule
SELECT s.customer, s.entitlement, s.id, s.state, s.amount, s.change, s.cycle, s.cycle_at, s.next_at,
  s.ends_at, s.ended_at, s.updated_at, s.created_at, s.recorded_at, s.terms, s.overage_rule
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN schedule s ON s.slot = u.slot AND s.id = u.id
WHERE s.slot = ANY ($3::int[])

-- name: live_schedules
SELECT s.customer, s.entitlement, s.id, s.state, s.amount, s.change, s.cycle, s.cycle_at, s.next_at,
  s.ends_at, s.ended_at, s.updated_at, s.created_at, s.recorded_at, s.terms, s.overage_rule
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN schedule s ON s.slot = u.slot AND s.customer = u.customer AND s.entitlement = u.entitlement AND s.live
WHERE s.slot = ANY ($4::int[])

-- name: schedule_grants
SELECT w.customer, w.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, customer, entitlement)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
JOIN schedule s ON s.slot = w.slot AND s.customer = w.customer AND s.entitlement = w.entitlement AND s.live
JOIN credit_grant g ON g.slot = s.slot AND g.customer = s.customer AND g.entitlement = s.entitlement
  AND g.schedule = s.id AND g.active
WHERE w.slot = ANY ($4::int[]) AND s.slot = ANY ($4::int[]) AND g.slot = ANY ($4::int[])

-- name: due_holds
SELECT w.customer, w.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state, h.created_at, h.recorded_at,
  h.expires_at, h.ended_at, h.attributes, h.metadata
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
JOIN hold h ON h.slot = w.slot AND h.customer = w.customer AND h.entitlement = w.entitlement
  AND h.due_at <= u.at
WHERE w.slot = ANY ($5::int[]) AND h.slot = ANY ($5::int[])

-- name: next_due_hold
SELECT w.customer, w.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state, h.created_at, h.recorded_at,
  h.expires_at, h.ended_at, h.attributes, h.metadata
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
CROSS JOIN LATERAL (
  SELECT * FROM hold f
  WHERE f.slot = w.slot AND f.customer = w.customer AND f.entitlement = w.entitlement
    AND f.due_at > u.at AND f.slot = ANY ($5::int[])
  ORDER BY f.due_at LIMIT 1) h
WHERE w.slot = ANY ($5::int[])

-- name: find_keys
SELECT o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at, o.subject, o.facts, o.changed,
  o.namespace, o.key, o.status, o.answer, o.spans
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::bytea[]) AS u (slot, customer, namespace, key)
JOIN operation o ON o.slot = u.slot AND o.customer = u.customer AND o.namespace = u.namespace
  AND o.key = u.key
WHERE o.slot = ANY ($5::int[])

-- name: find_operation
SELECT o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at, o.subject, o.facts, o.changed,
  o.namespace, o.key, o.status, o.answer, o.spans
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN operation o ON o.slot = u.slot AND o.id = u.id
WHERE o.slot = ANY ($3::int[])

-- name: entries_of_operation
SELECT e.customer, e.entitlement, e.operation, e.ordinal, e.seq, e.grant_id, e.kind, e.amount, e.posted_before, e.posted_after,
  e.held_before, e.held_after, e.overage_before, e.overage_after, e.grant_before, e.grant_after,
  e.at, e.recorded_at, e.hash, e.order_key
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[])
  AS u (slot, customer, entitlement, first, past)
JOIN entry e ON e.slot = u.slot AND e.customer = u.customer AND e.entitlement = u.entitlement
  AND e.seq >= u.first AND e.seq < u.past
WHERE e.slot = ANY ($6::int[])
ORDER BY e.operation, e.ordinal

-- name: open_repayments
SELECT w.customer, w.entitlement, r.seq, r.grant_id, r.amount, r.returned
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, entitlement, after)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
CROSS JOIN LATERAL (
  SELECT * FROM repayment f
  WHERE f.slot = w.slot AND f.customer = w.customer AND f.entitlement = w.entitlement
    AND f.seq > u.after AND f.returned < f.amount AND f.slot = ANY ($6::int[])
  ORDER BY f.seq LIMIT $5) r
WHERE w.slot = ANY ($6::int[])

-- name: find_reversals
SELECT r.debit, r.entitlement, r.reversed
FROM unnest($1::int[], $2::uuid[]) AS u (slot, debit)
JOIN reversal r ON r.slot = u.slot AND r.debit = u.debit
WHERE r.slot = ANY ($3::int[])

-- What a batch writes ---------------------------------------------------------------------------------

-- name: insert_customer
INSERT INTO customer (slot, id, book, own_id, name, email, metadata, profiles, created_at,
  closed_at, test_clock)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
  $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::uuid[]) AS u (slot, id, book, own_id,
  name, email, metadata, profiles, created_at, closed_at, test_clock)
WHERE u.slot = ANY ($12::int[])

-- name: insert_entitlement
INSERT INTO entitlement (id, book, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, created_at, updated_at, closed_at, shortfall,
  late_usage_grace, alerts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

-- name: amend_entitlement
UPDATE entitlement SET name = $1, unit = $2, expires_after_days = $3, overage = $4, alerts = $5,
  profiles = $6, shortfall = $7, late_usage_grace = $8, closed_at = $9, updated_at = $10
WHERE id = $11

-- name: amend_customer
UPDATE customer c SET name = u.name, email = u.email, metadata = u.metadata, profiles = u.profiles,
  closed_at = u.closed_at, test_clock = u.test_clock
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::uuid[])
  AS u (slot, id, name, email, metadata, profiles, closed_at, test_clock)
WHERE c.slot = ANY ($9::int[]) AND c.slot = u.slot AND c.id = u.id

-- name: release_name
DELETE FROM claim c USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[])
  AS u (slot, book, space, key)
WHERE c.slot = ANY ($5::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key

-- name: insert_claim
INSERT INTO claim (slot, book, space, key, created_at, fingerprint, target, status, answer,
  request_id)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bytea[],
  $7::uuid[], $8::int[], $9::bytea[], $10::text[]) AS u (slot, book, space, key, created_at,
  fingerprint, target, status, answer, request_id)
WHERE u.slot = ANY ($11::int[])

-- name: insert_wallet
INSERT INTO wallet (slot, customer, entitlement, book, created_at, posted, pending, held, overage,
  granted, used, expired, voided, open_grants, open_holds, seq, chain, last_at, next_due_at,
  overage_rule)
SELECT c.slot, u.customer, u.entitlement, u.book, u.created_at, u.posted, u.pending, u.held,
  u.overage, u.granted, u.used, u.expired, u.voided, u.open_grants, u.open_holds, u.seq, u.chain,
  u.last_at, u.next_due_at, u.overage_rule
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
  $14::int[], $15::int[], $16::bigint[], $17::bytea[], $18::bigint[], $19::bigint[],
  $20::text[]) AS u (slot, customer, entitlement, book, created_at, posted, pending, held, overage, granted,
  used, expired, voided, open_grants, open_holds, seq, chain, last_at, next_due_at, overage_rule)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
WHERE c.slot = ANY ($21::int[])

-- name: update_wallet
UPDATE wallet w SET posted = u.posted, pending = u.pending, held = u.held, overage = u.overage,
  granted = u.granted, used = u.used, expired = u.expired, voided = u.voided, open_grants =
  u.open_grants, open_holds = u.open_holds, seq = u.seq, chain = u.chain, last_at = u.last_at,
  next_due_at = u.next_due_at, overage_rule = u.overage_rule
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::int[], $13::int[],
  $14::bigint[], $15::bytea[], $16::bigint[], $17::bigint[], $18::text[]) AS u (slot, customer,
  entitlement, posted, pending, held, overage, granted, used, expired, voided, open_grants, open_holds, seq,
  chain, last_at, next_due_at, overage_rule)
WHERE w.slot = ANY ($19::int[]) AND w.slot = u.slot AND w.customer = u.customer AND w.entitlement =
  u.entitlement

-- name: draw_wallet
UPDATE wallet w SET posted = u.posted, held = u.held, used = u.used, open_grants = u.open_grants,
  seq = u.seq, chain = u.chain, last_at = u.last_at
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[],
  $8::bigint[], $9::bytea[], $10::bigint[]) AS u (slot, customer, entitlement, posted, held, used,
  open_grants, seq, chain, last_at)
WHERE w.slot = ANY ($11::int[]) AND w.slot = u.slot AND w.customer = u.customer AND w.entitlement =
  u.entitlement

-- name: insert_grant
INSERT INTO credit_grant (slot, customer, entitlement, id, book, amount, remaining, used, expired,
  voided, rolled_over, held, priority, category, effective_at, expires_at, recorded_at, created_at,
  updated_at, pending, drawn, expired_at, voided_at, source, parent, cost_amount, cost_currency, name, scope,
  metadata, profiles, schedule, generation, rollover, active, burn_expires, burn_paid, due_at)
SELECT w.slot, u.customer, u.entitlement, u.id, u.book, u.amount, u.remaining, u.used, u.expired,
  u.voided, u.rolled_over, u.held, u.priority, u.category, u.effective_at, u.expires_at, u.recorded_at,
  u.created_at, u.updated_at, u.pending, u.drawn, u.expired_at, u.voided_at, u.source, u.parent,
  u.cost_amount, u.cost_currency, u.name, u.scope, u.metadata, u.profiles, u.schedule, u.generation, u.rollover, u.active, u.burn_expires,
  u.burn_paid, u.due_at
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::int[], $14::text[],
  $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::boolean[],
  $21::boolean[], $22::bigint[], $23::bigint[], $24::text[], $25::uuid[], $26::bigint[], $27::text[],
  $28::text[], $29::text[], $30::text[], $31::text[], $32::uuid[], $33::int[], $34::text[], $35::boolean[],
  $36::bigint[], $37::boolean[], $38::bigint[]) AS u (slot, customer, entitlement, id, book, amount, remaining, used, expired,
  voided, rolled_over, held, priority, category, effective_at, expires_at, recorded_at, created_at,
  updated_at, pending, drawn, expired_at, voided_at, source, parent, cost_amount, cost_currency, name, scope,
  metadata, profiles, schedule, generation, rollover, active, burn_expires, burn_paid, due_at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($39::int[])

-- name: draw_grant
UPDATE credit_grant g SET remaining = u.remaining, used = u.used, held = u.held, drawn = u.drawn
FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[]) AS u
  (slot, id, remaining, used, held, drawn)
WHERE g.slot = ANY ($7::int[]) AND g.slot = u.slot AND g.id = u.id

-- name: update_grant
UPDATE credit_grant g SET remaining = u.remaining, used = u.used, expired = u.expired, voided =
  u.voided, rolled_over = u.rolled_over, held = u.held, expires_at = u.expires_at, updated_at = u.updated_at, pending =
  u.pending, drawn = u.drawn, expired_at = u.expired_at, voided_at = u.voided_at, metadata =
  u.metadata, active = u.active, burn_expires = u.burn_expires, due_at = u.due_at
FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::boolean[], $13::bigint[],
  $14::bigint[], $15::text[], $16::boolean[], $17::bigint[], $18::bigint[]) AS u (slot, id,
  remaining, used, expired, voided, rolled_over, held, expires_at, updated_at, pending, drawn, expired_at,
  voided_at, metadata, active, burn_expires, due_at)
WHERE g.slot = ANY ($19::int[]) AND g.slot = u.slot AND g.id = u.id

-- name: insert_schedule
INSERT INTO schedule (slot, customer, entitlement, id, book, state, amount, change, cycle, cycle_at, next_at,
  ends_at, ended_at, updated_at, live, overage_rule, created_at, recorded_at, terms)
SELECT w.slot, u.customer, u.entitlement, u.id, u.book, u.state, u.amount, u.change, u.cycle, u.cycle_at,
  u.next_at, u.ends_at, u.ended_at, u.updated_at, u.live, u.overage_rule, u.created_at, u.recorded_at,
  u.terms
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[],
  $8::bigint[], $9::int[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
  $15::boolean[], $16::text[], $17::bigint[], $18::bigint[], $19::text[]) AS u (slot, customer, entitlement,
  id, book, state, amount, change, cycle, cycle_at, next_at, ends_at, ended_at, updated_at, live,
  overage_rule, created_at, recorded_at, terms)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($20::int[])

-- name: update_schedule
UPDATE schedule s SET state = u.state, amount = u.amount, change = u.change, cycle = u.cycle,
  cycle_at = u.cycle_at, next_at = u.next_at, ends_at = u.ends_at, ended_at = u.ended_at,
  updated_at = u.updated_at, live = u.live, overage_rule = u.overage_rule
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[], $13::text[]) AS u (slot, id,
  state, amount, change, cycle, cycle_at, next_at, ends_at, ended_at, updated_at, live, overage_rule)
WHERE s.slot = ANY ($14::int[]) AND s.slot = u.slot AND s.id = u.id

-- name: insert_hold
INSERT INTO hold (slot, customer, entitlement, id, book, amount, held, captured, slices, state,
  created_at, recorded_at, expires_at, ended_at, attributes, metadata, due_at)
SELECT w.slot, u.customer, u.entitlement, u.id, u.book, u.amount, u.held, u.captured, u.slices,
  u.state, u.created_at, u.recorded_at, u.expires_at, u.ended_at, u.attributes, u.metadata, u.due_at
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
  $15::text[], $16::text[], $17::bigint[]) AS u (slot, customer, entitlement, id, book, amount,
  held, captured, slices, state, created_at, recorded_at, expires_at, ended_at, attributes,
  metadata, due_at)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($18::int[])

-- name: update_hold
UPDATE hold h SET held = u.held, captured = u.captured, slices = u.slices, state = u.state,
  expires_at = u.expires_at, ended_at = u.ended_at, due_at = u.due_at
FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
  $8::bigint[], $9::bigint[]) AS u (slot, id, held, captured, slices, state, expires_at, ended_at,
  due_at)
WHERE h.slot = ANY ($10::int[]) AND h.slot = u.slot AND h.id = u.id

-- name: insert_operation
INSERT INTO operation (slot, id, customer, entitlement, kind, at, recorded_at, subject, facts,
  changed, namespace, key, status, answer, spans)
SELECT c.slot, u.id, u.customer, u.entitlement, u.kind, u.at, u.recorded_at, u.subject, u.facts,
  u.changed, u.namespace, u.key, u.status, u.answer, u.spans
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[],
  $8::uuid[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::int[], $14::bytea[],
  $15::text[]) AS u (slot, id, customer, entitlement, kind, at, recorded_at, subject, facts,
  changed, namespace, key, status, answer, spans)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
WHERE c.slot = ANY ($16::int[])

-- name: insert_entry
INSERT INTO entry (slot, customer, entitlement, operation, ordinal, seq, grant_id, kind, amount,
  posted_before, posted_after, held_before, held_after, overage_before, overage_after, grant_before,
  grant_after, at, recorded_at, hash, order_key)
SELECT w.slot, u.customer, u.entitlement, u.operation, u.ordinal, u.seq, u.grant_id, u.kind,
  u.amount, u.posted_before, u.posted_after, u.held_before, u.held_after, u.overage_before,
  u.overage_after, u.grant_before, u.grant_after, u.at, u.recorded_at, u.hash, u.order_key
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::bigint[], $7::uuid[],
  $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
  $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],
  $20::bytea[], $21::text[]) AS u (slot, customer, entitlement, operation, ordinal, seq, grant_id,
  kind, amount, posted_before, posted_after, held_before, held_after, overage_before, overage_after,
  grant_before, grant_after, at, recorded_at, hash, order_key)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($22::int[])

-- name: set_watch
UPDATE wallet w SET watch = u.watch
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[]) AS u (slot, customer, entitlement, watch)
WHERE w.slot = ANY ($5::int[]) AND w.slot = u.slot AND w.customer = u.customer
  AND w.entitlement = u.entitlement

-- name: insert_alert
INSERT INTO alert (slot, id, owner, book, entitlement, rule, metadata, created_at, closed_at, meter)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
  $8::bigint[], $9::bigint[], $10::uuid[])
  AS u (slot, id, owner, book, entitlement, rule, metadata, created_at, closed_at, meter)
WHERE u.slot = ANY ($11::int[])

-- name: insert_document
INSERT INTO document (slot, id, book, owner, kind, body, revision, created_at, updated_at, deleted_at,
  entitlement, due_at)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::uuid[], $12::bigint[])
  AS u (slot, id, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at)
WHERE u.slot = ANY ($13::int[])

-- name: change_document
UPDATE document d SET body = u.body, revision = u.revision, updated_at = u.updated_at, deleted_at = u.deleted_at,
  entitlement = u.entitlement, due_at = u.due_at
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::uuid[], $8::bigint[])
  AS u (slot, id, body, revision, updated_at, deleted_at, entitlement, due_at)
WHERE d.slot = ANY ($9::int[]) AND d.slot = u.slot AND d.id = u.id

-- name: close_alert
UPDATE alert a SET closed_at = u.closed_at
FROM unnest($1::int[], $2::uuid[], $3::bigint[]) AS u (slot, id, closed_at)
WHERE a.slot = ANY ($4::int[]) AND a.slot = u.slot AND a.id = u.id

-- name: insert_top_up
INSERT INTO top_up (slot, customer, entitlement, id, book, closed_at, terms)
SELECT w.slot, u.customer, u.entitlement, u.id, u.book, u.closed_at, u.terms
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[])
  AS u (slot, customer, entitlement, id, book, closed_at, terms)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($8::int[])

-- name: close_top_up
UPDATE top_up t SET closed_at = u.closed_at
FROM unnest($1::int[], $2::uuid[], $3::bigint[]) AS u (slot, id, closed_at)
WHERE t.slot = ANY ($4::int[]) AND t.slot = u.slot AND t.id = u.id

-- name: insert_top_up_request
INSERT INTO top_up_request (slot, customer, entitlement, id, book, top_up, amount, available, cost_amount,
  cost_currency, requested_at, recorded_at, expires_at, state, ended_at, reference, reason, grant_id)
SELECT w.slot, u.customer, u.entitlement, u.id, u.book, u.top_up, u.amount, u.available, u.cost_amount,
  u.cost_currency, u.requested_at, u.recorded_at, u.expires_at, u.state, u.ended_at, u.reference, u.reason, u.grant_id
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[], $16::text[],
  $17::text[], $18::uuid[])
  AS u (slot, customer, entitlement, id, book, top_up, amount, available, cost_amount, cost_currency, requested_at,
    recorded_at, expires_at, state, ended_at, reference, reason, grant_id)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($19::int[])

-- name: end_top_up_request
UPDATE top_up_request r SET state = u.state, ended_at = u.ended_at, reference = u.reference, reason = u.reason,
  grant_id = u.grant_id
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::uuid[])
  AS u (slot, id, state, ended_at, reference, reason, grant_id)
WHERE r.slot = ANY ($8::int[]) AND r.slot = u.slot AND r.id = u.id

-- name: upsert_repayment
INSERT INTO repayment (slot, customer, entitlement, seq, grant_id, amount, returned)
SELECT w.slot, u.customer, u.entitlement, u.seq, u.grant_id, u.amount, u.returned
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[])
  AS u (slot, customer, entitlement, seq, grant_id, amount, returned)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer AND w.entitlement = u.entitlement -- shard
WHERE w.slot = ANY ($8::int[])
ON CONFLICT (slot, customer, entitlement, seq) DO UPDATE SET returned = excluded.returned

-- name: upsert_reversal
INSERT INTO reversal (slot, debit, entitlement, reversed)
SELECT o.slot, u.debit, u.entitlement, u.reversed
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, debit, entitlement,
  reversed)
JOIN operation o ON o.slot = u.slot AND o.id = u.debit
WHERE o.slot = ANY ($5::int[])
ON CONFLICT (slot, debit, entitlement) DO UPDATE SET reversed = excluded.reversed

-- What tells whether a commit without an answer was stored ---------------------------------------------

-- An insert waits for the one before it. Of a row that is there a lock is written down, so that the
-- transaction waits for standbys as the lost one would have.

-- name: probe_operation
INSERT INTO operation (slot, id, customer, entitlement, kind, at, recorded_at, subject, facts,
  changed, namespace, key, status, answer, spans)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (slot, id) DO NOTHING RETURNING id

-- name: probe_customer
INSERT INTO customer (slot, id, book, own_id, name, email, metadata, profiles, created_at, closed_at,
  test_clock)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (slot, id) DO NOTHING RETURNING id

-- name: probe_entitlement
INSERT INTO entitlement (id, book, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, created_at, updated_at, closed_at, shortfall,
  late_usage_grace, alerts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (id) DO NOTHING RETURNING id

-- name: confirm_operation
SELECT id FROM operation WHERE slot = $1 AND id = $2 FOR UPDATE

-- name: confirm_customer
SELECT id FROM customer WHERE slot = $1 AND id = $2 FOR UPDATE

-- name: confirm_entitlement
SELECT id FROM entitlement WHERE id = $1 FOR UPDATE

-- What is read ----------------------------------------------------------------------------------------

-- name: list_customers
SELECT c.id, c.book, c.created_at, c.own_id, c.name, c.email, c.metadata, c.profiles, c.closed_at, c.test_clock
FROM customer c

-- name: entitlement_wallets
SELECT customer FROM wallet WHERE book = $1 AND entitlement = $2
ORDER BY created_at DESC, customer DESC LIMIT $3 OFFSET $4

-- name: list_entitlements
SELECT id, book, created_at, updated_at, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE book = $1 AND id < $2 ORDER BY id DESC LIMIT $3

-- name: list_grants
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM credit_grant g

-- name: outstanding_grants
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM credit_grant g WHERE g.slot = $1 AND g.customer = $2 AND g.remaining > 0
ORDER BY g.entitlement, g.priority, g.burn_expires, g.burn_paid, g.effective_at, g.recorded_at, g.id

-- name: list_schedules
SELECT s.customer, s.entitlement, s.id, s.state, s.amount, s.change, s.cycle, s.cycle_at, s.next_at,
  s.ends_at, s.ended_at, s.updated_at, s.created_at, s.recorded_at, s.terms, s.overage_rule
FROM schedule s

-- name: list_holds
SELECT h.customer, h.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state, h.created_at, h.recorded_at,
  h.expires_at, h.ended_at, h.attributes, h.metadata
FROM hold h

-- name: list_documents
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM document d

-- name: list_alerts
SELECT a.id, a.owner, a.book, a.entitlement, a.rule, a.metadata, a.created_at, a.closed_at, a.meter
FROM alert a

-- name: list_top_ups
SELECT t.id, t.customer, t.entitlement, t.closed_at, t.terms, w.watch
FROM top_up t CROSS JOIN LATERAL (
  SELECT f.watch FROM wallet f
  WHERE f.slot = t.slot AND f.customer = t.customer AND f.entitlement = t.entitlement LIMIT 1) w

-- name: list_top_up_requests
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM top_up_request r

-- name: walk_entries
SELECT customer, entitlement, operation, ordinal, seq, grant_id, kind, amount, posted_before, posted_after,
  held_before, held_after, overage_before, overage_after, grant_before, grant_after,
  at, recorded_at, hash, order_key
FROM entry WHERE slot = $1 AND customer = $2 AND entitlement = $3 AND seq <= $4
ORDER BY seq DESC LIMIT $5

-- name: later_changes
SELECT o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at, o.subject, o.facts, o.changed,
  o.namespace, o.key, o.status, o.answer
FROM operation o JOIN operation a ON a.slot = o.slot AND a.id = $3
WHERE o.slot = $1 AND o.subject = $2 AND o.kind IN ('amend', 'expire', 'amend_customer')
  AND o.at >= a.at

-- name: due_wallets
SELECT book, customer, entitlement FROM wallet
WHERE next_due_at <= $1 AND clock IS NULL ORDER BY next_due_at LIMIT $2

-- name: watched_entitlements
SELECT id, alerts FROM entitlement WHERE alerts <> '[]'

-- What a wallet is watched by stands in it.
-- name: uncounted_wallets
SELECT book, customer FROM wallet
WHERE (slot, customer) > ($1, $2) AND entitlement = $3 AND next_due_at IS NOT NULL
  AND position($4 IN coalesce(watch, '')) = 0
ORDER BY slot, customer LIMIT $5

-- name: due_entitlements
SELECT entitlement FROM wallet WHERE slot = $1 AND customer = $2 AND next_due_at <= $3

-- name: prunable_claims
SELECT slot, book, space, key FROM claim WHERE created_at < $1 AND answer IS NOT NULL
ORDER BY created_at LIMIT $2

-- name: prune_claims
DELETE FROM claim c USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[])
  AS u (slot, book, space, key)
WHERE c.slot = ANY ($5::int[]) AND c.slot = u.slot AND c.book = u.book AND c.space = u.space
  AND c.key = u.key AND c.answer IS NOT NULL

-- What verify walks -----------------------------------------------------------------------------------

-- name: count_wallets
SELECT count(*) FROM wallet

-- name: count_entries
SELECT count(*) FROM entry

-- name: next_wallets
SELECT w.customer, w.entitlement, e.code, e.scale, w.created_at, w.posted, w.pending, w.held, w.overage, w.granted, w.used, w.expired, w.voided,
  w.open_grants, w.open_holds, w.seq, w.chain, w.last_at, w.next_due_at, w.overage_rule, w.watch
FROM wallet w LEFT JOIN entitlement e ON e.id = w.entitlement
WHERE (w.slot, w.customer, w.entitlement) > ($1, $2, $3)
ORDER BY w.slot, w.customer, w.entitlement LIMIT $4

-- name: grants_of_wallet
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn,
  g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name,
  g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM credit_grant g WHERE g.slot = $1 AND g.customer = $2 AND g.entitlement = $3 ORDER BY g.id

-- name: holds_of_wallet
SELECT h.customer, h.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state, h.created_at, h.recorded_at,
  h.expires_at, h.ended_at, h.attributes, h.metadata
FROM hold h WHERE h.slot = $1 AND h.customer = $2 AND h.entitlement = $3 AND h.due_at IS NOT NULL

-- name: schedules_of_wallet
SELECT s.customer, s.entitlement, s.id, s.state, s.amount, s.change, s.cycle, s.cycle_at, s.next_at,
  s.ends_at, s.ended_at, s.updated_at, s.created_at, s.recorded_at, s.terms, s.overage_rule
FROM schedule s WHERE s.slot = $1 AND s.customer = $2 AND s.entitlement = $3

-- name: documents_of_wallet
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM document d WHERE d.slot = $1 AND d.owner = $2 AND (d.entitlement = $3 OR d.entitlement IS NULL)

-- name: requests_of_wallet
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM top_up_request r WHERE r.slot = $1 AND r.customer = $2 AND r.entitlement = $3

-- name: count_stray_entries
SELECT count(*) FROM entry e LEFT JOIN operation o ON o.slot = e.slot AND o.id = e.operation
WHERE o.id IS NULL

-- name: count_wrong_operations
SELECT count(*)
FROM operation o
LEFT JOIN (SELECT slot, operation, count(*) AS kept FROM entry GROUP BY slot, operation) e
  ON e.slot = o.slot AND e.operation = o.id
WHERE coalesce(e.kept, 0) <> (
  SELECT coalesce(sum((s.value ->> 1)::bigint), 0) FROM jsonb_each(o.spans::jsonb) s)

-- name: count_stray_holds
SELECT count(*) FROM hold WHERE state <> 'open' AND held <> 0

-- name: list_books
SELECT id FROM book ORDER BY id

-- name: walk_claims
SELECT slot, book, space, key, target, answer IS NOT NULL, octet_length(fingerprint) > 0
FROM claim WHERE (slot, book, space, key) > ($1, $2, $3, $4) ORDER BY slot, book, space, key LIMIT $5

-- name: find_meter
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE id = ANY ($1::uuid[])

-- name: find_grant_profiles
SELECT g.id, g.book, g.profiles
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN credit_grant g ON g.slot = u.slot AND g.id = u.id
WHERE g.slot = ANY ($3::int[])

-- name: find_event_name
SELECT e.id, e.book, e.own_id
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN usage_event e ON e.slot = u.slot AND e.id = u.id
WHERE e.slot = ANY ($3::int[])

-- name: next_events
SELECT id, customer, book, own_id, name, time, recorded_at, properties, charges, overridden_by, revision
FROM usage_event WHERE (slot, customer, id) > ($1, $2, $3) ORDER BY slot, customer, id LIMIT $4

-- name: customer_documents
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at,
  d.entitlement, d.due_at
FROM document d WHERE d.slot = $1 AND d.owner = $2 AND d.kind = $3

-- name: counts_of_customer
SELECT rate, period, grouping, texts, tally, charged FROM usage_count WHERE slot = $1 AND customer = $2

-- name: values_of_customer
SELECT rate, period, grouping, value, events FROM usage_value WHERE slot = $1 AND customer = $2

-- name: count_stray_counts
SELECT count(*) FROM usage_count c
WHERE NOT EXISTS (SELECT 1 FROM usage_event e WHERE e.slot = c.slot AND e.customer = c.customer)

-- One that an override has changed since is not what its first operation made it.
-- name: count_wrong_events
SELECT count(*)
FROM usage_event e
LEFT JOIN (
  SELECT slot, operation, sum(amount) FILTER (WHERE kind = 'debited') AS drawn,
    sum(amount) FILTER (WHERE kind = 'overage_charged') AS overage
  FROM entry GROUP BY slot, operation) d
  ON d.slot = e.slot AND d.operation = e.id
WHERE e.revision = 0 AND (coalesce(d.drawn, 0), coalesce(d.overage, 0)) <> (
    SELECT coalesce(sum((c.value ->> 5)::bigint), 0), coalesce(sum((c.value ->> 6)::bigint), 0)
    FROM jsonb_array_elements(e.charges::jsonb) c)

-- Accounts and keys -----------------------------------------------------------------------------------

-- name: insert_account
INSERT INTO account (id, name, zone, created_at) VALUES ($1, $2, $3, $4)

-- name: list_accounts
SELECT id, name, zone, created_at FROM account ORDER BY id

-- name: set_zone
UPDATE account SET zone = $1 WHERE id = $2

-- name: find_zone
SELECT zone FROM account WHERE id = $1

-- name: insert_book
INSERT INTO book (id, account, mode) VALUES ($1, $2, $3)

-- name: find_book
SELECT id FROM book WHERE account = $1 AND mode = $2

-- name: account_of_book
SELECT account FROM book WHERE id = $1

-- name: insert_api_key
INSERT INTO api_key (id, book, role, name, hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_api_keys
SELECT k.id, b.account, k.book, b.mode, k.role, k.name, k.created_at, k.last_used_at, k.revoked_at
FROM api_key k JOIN book b ON b.id = k.book ORDER BY k.id

-- name: find_api_key
SELECT k.id, b.account, k.book, b.mode, k.role, k.name, k.created_at, k.last_used_at, k.revoked_at,
  k.hash
FROM api_key k JOIN book b ON b.id = k.book WHERE k.id = ANY ($1::uuid[])

-- name: revoke_api_key
UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL

-- name: touch_api_key
UPDATE api_key SET last_used_at = $1 WHERE id = $2 AND coalesce(last_used_at, 0) < $3

-- Leases ----------------------------------------------------------------------------------------------

-- Changes a row for whoever may have the lease from now on. One that reaches further than twice the time
-- now asked for is not honoured: it was taken by a clock that is far ahead.
-- name: take_lease
INSERT INTO lease (slot, name, holder, until) VALUES ($1, $2, $3, $5)
ON CONFLICT (slot, name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lease.holder = excluded.holder OR lease.until <= $4::bigint
  OR ($5 > $4 AND lease.until > 2 * $5 - $4)

-- The feed --------------------------------------------------------------------------------------------

-- Test clocks -----------------------------------------------------------------------------------------

-- name: find_clock
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE id = ANY ($1::uuid[])

-- name: list_clocks
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE book = $1 AND id < $2 AND deleted_at IS NULL ORDER BY id DESC LIMIT $3

-- name: has_clocks
SELECT 1 FROM test_clock WHERE book = $1 LIMIT 1

-- name: advancing_clocks
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE target IS NOT NULL

-- name: insert_clock
INSERT INTO test_clock (id, book, frozen_at, target, name, created_at, deleted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- As of what was read: null and no instant are equal here.
-- name: change_clock
UPDATE test_clock SET target = $1, deleted_at = $2
WHERE id = $3 AND deleted_at IS NULL AND frozen_at = $4 AND target IS NOT DISTINCT FROM $5

-- name: set_clock
UPDATE wallet w SET clock = u.clock
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[]) AS u (slot, customer, entitlement, clock)
WHERE w.slot = ANY ($5::int[]) AND w.slot = u.slot AND w.customer = u.customer
  AND w.entitlement = u.entitlement

-- name: clock_due
SELECT customer, entitlement, next_due_at FROM wallet
WHERE clock = $1 AND next_due_at <= $2 ORDER BY next_due_at LIMIT $3

-- name: count_clock
SELECT count(*), count(*) FILTER (WHERE next_due_at <= $1) FROM wallet WHERE clock = $2

-- name: reach_target
UPDATE test_clock SET frozen_at = target WHERE id = $1 AND target = $2

-- name: list_operations
SELECT coalesce(c.book, o.customer), o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at,
  o.subject, o.facts, o.changed, o.namespace, o.key, o.spans
FROM operation o LEFT JOIN customer c ON c.slot = o.slot AND c.id = o.customer
WHERE o.recorded_at >= $1 AND o.recorded_at <= $3 AND (o.recorded_at > $1 OR o.id > $2)
ORDER BY o.recorded_at, o.id LIMIT $4

-- name: customer_operations
SELECT c.book, o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at,
  o.subject, o.facts, o.changed, o.namespace, o.key, o.spans
FROM operation o JOIN customer c ON c.slot = o.slot AND c.id = o.customer
WHERE o.slot = $5 AND o.customer = $6
  AND o.recorded_at >= $1 AND o.recorded_at <= $3 AND (o.recorded_at > $1 OR o.id > $2)
ORDER BY o.recorded_at, o.id LIMIT $4

-- All that a customer, or the book itself, did, in order.
-- name: operations_of
SELECT $1::uuid, o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at,
  o.subject, o.facts, o.changed, o.namespace, o.key, o.spans
FROM operation o WHERE o.slot = $2 AND o.customer = $3
ORDER BY o.recorded_at, o.id

-- name: operation_time
SELECT recorded_at FROM operation WHERE slot = ANY ($1::int[]) AND id = $2

-- How long the oldest transaction that writes has been under way, in microseconds.
-- name: oldest_writer
SELECT (extract(epoch FROM clock_timestamp() - min(xact_start)) * 1000000)::bigint
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()

-- name: wallet_seqs
SELECT w.customer, w.entitlement, w.seq
FROM unnest($1::int[], $2::uuid[]) AS u (slot, customer)
JOIN wallet w ON w.slot = u.slot AND w.customer = u.customer
WHERE w.slot = ANY ($3::int[])

-- name: insert_book_operation
INSERT INTO operation (slot, id, customer, entitlement, kind, at, recorded_at, subject, facts,
  changed, namespace, key, status, answer, spans)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[],
  $7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::int[],
  $14::bytea[], $15::text[]) AS u (slot, id, customer, entitlement, kind, at, recorded_at, subject,
  facts, changed, namespace, key, status, answer, spans)
WHERE u.slot = ANY ($16::int[])

-- Webhooks: few rows, the same on every machine -------------------------------------------------------

-- name: list_endpoints
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint ORDER BY id

-- name: book_endpoints
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint WHERE book = $1 ORDER BY id

-- name: find_endpoint
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint WHERE id = $1

-- name: insert_endpoint
INSERT INTO webhook_endpoint (id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING

-- name: update_endpoint
UPDATE webhook_endpoint SET settings = $1, secret = $2, previous_secret = $3, previous_until = $4,
  enabled = $5, disabled_for = $6, failing_since = $7, cursor_at = $8, cursor_operation = $9,
  revision = $10, updated_at = $11
WHERE id = $12 AND revision = $13

-- name: move_cursor
UPDATE webhook_endpoint SET cursor_at = $1, cursor_operation = $2, failing_since = $3
WHERE id = $4 AND revision = $5

-- name: delete_endpoint
DELETE FROM webhook_endpoint WHERE id = $1

-- name: delete_retries
DELETE FROM webhook_retry WHERE endpoint = $1

-- name: delete_attempts
DELETE FROM webhook_attempt WHERE endpoint = $1

-- name: delete_retry
DELETE FROM webhook_retry
WHERE endpoint = $1 AND recorded_at = $2 AND operation = $3 AND ordinal = $4

-- name: insert_retry
INSERT INTO webhook_retry (endpoint, recorded_at, operation, ordinal, customer, type, attempts, next_at, dead)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: list_retries
SELECT endpoint, recorded_at, operation, ordinal, customer, type, attempts, next_at, dead
FROM webhook_retry WHERE endpoint = $1 AND dead = $2
  AND (recorded_at, operation, ordinal) > ($3, $4, $5)
ORDER BY recorded_at, operation, ordinal LIMIT $6

-- name: tally_retries
SELECT dead, count(*) FROM webhook_retry GROUP BY dead

-- name: insert_attempt
INSERT INTO webhook_attempt (id, endpoint, event, type, attempt, at, milliseconds, outcome, status, answer,
  error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: list_attempts
SELECT id, endpoint, event, type, attempt, at, milliseconds, outcome, status, answer,
  error
FROM webhook_attempt WHERE endpoint = $1 AND id < $2 ORDER BY id DESC LIMIT $3

-- name: oldest_kept_attempt
SELECT id FROM webhook_attempt WHERE endpoint = $1 ORDER BY id DESC LIMIT 1 OFFSET $2

-- name: prune_attempts
DELETE FROM webhook_attempt WHERE endpoint = $1 AND (id <= $2 OR at < $3)

-- name: oldest_kept_dead
SELECT recorded_at, operation, ordinal FROM webhook_retry WHERE endpoint = $1 AND dead = true
ORDER BY recorded_at DESC, operation DESC, ordinal DESC LIMIT 1 OFFSET $2

-- name: prune_dead
DELETE FROM webhook_retry WHERE endpoint = $1 AND dead = true
  AND ((recorded_at, operation, ordinal) <= ($2, $3, $4) OR next_at < $5)

-- Usage -----------------------------------------------------------------------------------------------

-- name: book_meters
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE book = ANY ($1::uuid[])
ORDER BY id

-- name: lock_meter
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE id = ANY ($1::uuid[])
ORDER BY id FOR UPDATE

-- name: book_rates
SELECT id, book, meter, entitlement, price, period, created_at, closed_at, customers, rest_of FROM rate WHERE book = ANY ($1::uuid[])
ORDER BY id

-- name: insert_meter
INSERT INTO meter (id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: change_meter
UPDATE meter SET name = $1, updated_at = $2, profiles = $3, closed_at = $4 WHERE id = $5

-- name: watch_meter
UPDATE meter SET watch = $1 WHERE id = $2

-- name: insert_rate
INSERT INTO rate (id, book, meter, entitlement, price, period, created_at, closed_at, customers, rest_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: close_rate
UPDATE rate SET closed_at = $1 WHERE id = $2

-- name: customer_rates
SELECT r.customer, r.rate, r.name, r.starts_at, r.ends_at
FROM unnest($1::int[], $2::uuid[]) AS u (slot, customer)
JOIN rate_customer r ON r.slot = u.slot AND r.customer = u.customer
WHERE r.slot = ANY ($3::int[])

-- name: attach_rate
INSERT INTO rate_customer (slot, customer, rate, name, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (slot, customer, rate, name) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at

-- name: detach_rate
DELETE FROM rate_customer WHERE slot = $1 AND customer = $2 AND rate = $3 AND name = $4

-- name: find_event
SELECT e.id, e.customer, e.book, e.own_id, e.name, e.time, e.recorded_at, e.properties, e.charges,
  e.overridden_by, e.revision
FROM unnest($1::int[], $2::uuid[]) AS u (slot, id)
JOIN usage_event e ON e.slot = u.slot AND e.id = u.id
WHERE e.slot = ANY ($3::int[])

-- name: used_between
SELECT e.time, e.id, e.properties, e.charges FROM usage_event e
WHERE e.slot = $1 AND e.customer = $2 AND e.name = $3 AND e.time >= $4 AND e.time < $5

-- name: list_events
SELECT e.id, e.customer, e.book, e.own_id, e.name, e.time, e.recorded_at, e.properties, e.charges,
  e.overridden_by, e.revision
FROM usage_event e

-- name: lock_count
SELECT c.customer, c.rate, c.period, c.grouping, c.texts, c.tally, c.charged
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[])
  AS u (slot, customer, rate, period, grouping)
JOIN usage_count c ON c.slot = u.slot AND c.customer = u.customer AND c.rate = u.rate
  AND c.period = u.period AND c.grouping = u.grouping
WHERE c.slot = ANY ($6::int[])
ORDER BY c.slot, c.customer, c.rate, c.period, c.grouping
FOR UPDATE OF c

-- name: tally_groups
SELECT c.customer, c.rate, c.period, count(*)
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[]) AS u (slot, customer, rate, period)
JOIN usage_count c ON c.slot = u.slot AND c.customer = u.customer AND c.rate = u.rate
  AND c.period = u.period
WHERE c.slot = ANY ($5::int[])
GROUP BY c.slot, c.customer, c.rate, c.period

-- name: find_value
SELECT v.customer, v.rate, v.period, v.grouping, v.value, v.events
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::bytea[])
  AS u (slot, customer, rate, period, grouping, value)
JOIN usage_value v ON v.slot = u.slot AND v.customer = u.customer AND v.rate = u.rate
  AND v.period = u.period AND v.grouping = u.grouping AND v.value = u.value
WHERE v.slot = ANY ($7::int[])

-- name: insert_event
INSERT INTO usage_event (slot, id, customer, book, own_id, name, time, recorded_at, properties, charges,
  uncovered)
SELECT c.slot, u.id, u.customer, u.book, u.own_id, u.name, u.time, u.recorded_at, u.properties, u.charges,
  u.uncovered
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bigint[],
  $8::bigint[], $9::text[], $10::text[], $11::boolean[]) AS u (slot, id, customer, book, own_id, name, time,
  recorded_at, properties, charges, uncovered)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
WHERE c.slot = ANY ($12::int[])

-- name: latest_events
SELECT e.id, e.customer, e.book, e.own_id, e.name, e.time, e.recorded_at, e.properties, e.charges,
  e.overridden_by, e.revision
FROM usage_event e WHERE e.slot = $1 AND e.customer = $2
ORDER BY e.id DESC LIMIT $3

-- name: amend_event
UPDATE usage_event SET name = $3, time = $4, properties = $5, charges = $6, uncovered = $7,
  overridden_by = $8, revision = $9
WHERE slot = $1 AND id = $2 AND revision = $9 - 1

-- name: insert_count
INSERT INTO usage_count (slot, customer, rate, period, grouping, texts, tally, charged)
SELECT c.slot, u.customer, u.rate, u.period, u.grouping, u.texts, u.tally, u.charged
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::text[], $7::text[],
  $8::bigint[]) AS u (slot, customer, rate, period, grouping, texts, tally, charged)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
WHERE c.slot = ANY ($9::int[])

-- name: update_count
UPDATE usage_count c SET tally = u.tally, charged = u.charged
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::text[], $7::bigint[])
  AS u (slot, customer, rate, period, grouping, tally, charged)
WHERE c.slot = ANY ($8::int[]) AND c.slot = u.slot AND c.customer = u.customer AND c.rate = u.rate
  AND c.period = u.period AND c.grouping = u.grouping

-- name: upsert_value
INSERT INTO usage_value (slot, customer, rate, period, grouping, value, events)
SELECT c.slot, u.customer, u.rate, u.period, u.grouping, u.value, u.events
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::bytea[], $7::int[])
  AS u (slot, customer, rate, period, grouping, value, events)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
WHERE c.slot = ANY ($8::int[])
ON CONFLICT (slot, customer, rate, period, grouping, value) DO UPDATE SET events = excluded.events
