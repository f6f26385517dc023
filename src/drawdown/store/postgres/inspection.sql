-- What `drawdown doctor` and its kin look at in a ledger of any schema: only what its first one had.

-- name: late_wallets
SELECT count(*), min(next_due_at) FROM wallet WHERE next_due_at < $1 AND clock IS NULL

-- name: live_keys
SELECT b.mode, k.role, k.name, k.id, a.name FROM api_key k JOIN book b ON b.id = k.book
JOIN account a ON a.id = b.account WHERE k.revoked_at IS NULL ORDER BY k.id

-- name: account_names
SELECT name FROM account ORDER BY id

-- name: settings
SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
  current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
  current_setting('transaction_read_only') = 'on', pg_database_size(current_database()),
  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
