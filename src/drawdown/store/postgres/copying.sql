-- What `drawdown copy` keeps in the database it copies into. While the row is there and not finished, no
-- server opens the ledger.

-- name: make_progress
CREATE TABLE drawdown_copy (one int PRIMARY KEY CHECK (one = 1), progress text NOT NULL)

-- name: begin_progress
INSERT INTO drawdown_copy (one, progress) VALUES (1, $1)

-- name: keep_progress
UPDATE drawdown_copy SET progress = $1 WHERE one = 1 AND progress = $2

-- name: find_progress
SELECT progress FROM drawdown_copy

-- name: has_progress
SELECT to_regclass('drawdown_copy') IS NOT NULL

-- name: is_used
SELECT EXISTS (SELECT 1 FROM account) OR EXISTS (SELECT 1 FROM claim)

-- name: remove_wallet
DELETE FROM wallet t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_credit_grant
DELETE FROM credit_grant t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_hold
DELETE FROM hold t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_document
DELETE FROM document t USING unnest($1::int[], $2::uuid[]) AS u (slot, owner)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.owner = u.owner

-- name: remove_alert
DELETE FROM alert t USING unnest($1::int[], $2::uuid[]) AS u (slot, owner)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.owner = u.owner

-- name: remove_top_up
DELETE FROM top_up t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_top_up_request
DELETE FROM top_up_request t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_repayment
DELETE FROM repayment t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_schedule
DELETE FROM schedule t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_usage_event
DELETE FROM usage_event t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_usage_count
DELETE FROM usage_count t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_usage_value
DELETE FROM usage_value t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_rate_customer
DELETE FROM rate_customer t USING unnest($1::int[], $2::uuid[]) AS u (slot, customer)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.customer = u.customer

-- name: remove_customer
DELETE FROM customer t USING unnest($1::int[], $2::uuid[]) AS u (slot, id)
WHERE t.slot = ANY ($3::int[]) AND t.slot = u.slot AND t.id = u.id

-- name: remove_claim
DELETE FROM claim t USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[])
  AS u (slot, book, space, key)
WHERE t.slot = ANY ($5::int[]) AND t.slot = u.slot AND t.book = u.book AND t.space = u.space
  AND t.key = u.key

-- name: remove_reversal
DELETE FROM reversal t USING unnest($1::int[], $2::uuid[], $3::uuid[]) AS u (slot, debit, entitlement)
WHERE t.slot = ANY ($4::int[]) AND t.slot = u.slot AND t.debit = u.debit
  AND t.entitlement = u.entitlement

-- name: prune_answers
DELETE FROM claim WHERE answer IS NOT NULL AND created_at < $1

-- name: next_claims
SELECT slot, book, space, key FROM claim WHERE (slot, book, space, key) > ($1, $2, $3, $4)
ORDER BY slot, book, space, key LIMIT $5
