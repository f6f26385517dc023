-- What `drawdown copy` reads, in the columns of a ledger in PostgreSQL. A full pass goes over a table in the
-- order of its key, from what came after the last row on; the key comes first in every row.

-- name: pass_account
SELECT id, name, zone, created_at FROM account WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_book
SELECT id, account, mode FROM book WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_api_key
SELECT id, book, role, name, hash, created_at, last_used_at, revoked_at
FROM api_key WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_entitlement
SELECT id, book, code, name, unit, scale, burn_order, currency, expires_after_days, overage, profiles,
  created_at, updated_at, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_test_clock
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_webhook_endpoint
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_webhook_retry
SELECT endpoint, recorded_at, operation, ordinal, customer, type, attempts, next_at, dead
FROM webhook_retry WHERE (endpoint, recorded_at, operation, ordinal) > (?, ?, ?, ?)
ORDER BY endpoint, recorded_at, operation, ordinal LIMIT ?

-- name: pass_webhook_attempt
SELECT endpoint, id, event, type, attempt, at, milliseconds, outcome, status, answer, error
FROM webhook_attempt WHERE (endpoint, id) > (?, ?) ORDER BY endpoint, id LIMIT ?

-- name: pass_customer
SELECT id, slot, book, own_id, name, email, metadata, profiles, created_at, closed_at,
  test_clock
FROM customer WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_claim
SELECT book, space, key, created_at, fingerprint, target, status, answer, request_id
FROM claim WHERE (book, space, key) > (?, ?, ?) ORDER BY book, space, key LIMIT ?

-- name: pass_wallet
SELECT w.customer, w.entitlement, w.slot, c.book, w.created_at, w.posted, w.pending, w.held, w.overage,
  w.granted, w.used, w.expired, w.voided, w.open_grants, w.open_holds, w.seq, w.chain, w.last_at,
  w.next_due_at, w.overage_rule, w.clock, w.watch
FROM wallet w JOIN customer c ON c.id = w.customer
WHERE (w.customer, w.entitlement) > (?, ?) ORDER BY w.customer, w.entitlement LIMIT ?

-- name: pass_credit_grant
SELECT g.id, g.slot, g.customer, g.entitlement, g.book, g.amount, g.remaining, g.used, g.expired,
  g.voided, g.rolled_over, g.held, g.priority, g.category, g.effective_at, g.expires_at, g.recorded_at, g.created_at,
  g.updated_at, g.pending, g.drawn, g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount,
  g.cost_currency, g.name, g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover, g.active, g.burn_expires, g.burn_paid,
  g.due_at
FROM grant_now g
WHERE g.id > ? ORDER BY g.id LIMIT ?

-- name: pass_hold
SELECT h.id, h.slot, w.customer, w.entitlement, h.book, h.amount, h.held, h.captured, h.slices, h.state,
  h.created_at, h.recorded_at, h.expires_at, h.ended_at, h.attributes, h.metadata, h.due_at
FROM hold h JOIN wallet w ON w.number = h.wallet
WHERE h.id > ? ORDER BY h.id LIMIT ?

-- name: pass_schedule
SELECT s.id, s.slot, w.customer, w.entitlement, s.book, s.state, s.amount, s.change, s.cycle, s.cycle_at,
  s.next_at, s.ends_at, s.ended_at, s.updated_at, s.live, s.overage_rule, s.created_at, s.recorded_at, s.terms
FROM schedule s JOIN wallet w ON w.number = s.wallet
WHERE s.id > ? ORDER BY s.id LIMIT ?

-- name: pass_document
SELECT id, slot, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_alert
SELECT id, slot, owner, book, entitlement, rule, metadata, created_at, closed_at, meter
FROM alert WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_top_up
SELECT id, slot, customer, entitlement, book, closed_at, terms FROM top_up WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_top_up_request
SELECT id, slot, customer, entitlement, book, top_up, amount, available, cost_amount, cost_currency, requested_at,
  recorded_at, expires_at, state, ended_at, reference, reason, grant_id
FROM top_up_request WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_repayment
SELECT customer, entitlement, seq, slot, grant_id, amount, returned
FROM repayment WHERE (customer, entitlement, seq) > (?, ?, ?) ORDER BY customer, entitlement, seq LIMIT ?

-- name: pass_reversal
SELECT debit, entitlement, reversed
FROM reversal WHERE (debit, entitlement) > (?, ?) ORDER BY debit, entitlement LIMIT ?

-- What was recorded, in the order in which it was ---------------------------------------------------

-- name: newest_operation
SELECT number, id FROM operation ORDER BY number DESC LIMIT 1

-- name: operation_at
SELECT id FROM operation WHERE number = ?

-- name: next_operations
SELECT number, first_entry, entries, id, slot, customer, entitlement, kind, at, recorded_at, subject,
  facts, changed, namespace, key, status, answer
FROM operation WHERE number > ? AND number <= ? ORDER BY number LIMIT ?

-- name: entries_between
SELECT e.operation, w.slot, w.customer, w.entitlement, e.seq, o.id, e.ordinal, e.grant_id, e.kind, e.amount,
  e.posted_before, e.posted_after, e.held_before, e.held_after, e.overage_before, e.overage_after,
  e.grant_before, e.grant_after, e.at, e.recorded_at, e.hash, e.order_key
FROM entry e JOIN wallet w ON w.number = e.wallet JOIN operation o ON o.number = e.operation
WHERE e.number >= ? AND e.number < ? ORDER BY e.number

-- name: touched_customers
SELECT DISTINCT customer FROM operation WHERE number > ? AND number <= ? ORDER BY customer

-- name: customer_customer
SELECT id, slot, book, own_id, name, email, metadata, profiles, created_at, closed_at,
  test_clock
FROM customer WHERE id = ?

-- name: customer_wallet
SELECT w.customer, w.entitlement, w.slot, c.book, w.created_at, w.posted, w.pending, w.held, w.overage,
  w.granted, w.used, w.expired, w.voided, w.open_grants, w.open_holds, w.seq, w.chain, w.last_at,
  w.next_due_at, w.overage_rule, w.clock, w.watch
FROM wallet w JOIN customer c ON c.id = w.customer WHERE w.customer = ?

-- name: customer_credit_grant
SELECT g.id, g.slot, g.customer, g.entitlement, g.book, g.amount, g.remaining, g.used, g.expired,
  g.voided, g.rolled_over, g.held, g.priority, g.category, g.effective_at, g.expires_at, g.recorded_at, g.created_at,
  g.updated_at, g.pending, g.drawn, g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount,
  g.cost_currency, g.name, g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover, g.active, g.burn_expires, g.burn_paid,
  g.due_at
FROM grant_now g WHERE g.customer = ?

-- name: customer_hold
SELECT h.id, h.slot, w.customer, w.entitlement, h.book, h.amount, h.held, h.captured, h.slices, h.state,
  h.created_at, h.recorded_at, h.expires_at, h.ended_at, h.attributes, h.metadata, h.due_at
FROM wallet w JOIN hold h ON h.wallet = w.number WHERE w.customer = ?

-- name: customer_schedule
SELECT s.id, s.slot, w.customer, w.entitlement, s.book, s.state, s.amount, s.change, s.cycle, s.cycle_at,
  s.next_at, s.ends_at, s.ended_at, s.updated_at, s.live, s.overage_rule, s.created_at, s.recorded_at, s.terms
FROM wallet w JOIN schedule s ON s.wallet = w.number WHERE w.customer = ?

-- name: customer_document
SELECT id, slot, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE owner = ?

-- name: customer_alert
SELECT id, slot, owner, book, entitlement, rule, metadata, created_at, closed_at, meter
FROM alert WHERE owner = ?

-- What is made without an operation ------------------------------------------------------------------

-- name: customers_since
SELECT id, slot, book, own_id, name, email, metadata, profiles, created_at, closed_at,
  test_clock
FROM customer WHERE id >= ? ORDER BY id

-- name: claims_since
SELECT book, space, key, created_at, fingerprint, target, status, answer, request_id
FROM claim WHERE created_at >= ?

-- name: oldest_answer
SELECT min(created_at) FROM claim WHERE answer IS NOT NULL

-- name: has_claim
SELECT 1 FROM claim WHERE book = ? AND space = ? AND key = ?

-- name: first_account
SELECT id, name FROM account ORDER BY id LIMIT 1

-- name: has_account
SELECT 1 FROM account WHERE id = ?

-- How many there are ---------------------------------------------------------------------------------

-- name: count_account
SELECT count(*) FROM account

-- name: count_book
SELECT count(*) FROM book

-- name: count_api_key
SELECT count(*) FROM api_key

-- name: count_entitlement
SELECT count(*) FROM entitlement

-- name: count_test_clock
SELECT count(*) FROM test_clock

-- name: count_webhook_endpoint
SELECT count(*) FROM webhook_endpoint

-- name: count_webhook_retry
SELECT count(*) FROM webhook_retry

-- name: count_webhook_attempt
SELECT count(*) FROM webhook_attempt

-- name: count_customer
SELECT count(*) FROM customer

-- name: count_claim
SELECT count(*) FROM claim

-- name: count_wallet
SELECT count(*) FROM wallet

-- name: count_credit_grant
SELECT count(*) FROM credit_grant

-- name: count_hold
SELECT count(*) FROM hold

-- name: count_repayment
SELECT count(*) FROM repayment

-- name: count_schedule
SELECT count(*) FROM schedule

-- name: count_top_up
SELECT count(*) FROM top_up

-- name: count_top_up_request
SELECT count(*) FROM top_up_request

-- name: count_document
SELECT count(*) FROM document

-- name: count_alert
SELECT count(*) FROM alert

-- name: count_operation
SELECT count(*) FROM operation

-- name: count_entry
SELECT count(*) FROM entry

-- name: count_reversal
SELECT count(*) FROM reversal

-- name: pass_meter
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_rate
SELECT id, book, meter, entitlement, price, period, created_at, closed_at, customers, rest_of
FROM rate WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_usage_event
SELECT id, slot, customer, book, own_id, name, time, recorded_at, properties, charges, uncovered,
  overridden_by, revision
FROM usage_event WHERE id > ? ORDER BY id LIMIT ?

-- name: pass_usage_count
SELECT customer, rate, period, grouping, slot, texts, tally, charged
FROM usage_count WHERE (customer, rate, period, grouping) > (?, ?, ?, ?)
ORDER BY customer, rate, period, grouping LIMIT ?

-- name: pass_usage_value
SELECT customer, rate, period, grouping, value, slot, events
FROM usage_value WHERE (customer, rate, period, grouping, value) > (?, ?, ?, ?, ?)
ORDER BY customer, rate, period, grouping, value LIMIT ?

-- name: customer_usage_event
SELECT id, slot, customer, book, own_id, name, time, recorded_at, properties, charges, uncovered,
  overridden_by, revision
FROM usage_event WHERE customer = ?

-- name: customer_usage_count
SELECT customer, rate, period, grouping, slot, texts, tally, charged
FROM usage_count WHERE customer = ?

-- name: customer_top_up
SELECT id, slot, customer, entitlement, book, closed_at, terms FROM top_up WHERE customer = ?

-- name: customer_top_up_request
SELECT id, slot, customer, entitlement, book, top_up, amount, available, cost_amount, cost_currency, requested_at,
  recorded_at, expires_at, state, ended_at, reference, reason, grant_id
FROM top_up_request WHERE customer = ?

-- name: customer_repayment
SELECT customer, entitlement, seq, slot, grant_id, amount, returned
FROM repayment WHERE customer = ?

-- name: customer_usage_value
SELECT customer, rate, period, grouping, value, slot, events
FROM usage_value WHERE customer = ?

-- name: count_meter
SELECT count(*) FROM meter

-- name: count_rate
SELECT count(*) FROM rate

-- name: count_usage_event
SELECT count(*) FROM usage_event

-- name: count_usage_count
SELECT count(*) FROM usage_count

-- name: count_usage_value
SELECT count(*) FROM usage_value

-- name: pass_rate_customer
SELECT customer, rate, name, slot, starts_at, ends_at FROM rate_customer
WHERE (customer, rate, name) > (?, ?, ?) ORDER BY customer, rate, name LIMIT ?

-- name: customer_rate_customer
SELECT customer, rate, name, slot, starts_at, ends_at FROM rate_customer WHERE customer = ?

-- name: count_rate_customer
SELECT count(*) FROM rate_customer
