-- The customers and grants that Drawdown is measured with. Variables: customers, code, grants (JSON, in
-- the order of their making), and of the one customer with very many grants: name, many, many_amount,
-- many_days (until its first grant expires; each further one a day later).
INSERT INTO wallet
  SELECT n, 'cus_' || lpad(n::text, 8, '0'), :'code', 0, 0, 0 FROM generate_series(0, :customers - 1) n;
INSERT INTO wallet VALUES (:customers, :'name', :'code', 0, 0, 0);

INSERT INTO credit_grant
    (id, wallet, priority, expires_at, paid, effective_at, recorded_at, amount, remaining)
  SELECT row_number() OVER (ORDER BY w.id, g.place), w.id, g.priority,
    coalesce(now() + interval '1 day' * g.days, 'infinity'), g.category = 'paid', now(), now(),
    g.amount, g.amount
  FROM wallet w
  CROSS JOIN ROWS FROM (json_to_recordset(:'grants')
    AS (amount bigint, priority smallint, category text, days integer)) WITH ORDINALITY
    AS g (amount, priority, category, days, place)
  WHERE w.id < :customers;

INSERT INTO credit_grant
    (id, wallet, priority, expires_at, paid, effective_at, recorded_at, amount, remaining)
  SELECT -1 - n, :customers, 50, now() + interval '1 day' * (:many_days + n), true, now(), now(),
    :many_amount, :many_amount
  FROM generate_series(0, :many - 1) n;

UPDATE wallet SET posted = g.remaining
  FROM (SELECT wallet, sum(remaining) AS remaining FROM credit_grant GROUP BY wallet) g
  WHERE wallet.id = g.wallet;
VACUUM ANALYZE;
