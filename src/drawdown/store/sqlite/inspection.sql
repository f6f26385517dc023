-- What `drawdown doctor` and a backup look at in a ledger of any schema: only what its first one had.

-- name: newest_record
SELECT recorded_at FROM operation ORDER BY number DESC LIMIT 1

-- name: late_wallets
SELECT count(*), min(next_due_at) FROM wallet WHERE next_due_at < ? AND clock IS NULL

-- name: live_keys
SELECT b.mode, k.role, k.name, k.id, a.name FROM api_key k JOIN book b ON b.id = k.book
JOIN account a ON a.id = b.account WHERE k.revoked_at IS NULL ORDER BY k.id

-- name: account_names
SELECT name FROM account ORDER BY id
