-- One durable debit in one call, which pgbench makes one transaction: the key is looked up, the amount is
-- drawn over the grants in burn-down order, every draw leaves an entry with the balances after it, grant
-- and wallet follow, and the answer is kept for the key and sent on as an event.
CREATE FUNCTION debit(for_customer text, of_entitlement text, asked bigint, under_key text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  instant   timestamptz := clock_timestamp();
  held      wallet;
  candidate record;
  due       bigint := asked;
  taken     bigint;
  operation bigint;
  draws     jsonb := '[]';
  reply     jsonb;
BEGIN
  SELECT * INTO held FROM wallet
    WHERE customer = for_customer AND entitlement = of_entitlement FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no wallet of % for customer %', of_entitlement, for_customer;
  END IF;

  SELECT answer INTO reply FROM ledger_key WHERE key = under_key AND wallet = held.id;
  IF FOUND THEN
    RETURN reply;
  END IF;

  operation := nextval('operation_id');
  FOR candidate IN
    SELECT id, remaining FROM credit_grant
      WHERE wallet = held.id AND open AND effective_at <= instant AND expires_at > instant
      ORDER BY priority, expires_at, paid, effective_at, recorded_at, id
  LOOP
    taken := least(candidate.remaining, due);
    due := due - taken;
    held.posted := held.posted - taken;
    held.seq := held.seq + 1;
    UPDATE credit_grant SET remaining = remaining - taken, open = remaining > taken
      WHERE id = candidate.id;
    INSERT INTO entry (operation, wallet, seq, grant_id, amount, posted_after, grant_after, at)
      VALUES (operation, held.id, held.seq, candidate.id, taken, held.posted,
              candidate.remaining - taken, instant);
    draws := draws || jsonb_build_object('grant', candidate.id, 'amount', taken);
    EXIT WHEN due = 0;
  END LOOP;
  IF due > 0 THEN
    RAISE EXCEPTION 'insufficient credit: % needed, % missing', asked, due;
  END IF;

  UPDATE wallet SET posted = held.posted, used = used + asked, seq = held.seq WHERE id = held.id;
  reply := jsonb_build_object('id', operation, 'customer', for_customer,
    'entitlement', of_entitlement, 'amount', asked, 'draws', draws, 'available', held.posted);
  INSERT INTO ledger_key (wallet, key, answer) VALUES (held.id, under_key, reply);
  INSERT INTO event (kind, payload, at) VALUES ('credits.debited', reply, instant);
  RETURN reply;
END $$;
