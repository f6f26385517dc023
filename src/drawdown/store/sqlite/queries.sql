-- What is loaded for a batch ---------------------------------------------------------------------

-- name: find_name
SELECT target FROM claim WHERE book = ? AND space = ? AND key = ?

-- name: find_claim
SELECT created_at, fingerprint, target, status, answer, request_id
FROM claim WHERE book = ? AND space = ? AND key = ?

-- name: find_customer
SELECT id, book, created_at, own_id, name, email, metadata, profiles, closed_at, test_clock
FROM customer WHERE id = ?

-- name: find_entitlement
SELECT id, book, created_at, updated_at, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE id = ?

-- name: find_wallet
SELECT number, created_at, posted, pending, held, overage, granted, used, expired, voided,
  open_grants, open_holds, seq, chain, last_at, next_due_at, overage_rule, watch, drawn_grant, head
FROM wallet WHERE customer = ? AND entitlement = ?

-- name: customer_wallets
SELECT entitlement FROM wallet WHERE customer = ? ORDER BY entitlement

-- name: grant_wallet
SELECT w.customer, w.entitlement FROM credit_grant g JOIN wallet w ON w.number = g.wallet
WHERE g.id = ?

-- name: find_grant
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? AND id = ?

-- name: first_grants
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? AND active = 1
ORDER BY priority, burn_expires, burn_paid, effective_at, recorded_at, id
LIMIT ?

-- name: due_grants
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? AND due_at <= ?

-- name: late_grants
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? AND expired_at > ? AND expired > 0

-- name: next_due_grant
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? AND due_at > ? ORDER BY due_at LIMIT 1

-- name: find_keys
SELECT o.id, o.customer, o.entitlement, o.kind, o.at, o.recorded_at, o.subject, o.facts, o.changed,
  o.namespace, o.key, o.status, o.answer
FROM json_each(?) h CROSS JOIN operation_key k ON k.hash = h.value
JOIN operation o ON o.number = k.operation

-- name: find_operation
SELECT id, customer, entitlement, kind, at, recorded_at, subject, facts, changed, namespace, key,
  status, answer, first_entry, entries
FROM operation WHERE id = ?

-- name: entries_of_operation
SELECT w.entitlement, e.ordinal, e.seq, e.grant_id, e.kind, e.amount, e.posted_before,
  e.posted_after, e.held_before, e.held_after, e.overage_before, e.overage_after, e.grant_before,
  e.grant_after, e.at, e.recorded_at, e.hash, e.order_key
FROM entry e JOIN wallet w ON w.number = e.wallet
WHERE e.number >= ? AND e.number < ? ORDER BY e.number

-- name: open_repayments
SELECT seq, grant_id, amount, returned FROM repayment
WHERE customer = ? AND entitlement = ? AND seq > ? AND returned < amount ORDER BY seq LIMIT ?

-- name: find_reversals
SELECT entitlement, reversed FROM reversal WHERE debit = ?

-- name: hold_wallet
SELECT w.customer, w.entitlement FROM hold h JOIN wallet w ON w.number = h.wallet WHERE h.id = ?

-- name: find_hold
SELECT id, amount, held, captured, slices, state, created_at, recorded_at, expires_at, ended_at,
  attributes, metadata
FROM hold WHERE id = ?

-- name: due_holds
SELECT id, amount, held, captured, slices, state, created_at, recorded_at, expires_at, ended_at,
  attributes, metadata
FROM hold WHERE wallet = ? AND due_at <= ?

-- name: next_due_hold
SELECT id, amount, held, captured, slices, state, created_at, recorded_at, expires_at, ended_at,
  attributes, metadata
FROM hold WHERE wallet = ? AND due_at > ? ORDER BY due_at LIMIT 1

-- name: schedule_wallet
SELECT w.customer, w.entitlement FROM schedule s JOIN wallet w ON w.number = s.wallet WHERE s.id = ?

-- name: find_schedule
SELECT id, state, amount, change, cycle, cycle_at, next_at, ends_at, ended_at, updated_at, created_at,
  recorded_at, terms, overage_rule
FROM schedule WHERE wallet = ? AND id = ?

-- name: live_schedules
SELECT id, state, amount, change, cycle, cycle_at, next_at, ends_at, ended_at, updated_at, created_at,
  recorded_at, terms, overage_rule
FROM schedule WHERE wallet = ? AND live = 1

-- name: schedule_grants
SELECT g.id, g.amount, g.remaining, g.used, g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category,
  g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at, g.pending, g.drawn, g.expired_at,
  g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name, g.scope, g.metadata, g.profiles,
  g.schedule, g.generation, g.rollover
FROM schedule s JOIN grant_now g ON g.wallet = s.wallet AND g.schedule = s.id
WHERE s.wallet = ? AND s.live = 1 AND g.active = 1

-- name: find_top_up
SELECT t.id, t.customer, t.entitlement, t.closed_at, t.terms, w.watch
FROM top_up t JOIN wallet w ON w.customer = t.customer AND w.entitlement = t.entitlement
WHERE t.id = ?

-- name: find_top_up_request
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM top_up_request r WHERE r.id = ?

-- name: find_document
SELECT id, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE id = ?

-- name: standing_documents
SELECT id, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE owner = ? AND entitlement = ?

-- name: find_alert
SELECT id, owner, book, entitlement, rule, metadata, created_at, closed_at, meter FROM alert WHERE id = ?

-- What a batch writes ----------------------------------------------------------------------------

-- name: last_operation
SELECT coalesce(max(number), 0) FROM operation

-- name: last_entry
SELECT coalesce(max(number), 0) FROM entry

-- name: last_wallet
SELECT coalesce(max(number), 0) FROM wallet

-- name: insert_customer
INSERT INTO customer (slot, id, book, own_id, name, email, metadata, profiles, created_at, closed_at,
  test_clock)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_entitlement
INSERT INTO entitlement (id, book, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, created_at, updated_at, closed_at, shortfall,
  late_usage_grace, alerts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: amend_entitlement
UPDATE entitlement SET name = ?, unit = ?, expires_after_days = ?, overage = ?, alerts = ?, profiles = ?,
  shortfall = ?, late_usage_grace = ?, closed_at = ?, updated_at = ?
WHERE id = ?

-- name: amend_customer
UPDATE customer SET name = ?, email = ?, metadata = ?, profiles = ?, closed_at = ?, test_clock = ?
WHERE id = ?

-- name: release_name
DELETE FROM claim WHERE book = ? AND space = ? AND key = ?

-- name: insert_claim
INSERT INTO claim (book, space, key, created_at, fingerprint, target, status, answer, request_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_wallet
INSERT INTO wallet (number, slot, customer, entitlement, created_at, posted, pending, held, overage,
  granted, used, expired, voided, open_grants, open_holds, seq, chain, last_at, next_due_at, overage_rule, head)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_wallet
UPDATE wallet SET posted = ?, pending = ?, held = ?, overage = ?, granted = ?, used = ?, expired = ?,
  voided = ?, open_grants = ?, open_holds = ?, seq = ?, chain = ?, last_at = ?, next_due_at = ?,
  overage_rule = ?, head = ?, drawn_grant = NULL, drawn_remaining = NULL
WHERE number = ?

-- name: draw_wallet
UPDATE wallet SET posted = ?, held = ?, used = ?, open_grants = ?, seq = ?, chain = ?, last_at = ?, head = ?,
  drawn_grant = ?, drawn_remaining = ?
WHERE number = ?

-- name: insert_grant
INSERT INTO credit_grant (wallet, id, slot, book, amount, remaining, used, expired, voided, rolled_over, held,
  priority, category, effective_at, expires_at, recorded_at, created_at, updated_at, pending, drawn,
  expired_at, voided_at, source, parent, cost_amount, cost_currency, name, scope, metadata, profiles,
  schedule, generation, rollover, active, burn_expires, burn_paid, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: draw_grant
UPDATE credit_grant SET remaining = ?, used = ?, held = ?, drawn = ? WHERE wallet = ? AND id = ?

-- name: write_back_grant
UPDATE credit_grant SET used = credit_grant.used + remaining - w.drawn_remaining,
  remaining = w.drawn_remaining, drawn = 1
FROM wallet w WHERE w.number = ? AND credit_grant.wallet = w.number AND credit_grant.id = w.drawn_grant

-- name: update_grant
UPDATE credit_grant SET remaining = ?, used = ?, expired = ?, voided = ?, rolled_over = ?, held = ?, expires_at = ?,
  updated_at = ?, pending = ?, drawn = ?, expired_at = ?, voided_at = ?, metadata = ?, active = ?,
  burn_expires = ?, due_at = ?
WHERE wallet = ? AND id = ?

-- name: insert_operation
INSERT INTO operation (number, id, slot, customer, entitlement, kind, at, recorded_at, subject,
  facts, changed, namespace, key, status, answer, first_entry, entries)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_key
INSERT INTO operation_key (hash, operation) VALUES (?, ?)

-- name: insert_entry
INSERT INTO entry (number, wallet, operation, previous, ordinal, seq, grant_id, kind, amount,
  posted_before, posted_after, held_before, held_after, overage_before, overage_after, grant_before,
  grant_after, at, recorded_at, hash, order_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_hold
INSERT INTO hold (wallet, id, slot, book, amount, held, captured, slices, state, created_at,
  recorded_at, expires_at, ended_at, attributes, metadata, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_hold
UPDATE hold SET held = ?, captured = ?, slices = ?, state = ?, expires_at = ?, ended_at = ?, due_at = ?
WHERE wallet = ? AND id = ?

-- name: insert_schedule
INSERT INTO schedule (wallet, id, slot, book, state, amount, change, cycle, cycle_at, next_at, ends_at,
  ended_at, updated_at, live, overage_rule, created_at, recorded_at, terms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_schedule
UPDATE schedule SET state = ?, amount = ?, change = ?, cycle = ?, cycle_at = ?, next_at = ?, ends_at = ?,
  ended_at = ?, updated_at = ?, live = ?, overage_rule = ?
WHERE wallet = ? AND id = ?

-- name: set_watch
UPDATE wallet SET watch = ? WHERE number = ?

-- name: insert_top_up
INSERT INTO top_up (slot, customer, entitlement, id, book, closed_at, terms) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: close_top_up
UPDATE top_up SET closed_at = ? WHERE id = ?

-- name: insert_top_up_request
INSERT INTO top_up_request (slot, customer, entitlement, id, book, top_up, amount, available, cost_amount,
  cost_currency, requested_at, recorded_at, expires_at, state, ended_at, reference, reason, grant_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: end_top_up_request
UPDATE top_up_request SET state = ?, ended_at = ?, reference = ?, reason = ?, grant_id = ? WHERE id = ?

-- name: insert_alert
INSERT INTO alert (id, slot, owner, book, entitlement, rule, metadata, created_at, closed_at, meter)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_document
INSERT INTO document (slot, id, book, owner, kind, body, revision, created_at, updated_at, deleted_at,
  entitlement, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: change_document
UPDATE document SET body = ?, revision = ?, updated_at = ?, deleted_at = ?, entitlement = ?, due_at = ?
WHERE id = ?

-- name: close_alert
UPDATE alert SET closed_at = ? WHERE id = ?

-- name: upsert_repayment
INSERT INTO repayment (slot, customer, entitlement, seq, grant_id, amount, returned) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (customer, entitlement, seq) DO UPDATE SET returned = excluded.returned

-- name: upsert_reversal
INSERT INTO reversal (debit, entitlement, reversed) VALUES (?, ?, ?)
ON CONFLICT (debit, entitlement) DO UPDATE SET reversed = excluded.reversed

-- What is read -----------------------------------------------------------------------------------

-- name: list_customers
SELECT c.id, c.book, c.created_at, c.own_id, c.name, c.email, c.metadata, c.profiles, c.closed_at, c.test_clock
FROM customer c

-- name: entitlement_wallets
SELECT customer FROM wallet WHERE entitlement = ? ORDER BY created_at DESC, customer DESC LIMIT ? OFFSET ?

-- name: list_entitlements
SELECT id, book, created_at, updated_at, code, name, unit, scale, burn_order, currency,
  expires_after_days, overage, profiles, closed_at, shortfall, late_usage_grace, alerts
FROM entitlement WHERE book = ? AND id < ? ORDER BY id DESC LIMIT ?

-- name: list_grants
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided,
  g.rolled_over, g.held, g.priority, g.category, g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at,
  g.pending, g.drawn, g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency,
  g.name, g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM grant_now g

-- name: outstanding_grants
SELECT g.customer, g.entitlement, g.id, g.amount, g.remaining, g.used, g.expired, g.voided,
  g.rolled_over, g.held, g.priority, g.category, g.effective_at, g.expires_at, g.recorded_at, g.created_at, g.updated_at,
  g.pending, g.drawn, g.expired_at, g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency,
  g.name, g.scope, g.metadata, g.profiles, g.schedule, g.generation, g.rollover
FROM grant_now g
WHERE g.customer = ? AND g.remaining > 0
ORDER BY g.entitlement, g.priority, g.burn_expires, g.burn_paid, g.effective_at, g.recorded_at, g.id

-- name: list_holds
SELECT w.customer, w.entitlement, h.id, h.amount, h.held, h.captured, h.slices, h.state,
  h.created_at, h.recorded_at, h.expires_at, h.ended_at, h.attributes, h.metadata
FROM hold h JOIN wallet w ON w.number = h.wallet

-- name: list_schedules
SELECT w.customer, w.entitlement, s.id, s.state, s.amount, s.change, s.cycle, s.cycle_at, s.next_at,
  s.ends_at, s.ended_at, s.updated_at, s.created_at, s.recorded_at, s.terms,
  s.overage_rule
FROM schedule s JOIN wallet w ON w.number = s.wallet

-- name: list_documents
SELECT d.id, d.book, d.owner, d.kind, d.body, d.revision, d.created_at, d.updated_at, d.deleted_at, d.entitlement,
  d.due_at
FROM document d

-- name: list_alerts
SELECT a.id, a.owner, a.book, a.entitlement, a.rule, a.metadata, a.created_at, a.closed_at, a.meter
FROM alert a

-- name: list_top_ups
SELECT t.id, t.customer, t.entitlement, t.closed_at, t.terms, w.watch
FROM top_up t JOIN wallet w ON w.customer = t.customer AND w.entitlement = t.entitlement

-- name: list_top_up_requests
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM top_up_request r

-- name: walk_entries
WITH RECURSIVE chain (number) AS (
  SELECT ?
  UNION ALL
  SELECT e.previous FROM chain JOIN entry e ON e.number = chain.number WHERE e.previous > 0
)
SELECT o.id, e.ordinal, e.seq, e.grant_id, e.kind, e.amount, e.posted_before, e.posted_after,
  e.held_before, e.held_after, e.overage_before, e.overage_after, e.grant_before, e.grant_after,
  e.at, e.recorded_at, e.hash, e.order_key, e.number, e.previous
FROM chain JOIN entry e ON e.number = chain.number JOIN operation o ON o.number = e.operation
LIMIT ?

-- name: later_changes
SELECT id, customer, entitlement, kind, at, recorded_at, subject, facts, changed, namespace, key,
  status, answer
FROM operation WHERE subject = ? AND kind IN ('amend', 'expire', 'amend_customer')
  AND number > (SELECT number FROM operation WHERE id = ?)
ORDER BY number DESC

-- name: entry_place
SELECT e.number, e.previous, w.customer, w.entitlement
FROM entry e JOIN wallet w ON w.number = e.wallet WHERE e.number = ?

-- name: due_wallets
SELECT w.customer, w.entitlement, c.book FROM wallet w JOIN customer c ON c.id = w.customer
WHERE w.next_due_at <= ? AND w.clock IS NULL ORDER BY w.next_due_at LIMIT ?

-- name: watched_entitlements
SELECT id, alerts FROM entitlement WHERE alerts <> '[]'

-- What a wallet is watched by stands in it. The plus keeps an index out that would not give their order.
-- name: uncounted_wallets
SELECT c.book, w.customer FROM wallet w JOIN customer c ON c.id = w.customer
WHERE w.customer > ? AND +w.entitlement = ? AND w.next_due_at IS NOT NULL
  AND instr(coalesce(w.watch, ''), ?) = 0
ORDER BY w.customer LIMIT ?

-- name: due_entitlements
SELECT entitlement FROM wallet WHERE customer = ? AND next_due_at <= ?

-- name: prune_claims
DELETE FROM claim WHERE (book, space, key) IN (
  SELECT book, space, key FROM claim WHERE created_at < ? AND answer IS NOT NULL LIMIT ?)

-- What verify walks ------------------------------------------------------------------------------

-- name: count_wallets
SELECT count(*) FROM wallet

-- name: count_entries
SELECT count(*) FROM entry

-- name: next_wallets
SELECT w.number, w.customer, w.entitlement, e.code, e.scale, w.posted, w.pending, w.held, w.overage,
  w.granted, w.used, w.expired, w.voided, w.open_grants, w.open_holds, w.seq, w.chain, w.next_due_at,
  w.overage_rule, w.watch, w.head
FROM wallet w LEFT JOIN entitlement e ON e.id = w.entitlement
WHERE w.number > ? ORDER BY w.number LIMIT ?

-- name: grants_of_wallet
SELECT id, amount, remaining, used, expired, voided, rolled_over, held, priority, category, effective_at, expires_at,
  recorded_at, created_at, updated_at, pending, drawn, expired_at, voided_at, source, parent,
  cost_amount, cost_currency, name, scope, metadata, profiles, schedule, generation, rollover
FROM grant_now WHERE wallet = ? ORDER BY id

-- name: holds_of_wallet
SELECT id, amount, held, captured, slices, state, created_at, recorded_at, expires_at, ended_at,
  attributes, metadata
FROM hold WHERE wallet = ? AND due_at IS NOT NULL

-- name: schedules_of_wallet
SELECT id, state, amount, change, cycle, cycle_at, next_at, ends_at, ended_at, updated_at, created_at,
  recorded_at, terms, overage_rule
FROM schedule WHERE wallet = ?

-- name: documents_of_wallet
SELECT id, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE owner = ? AND (entitlement = ? OR entitlement IS NULL)

-- name: requests_of_wallet
SELECT r.id, r.customer, r.entitlement, r.top_up, r.amount, r.available, r.cost_amount, r.cost_currency, r.requested_at,
  r.recorded_at, r.expires_at, r.state, r.ended_at, r.reference, r.reason, r.grant_id
FROM top_up_request r WHERE r.customer = ? AND r.entitlement = ?

-- name: count_stray_holds
SELECT count(*) FROM hold WHERE state <> 'open' AND held <> 0

-- name: count_stray_entries
SELECT count(*) FROM operation o WHERE o.entries <> (
  SELECT count(*) FROM entry e
  WHERE e.number >= o.first_entry AND e.number < o.first_entry + o.entries AND e.operation = o.number)

-- name: list_books
SELECT id FROM book ORDER BY id

-- name: walk_claims
SELECT book, space, key, target, answer IS NOT NULL, length(fingerprint) > 0
FROM claim WHERE (book, space, key) > (?, ?, ?) ORDER BY book, space, key LIMIT ?

-- name: find_meter
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE id = ?

-- name: find_grant_profiles
SELECT id, book, profiles FROM credit_grant WHERE id = ?

-- name: find_event_name
SELECT id, book, own_id FROM usage_event WHERE id = ?

-- name: next_events
SELECT id, customer, book, own_id, name, time, recorded_at, properties, charges, overridden_by, revision
FROM usage_event WHERE (customer, id) > (?, ?) ORDER BY customer, id LIMIT ?

-- name: customer_documents
SELECT id, book, owner, kind, body, revision, created_at, updated_at, deleted_at, entitlement, due_at
FROM document WHERE owner = ? AND kind = ?

-- name: counts_of_customer
SELECT rate, period, grouping, texts, tally, charged FROM usage_count WHERE customer = ?

-- name: values_of_customer
SELECT rate, period, grouping, value, events FROM usage_value WHERE customer = ?

-- name: count_stray_counts
SELECT count(*) FROM usage_count c
WHERE NOT EXISTS (SELECT 1 FROM usage_event e WHERE e.customer = c.customer)

-- One that an override has changed since is not what its first operation made it.
-- name: count_wrong_events
SELECT count(*) FROM usage_event e JOIN operation o ON o.id = e.id
WHERE e.revision = 0 AND (
    (SELECT coalesce(sum(n.amount), 0) FROM entry n
     WHERE n.number >= o.first_entry AND n.number < o.first_entry + o.entries AND n.kind = 'debited')
    <> (SELECT coalesce(sum(c.value ->> 5), 0) FROM json_each(e.charges) c)
    OR (SELECT coalesce(sum(n.amount), 0) FROM entry n
     WHERE n.number >= o.first_entry AND n.number < o.first_entry + o.entries
       AND n.kind = 'overage_charged')
    <> (SELECT coalesce(sum(c.value ->> 6), 0) FROM json_each(e.charges) c))

-- name: data_version
PRAGMA data_version

-- Accounts and keys ------------------------------------------------------------------------------

-- name: insert_account
INSERT INTO account (id, name, zone, created_at) VALUES (?, ?, ?, ?)

-- name: list_accounts
SELECT id, name, zone, created_at FROM account ORDER BY id

-- name: set_zone
UPDATE account SET zone = ? WHERE id = ?

-- name: find_zone
SELECT zone FROM account WHERE id = ?

-- name: insert_book
INSERT INTO book (id, account, mode) VALUES (?, ?, ?)

-- name: find_book
SELECT id FROM book WHERE account = ? AND mode = ?

-- name: account_of_book
SELECT account FROM book WHERE id = ?

-- name: insert_api_key
INSERT INTO api_key (id, book, role, name, hash, created_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: list_api_keys
SELECT k.id, b.account, k.book, b.mode, k.role, k.name, k.created_at, k.last_used_at, k.revoked_at
FROM api_key k JOIN book b ON b.id = k.book ORDER BY k.id

-- name: find_api_key
SELECT k.id, b.account, k.book, b.mode, k.role, k.name, k.created_at, k.last_used_at, k.revoked_at,
  k.hash
FROM api_key k JOIN book b ON b.id = k.book WHERE k.id = ?

-- name: revoke_api_key
UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL

-- name: touch_api_key
UPDATE api_key SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) < ?

-- Test clocks ------------------------------------------------------------------------------------

-- name: find_clock
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE id = ?

-- name: list_clocks
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE book = ? AND id < ? AND deleted_at IS NULL ORDER BY id DESC LIMIT ?

-- name: has_clocks
SELECT 1 FROM test_clock WHERE book = ? LIMIT 1

-- name: advancing_clocks
SELECT id, book, frozen_at, target, name, created_at, deleted_at
FROM test_clock WHERE target IS NOT NULL

-- name: insert_clock
INSERT INTO test_clock (id, book, frozen_at, target, name, created_at, deleted_at)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: change_clock
UPDATE test_clock SET target = ?, deleted_at = ? WHERE id = ?

-- name: set_clock
UPDATE wallet SET clock = ? WHERE number = ?

-- name: clock_due
SELECT customer, entitlement, next_due_at FROM wallet
WHERE clock = ? AND next_due_at <= ? ORDER BY next_due_at LIMIT ?

-- name: count_clock
SELECT count(*), count(*) FILTER (WHERE next_due_at <= ?) FROM wallet WHERE clock = ?

-- name: reach_target
UPDATE test_clock SET frozen_at = target WHERE id = ? AND target = ?

-- The feed ---------------------------------------------------------------------------------------

-- name: operation_number
SELECT number FROM operation WHERE id = ?

-- name: operation_time
SELECT recorded_at FROM operation WHERE id = ?

-- name: recorded_at
SELECT recorded_at FROM operation WHERE number = ?

-- name: run_before
SELECT number FROM operation WHERE number < ? AND recorded_at <> ? ORDER BY number DESC LIMIT 1

-- name: list_operations
SELECT o.number, coalesce(c.book, o.customer), o.id, o.customer, o.entitlement, o.kind, o.at,
  o.recorded_at, o.subject, o.facts, o.changed, o.namespace, o.key, o.first_entry, o.entries
FROM operation o LEFT JOIN customer c ON c.id = o.customer
WHERE o.number > ? ORDER BY o.number LIMIT ?

-- name: operations_of
SELECT o.number, coalesce(c.book, o.customer), o.id, o.customer, o.entitlement, o.kind, o.at,
  o.recorded_at, o.subject, o.facts, o.changed, o.namespace, o.key, o.first_entry, o.entries
FROM operation o LEFT JOIN customer c ON c.id = o.customer
WHERE o.number > ? AND o.number <= ? AND hex(o.customer) IN (SELECT value FROM json_each(?))
ORDER BY o.number

-- name: wallet_seqs
SELECT entitlement, seq FROM wallet WHERE customer = ?

-- Webhooks ---------------------------------------------------------------------------------------

-- name: list_endpoints
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint ORDER BY id

-- name: book_endpoints
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint WHERE book = ? ORDER BY id

-- name: find_endpoint
SELECT id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with
FROM webhook_endpoint WHERE id = ?

-- name: insert_endpoint
INSERT INTO webhook_endpoint (id, book, settings, secret, previous_secret, previous_until, enabled, disabled_for,
  failing_since, cursor_at, cursor_operation, revision, created_at, updated_at, made_with)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: update_endpoint
UPDATE webhook_endpoint SET settings = ?, secret = ?, previous_secret = ?, previous_until = ?,
  enabled = ?, disabled_for = ?, failing_since = ?, cursor_at = ?, cursor_operation = ?,
  revision = ?, updated_at = ?
WHERE id = ? AND revision = ?

-- name: move_cursor
UPDATE webhook_endpoint SET cursor_at = ?, cursor_operation = ?, failing_since = ?
WHERE id = ? AND revision = ?

-- name: delete_endpoint
DELETE FROM webhook_endpoint WHERE id = ?

-- name: delete_retries
DELETE FROM webhook_retry WHERE endpoint = ?

-- name: delete_attempts
DELETE FROM webhook_attempt WHERE endpoint = ?

-- name: delete_retry
DELETE FROM webhook_retry
WHERE endpoint = ? AND recorded_at = ? AND operation = ? AND ordinal = ?

-- name: insert_retry
INSERT INTO webhook_retry (endpoint, recorded_at, operation, ordinal, customer, type, attempts, next_at, dead)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: list_retries
SELECT endpoint, recorded_at, operation, ordinal, customer, type, attempts, next_at, dead
FROM webhook_retry WHERE endpoint = ? AND dead = ?
  AND (recorded_at, operation, ordinal) > (?, ?, ?)
ORDER BY recorded_at, operation, ordinal LIMIT ?

-- name: tally_retries
SELECT dead, count(*) FROM webhook_retry GROUP BY dead

-- name: insert_attempt
INSERT INTO webhook_attempt (id, endpoint, event, type, attempt, at, milliseconds, outcome, status, answer,
  error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: list_attempts
SELECT id, endpoint, event, type, attempt, at, milliseconds, outcome, status, answer,
  error
FROM webhook_attempt WHERE endpoint = ? AND id < ? ORDER BY id DESC LIMIT ?

-- name: oldest_kept_attempt
SELECT id FROM webhook_attempt WHERE endpoint = ? ORDER BY id DESC LIMIT 1 OFFSET ?

-- name: prune_attempts
DELETE FROM webhook_attempt WHERE endpoint = ? AND (id <= ? OR at < ?)

-- name: oldest_kept_dead
SELECT recorded_at, operation, ordinal FROM webhook_retry WHERE endpoint = ? AND dead = 1
ORDER BY recorded_at DESC, operation DESC, ordinal DESC LIMIT 1 OFFSET ?

-- name: prune_dead
DELETE FROM webhook_retry WHERE endpoint = ? AND dead = 1
  AND ((recorded_at, operation, ordinal) <= (?, ?, ?) OR next_at < ?)

-- Usage ------------------------------------------------------------------------------------------

-- name: book_meters
SELECT id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles, watch
FROM meter WHERE book = ? ORDER BY id

-- name: book_rates
SELECT id, book, meter, entitlement, price, period, created_at, closed_at, customers, rest_of FROM rate WHERE book = ? ORDER BY id

-- name: insert_meter
INSERT INTO meter (id, book, code, name, measure, debits, created_at, closed_at, updated_at, profiles)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: change_meter
UPDATE meter SET name = ?, updated_at = ?, profiles = ?, closed_at = ? WHERE id = ?

-- name: watch_meter
UPDATE meter SET watch = ? WHERE id = ?

-- name: insert_rate
INSERT INTO rate (id, book, meter, entitlement, price, period, created_at, closed_at, customers, rest_of)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: close_rate
UPDATE rate SET closed_at = ? WHERE id = ?

-- name: customer_rates
SELECT customer, rate, name, starts_at, ends_at FROM rate_customer WHERE customer = ?

-- name: attach_rate
INSERT INTO rate_customer (slot, customer, rate, name, starts_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (customer, rate, name) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at

-- name: detach_rate
DELETE FROM rate_customer WHERE slot = ? AND customer = ? AND rate = ? AND name = ?

-- name: find_event
SELECT id, customer, book, own_id, name, time, recorded_at, properties, charges, overridden_by, revision
FROM usage_event WHERE id = ?

-- name: used_between
SELECT time, id, properties, charges FROM usage_event WHERE customer = ? AND name = ? AND time >= ? AND time < ?

-- name: list_events
SELECT e.id, e.customer, e.book, e.own_id, e.name, e.time, e.recorded_at, e.properties, e.charges,
  e.overridden_by, e.revision
FROM usage_event e

-- name: find_count
SELECT texts, tally, charged FROM usage_count
WHERE customer = ? AND rate = ? AND period = ? AND grouping = ?

-- name: tally_groups
SELECT count(*) FROM usage_count WHERE customer = ? AND rate = ? AND period = ?

-- name: find_value
SELECT events FROM usage_value
WHERE customer = ? AND rate = ? AND period = ? AND grouping = ? AND value = ?

-- name: insert_event
INSERT INTO usage_event (slot, id, customer, book, own_id, name, time, recorded_at, properties, charges,
  uncovered)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: latest_events
SELECT id, customer, book, own_id, name, time, recorded_at, properties, charges, overridden_by, revision
FROM usage_event WHERE customer = ? ORDER BY id DESC LIMIT ?

-- name: amend_event
UPDATE usage_event SET name = ?, time = ?, properties = ?, charges = ?, uncovered = ?, overridden_by = ?,
  revision = ?
WHERE id = ?

-- name: upsert_count
INSERT INTO usage_count (slot, customer, rate, period, grouping, texts, tally, charged)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (customer, rate, period, grouping) DO UPDATE
SET tally = excluded.tally, charged = excluded.charged

-- name: upsert_value
INSERT INTO usage_value (slot, customer, rate, period, grouping, value, events) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (customer, rate, period, grouping, value) DO UPDATE SET events = excluded.events
