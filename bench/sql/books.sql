-- One line of JSON: how many debits there were, what they drew, and how many wallets do not add up.
SELECT json_build_object(
  'debits', (SELECT count(*) FROM ledger_key),
  'events', (SELECT count(*) FROM event),
  'drawn', (SELECT coalesce(sum(amount), 0) FROM entry),
  'faults', (
    SELECT count(*) FROM wallet w
    JOIN (SELECT wallet, sum(amount) AS granted, sum(remaining) AS remaining
          FROM credit_grant GROUP BY wallet) g ON g.wallet = w.id
    LEFT JOIN (SELECT wallet, sum(amount) AS drawn, count(*) AS entries
               FROM entry GROUP BY wallet) e ON e.wallet = w.id
    WHERE w.posted <> g.remaining OR w.posted + w.used <> g.granted
      OR w.used <> coalesce(e.drawn, 0) OR w.seq <> coalesce(e.entries, 0)));
