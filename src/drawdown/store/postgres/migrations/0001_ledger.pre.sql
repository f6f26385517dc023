-- The ledger. Amounts are whole units at the entitlement's scale, times are microseconds since 1970 in
-- UTC. slot (0 to 16,383) leads every key of what a customer owns: it is the last 14 bits of his id, and
-- what the tables are spread by where there is more than one machine.

-- Small tables, the same on every machine -------------------------------------------------------------

CREATE TABLE account (
  id         uuid PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  zone       text NOT NULL,              -- by its name in the IANA database: where its days begin
  created_at bigint NOT NULL
);

CREATE TABLE book (
  id      uuid PRIMARY KEY,
  account uuid NOT NULL,
  mode    text NOT NULL CHECK (mode IN ('test', 'live')),
  UNIQUE (account, mode)
);

CREATE TABLE api_key (
  id           uuid PRIMARY KEY,
  book         uuid NOT NULL,
  role         text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  name         text,
  hash         bytea NOT NULL,           -- SHA-256 of the secret, which is kept nowhere
  created_at   bigint NOT NULL,
  last_used_at bigint,
  revoked_at   bigint
);

CREATE TABLE entitlement (
  id                 uuid PRIMARY KEY,
  book               uuid NOT NULL,
  code               text NOT NULL,
  name               text NOT NULL,
  unit               text NOT NULL,
  scale              int NOT NULL CHECK (scale BETWEEN 0 AND 10),
  burn_order         text NOT NULL,
  currency           text,
  expires_after_days int,
  overage            text NOT NULL,      -- the rule for usage past zero, as JSON
  profiles           text NOT NULL,
  created_at         bigint NOT NULL,
  updated_at         bigint NOT NULL,
  closed_at          bigint,
  shortfall          text NOT NULL,
  late_usage_grace   bigint NOT NULL,
  alerts             text NOT NULL       -- the live ones for all customers, as JSON
);
CREATE INDEX entitlement_by_book ON entitlement (book, id);
CREATE INDEX entitlement_watched ON entitlement (id) WHERE alerts <> '[]';

-- What usage events are counted by, and what is charged for them. What they count never changes.
CREATE TABLE meter (
  id         uuid PRIMARY KEY,
  book       uuid NOT NULL,
  code       text NOT NULL,
  name       text NOT NULL,
  measure    text NOT NULL,              -- which events count, and how, as JSON
  debits     text NOT NULL,
  created_at bigint NOT NULL,
  closed_at  bigint,
  updated_at bigint NOT NULL,
  profiles   text NOT NULL,              -- what dialects know of it, as JSON
  watch      text                        -- since when it is watched, and the alerts for all customers, as JSON
);
CREATE INDEX meter_by_book ON meter (book, id);

CREATE TABLE rate (
  id          uuid PRIMARY KEY,
  book        uuid NOT NULL,
  meter       uuid NOT NULL,
  entitlement uuid NOT NULL,
  price       text NOT NULL,             -- as JSON
  period      text NOT NULL,
  customers   text NOT NULL,             -- all, or those it is attached to
  created_at  bigint NOT NULL,
  closed_at   bigint,
  rest_of     uuid                       -- what nothing pays for by that rate is charged, and no more
);
CREATE INDEX rate_by_book ON rate (book, id);

-- What time it is for the customers on it, in a test book. target: where an advance under way is going.
CREATE TABLE test_clock (
  id         uuid PRIMARY KEY,
  book       uuid NOT NULL,
  frozen_at  bigint NOT NULL,
  target     bigint,
  name       text,
  created_at bigint NOT NULL,
  deleted_at bigint,
  CHECK (target >= frozen_at)
);
CREATE INDEX test_clock_by_book ON test_clock (book, id);
CREATE INDEX test_clock_advancing ON test_clock (target) WHERE target IS NOT NULL;

-- Where events are delivered. cursor: everything up to it was delivered, or waits in webhook_retry. The
-- secrets are what deliveries are signed with: they are needed as they are.
CREATE TABLE webhook_endpoint (
  id               uuid PRIMARY KEY,
  book             uuid NOT NULL,
  settings         text NOT NULL,        -- what its owner chose, as JSON
  secret           text NOT NULL,
  previous_secret  text,
  previous_until   bigint,
  enabled          boolean NOT NULL,
  disabled_for     text,
  failing_since    bigint,
  cursor_at        bigint NOT NULL,
  cursor_operation uuid NOT NULL,
  revision         int NOT NULL,
  created_at       bigint NOT NULL,
  updated_at       bigint NOT NULL,
  made_with        text,                 -- the idempotency key that it was made with: one endpoint for each
  UNIQUE (book, made_with)
);

-- One row for each event that has not arrived yet, and each that was given up (dead).
CREATE TABLE webhook_retry (
  endpoint    uuid NOT NULL,
  recorded_at bigint NOT NULL,
  operation   uuid NOT NULL,
  ordinal     int NOT NULL,
  customer    uuid,
  type        text NOT NULL,
  attempts    int NOT NULL,
  next_at     bigint NOT NULL,
  dead        boolean NOT NULL,
  PRIMARY KEY (endpoint, dead, recorded_at, operation, ordinal)
);

-- The newest attempts of each endpoint; older ones are forgotten.
CREATE TABLE webhook_attempt (
  endpoint     uuid NOT NULL,
  id           uuid NOT NULL,
  event        text NOT NULL,
  type         text NOT NULL,
  attempt      int NOT NULL,
  at           bigint NOT NULL,
  milliseconds int NOT NULL,
  outcome      text NOT NULL,
  status       int,
  answer       text,
  error        text,
  PRIMARY KEY (endpoint, id)
);

-- What customers own ----------------------------------------------------------------------------------

CREATE TABLE customer (
  slot       int NOT NULL,
  id         uuid NOT NULL,
  book       uuid NOT NULL,
  own_id     text,
  name       text,
  email      text,
  metadata   text NOT NULL,
  profiles   text NOT NULL,              -- what one dialect keeps beside the customer, by dialect
  created_at bigint NOT NULL,
  closed_at  bigint,
  test_clock uuid,
  PRIMARY KEY (slot, id)
);
CREATE INDEX customer_by_book ON customer (book, id);
CREATE INDEX customer_by_email ON customer (book, email, id) WHERE email IS NOT NULL;

-- What must be unique in a whole book: names (target) and HTTP idempotency keys (answer). Its slot is
-- that of its own hash. askers: where claims are apart from what is done under them, how many are at it;
-- target is what they call it.
CREATE TABLE claim (
  slot        int NOT NULL,
  book        uuid NOT NULL,
  space       text NOT NULL,
  key         text NOT NULL,
  created_at  bigint NOT NULL,
  fingerprint bytea,
  target      uuid,
  status      int,
  answer      bytea,
  request_id  text,
  askers      int,
  PRIMARY KEY (slot, book, space, key)
);
CREATE INDEX claim_prunable ON claim (created_at) WHERE answer IS NOT NULL OR askers IS NOT NULL;

-- The lock row: one customer's credit of one entitlement. Its conditions are few because PostgreSQL reads
-- each anew in every statement that writes.
CREATE TABLE wallet (
  slot        int NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid NOT NULL,
  book        uuid NOT NULL,
  created_at  bigint NOT NULL,
  posted      bigint NOT NULL,
  pending     bigint NOT NULL,
  held        bigint NOT NULL,
  overage     bigint NOT NULL,
  granted     bigint NOT NULL,
  used        bigint NOT NULL,
  expired     bigint NOT NULL,
  voided      bigint NOT NULL,
  open_grants int NOT NULL,
  open_holds  int NOT NULL,
  seq         bigint NOT NULL,
  chain       bytea NOT NULL,
  last_at     bigint NOT NULL,
  next_due_at bigint,
  overage_rule text,                     -- in place of its entitlement's, as JSON: what its schedules say
  clock       uuid,                      -- its customer's test clock: time that is due by that alone
  watch       text,                      -- its own alerts, and which of all have fired, as JSON
  PRIMARY KEY (slot, customer, entitlement),
  CHECK (least(held, posted - held, pending, overage, used, expired, voided, open_grants, open_holds) >= 0),
  CHECK (granted = posted + pending + used + expired + voided)
) WITH (fillfactor = 60);
CREATE INDEX wallet_by_entitlement ON wallet (entitlement, created_at, customer);
CREATE INDEX wallet_due ON wallet (next_due_at) WHERE next_due_at IS NOT NULL AND clock IS NULL;
CREATE INDEX wallet_clock_due ON wallet (clock, next_due_at) WHERE clock IS NOT NULL;

-- active, burn_expires, burn_paid and due_at change seldom: the indices stay untouched while a grant is
-- drawn.
CREATE TABLE credit_grant (
  slot          int NOT NULL,
  id            uuid NOT NULL,
  customer      uuid NOT NULL,
  entitlement   uuid NOT NULL,
  book          uuid NOT NULL,
  amount        bigint NOT NULL CHECK (amount > 0),
  remaining     bigint NOT NULL,
  used          bigint NOT NULL,
  expired       bigint NOT NULL,
  voided        bigint NOT NULL,
  rolled_over   bigint NOT NULL,
  held          bigint NOT NULL,
  priority      int NOT NULL,
  category      text NOT NULL,
  effective_at  bigint NOT NULL,
  expires_at    bigint,
  recorded_at   bigint NOT NULL,
  created_at    bigint NOT NULL,
  updated_at    bigint NOT NULL,
  pending       boolean NOT NULL,
  drawn         boolean NOT NULL,
  expired_at    bigint,
  voided_at     bigint,
  source        text NOT NULL,
  parent        uuid,
  cost_amount   bigint,
  cost_currency text,
  name          text,
  scope         text NOT NULL,           -- which debits it may pay for, as JSON: {attribute: [values]}
  metadata      text NOT NULL,
  profiles      text NOT NULL,
  schedule      uuid,                    -- whose cycle made it
  generation    int NOT NULL,            -- how often its credit has been carried over
  rollover      text,                    -- what is carried of it at its own end, as JSON; null: nothing
  active        boolean NOT NULL,        -- effective and not ended, with something remaining
  burn_expires  bigint NOT NULL,         -- its place by expiry; 0 where the oldest is drawn first
  burn_paid     boolean NOT NULL,        -- promotional before paid; false where the oldest is drawn first
  due_at        bigint,                  -- when time alone changes it next
  PRIMARY KEY (slot, id),
  CHECK (least(held, remaining - held, used, expired, voided, rolled_over) >= 0),
  CHECK (amount = remaining + used + expired + voided + rolled_over)
) WITH (fillfactor = 70);
CREATE INDEX credit_grant_by_book ON credit_grant (book, id);
CREATE INDEX credit_grant_by_wallet ON credit_grant (slot, customer, entitlement, id);
CREATE INDEX credit_grant_burn ON credit_grant
  (slot, customer, entitlement, priority, burn_expires, burn_paid, effective_at, recorded_at, id)
  WHERE active;
CREATE INDEX credit_grant_due ON credit_grant (slot, customer, entitlement, due_at)
  WHERE due_at IS NOT NULL;
-- What late usage may still draw on.
CREATE INDEX credit_grant_expired ON credit_grant (slot, customer, entitlement, expired_at)
  WHERE expired > 0;

CREATE INDEX credit_grant_schedule ON credit_grant (slot, customer, entitlement, schedule)
  WHERE schedule IS NOT NULL AND active;

-- Grants that recur. terms is what was agreed, as JSON; the rest is where it stands. cycle is the number of
-- the cycle that runs, or was the last to, and next_at is when the next begins, or the last ends.
CREATE TABLE schedule (
  slot        int NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid NOT NULL,
  id          uuid NOT NULL,
  book        uuid NOT NULL,
  state       text NOT NULL,
  amount      bigint NOT NULL CHECK (amount > 0),
  change      bigint CHECK (change > 0),        -- the amount from the next cycle on
  cycle       int,
  cycle_at    bigint,
  next_at     bigint,
  ends_at     bigint,
  ended_at    bigint,
  updated_at  bigint NOT NULL,
  live        boolean NOT NULL,                 -- neither ended nor cancelled
  overage_rule text,                            -- for its wallet, from its first cycle to its end, as JSON
  created_at  bigint NOT NULL,
  recorded_at bigint NOT NULL,
  terms       text NOT NULL,
  PRIMARY KEY (slot, id),
  CHECK (live = (state IN ('active', 'paused'))),
  CHECK (live OR next_at IS NULL)
);
CREATE INDEX schedule_by_book ON schedule (book, id);
CREATE INDEX schedule_by_wallet ON schedule (slot, customer, entitlement, id);
CREATE INDEX schedule_live ON schedule (slot, customer, entitlement) WHERE live;

-- Alerts, with those that are closed. owner is the customer, or the book where one is for all customers. One
-- is on credit of an entitlement, or on what is used by a meter.
CREATE TABLE alert (
  slot        int NOT NULL,
  id          uuid NOT NULL,
  owner       uuid NOT NULL,
  book        uuid NOT NULL,
  entitlement uuid,
  rule        text NOT NULL,             -- what it waits for, as JSON
  metadata    text NOT NULL,
  created_at  bigint NOT NULL,
  closed_at   bigint,
  meter       uuid,
  PRIMARY KEY (slot, id),
  CHECK ((entitlement IS NULL) <> (meter IS NULL))
);
CREATE INDEX alert_by_book ON alert (book, id);
CREATE INDEX alert_by_owner ON alert (slot, owner, id);

-- What dialects keep and the ledger never reads, with what was deleted. owner is a customer or the book.
CREATE TABLE document (
  slot       int NOT NULL,
  id         uuid NOT NULL,
  book       uuid NOT NULL,
  owner      uuid NOT NULL,
  kind       text NOT NULL,
  body       text NOT NULL,              -- JSON
  revision   bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  deleted_at bigint,
  entitlement uuid,                      -- with whose wallet of the owner it stands, while it does
  due_at     bigint,                     -- when it has its next turn there
  PRIMARY KEY (slot, id)
);
CREATE INDEX document_by_book ON document (book, kind, id);
CREATE INDEX document_by_owner ON document (slot, owner, kind, id);
CREATE INDEX document_by_wallet ON document (slot, owner, entitlement) WHERE entitlement IS NOT NULL;

-- Rules by which credit is asked for when it runs low, with those that are closed. Where one stands is kept in
-- its wallet's watch.
CREATE TABLE top_up (
  slot        int NOT NULL,
  id          uuid NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid NOT NULL,
  book        uuid NOT NULL,
  closed_at   bigint,
  terms       text NOT NULL,             -- as JSON
  PRIMARY KEY (slot, id)
);
CREATE INDEX top_up_by_book ON top_up (book, id);
CREATE INDEX top_up_by_customer ON top_up (slot, customer, id);

-- Requests to take a payment, and what came of them. grant_id is the credit that was given for it.
CREATE TABLE top_up_request (
  slot          int NOT NULL,
  id            uuid NOT NULL,
  customer      uuid NOT NULL,
  entitlement   uuid NOT NULL,
  book          uuid NOT NULL,
  top_up        uuid NOT NULL,
  amount        bigint NOT NULL CHECK (amount > 0),
  available     bigint NOT NULL,
  cost_amount   bigint,
  cost_currency text,
  requested_at  bigint NOT NULL,
  recorded_at   bigint NOT NULL,
  expires_at    bigint NOT NULL,
  state         text NOT NULL,
  ended_at      bigint,
  reference     text,
  reason        text,
  grant_id      uuid,
  PRIMARY KEY (slot, id),
  CHECK ((grant_id IS NULL) = (state <> 'confirmed'))
);
CREATE INDEX top_up_request_by_book ON top_up_request (book, id);
CREATE INDEX top_up_request_by_customer ON top_up_request (slot, customer, id);

-- Credit set aside. slices says how much of which grants still is, in burn-down order. due_at is null once
-- the hold has ended: the open holds of a wallet are those in the last index below.
CREATE TABLE hold (
  slot        int NOT NULL,
  id          uuid NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid NOT NULL,
  book        uuid NOT NULL,
  amount      bigint NOT NULL CHECK (amount > 0),
  held        bigint NOT NULL CHECK (held BETWEEN 0 AND amount),
  captured    bigint NOT NULL CHECK (captured >= 0),
  slices      text NOT NULL,             -- as JSON: {grant's id in hexadecimal: units}
  state       text NOT NULL,
  created_at  bigint NOT NULL,
  recorded_at bigint NOT NULL,
  expires_at  bigint,
  ended_at    bigint,
  attributes  text NOT NULL,
  metadata    text NOT NULL,
  due_at      bigint,                    -- when it ends by itself; the end of time where it never does
  PRIMARY KEY (slot, id),
  CHECK ((due_at IS NULL) = (state <> 'open'))
) WITH (fillfactor = 80);
CREATE INDEX hold_by_book ON hold (book, id);
CREATE INDEX hold_by_wallet ON hold (slot, customer, entitlement, id);
CREATE INDEX hold_due ON hold (slot, customer, entitlement, due_at) WHERE due_at IS NOT NULL;

-- Append only: one accepted command each, with the answer its asker got. entitlement is null where it
-- moved several of the customer's wallets; spans says which entries it has, as JSON:
-- {entitlement's id in hexadecimal: [first seq, how many]}.
CREATE TABLE operation (
  slot        int NOT NULL,
  id          uuid NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid,
  kind        text NOT NULL,
  at          bigint NOT NULL,
  recorded_at bigint NOT NULL,
  subject     uuid,
  facts       text NOT NULL,
  changed     text,
  namespace   text,
  key         bytea,
  status      int,
  answer      bytea,
  spans       text NOT NULL,
  PRIMARY KEY (slot, id)
);
CREATE UNIQUE INDEX operation_key ON operation (slot, customer, namespace, key) WHERE key IS NOT NULL;
-- The feed is in this order. A batch has one recorded_at, so that its operations share a place in the index.
CREATE INDEX operation_recorded ON operation (recorded_at);
CREATE INDEX operation_amends ON operation (slot, subject)
  WHERE kind IN ('amend', 'expire', 'amend_customer');

-- Append only. seq is given under the wallet's lock.
CREATE TABLE entry (
  slot           int NOT NULL,
  customer       uuid NOT NULL,
  entitlement    uuid NOT NULL,
  seq            bigint NOT NULL,
  operation      uuid NOT NULL,
  ordinal        int NOT NULL,
  grant_id       uuid NOT NULL,
  kind           text NOT NULL,
  amount         bigint NOT NULL CHECK (amount > 0),
  posted_before  bigint NOT NULL,
  posted_after   bigint NOT NULL,
  held_before    bigint NOT NULL,
  held_after     bigint NOT NULL,
  overage_before bigint NOT NULL,
  overage_after  bigint NOT NULL,
  grant_before   bigint NOT NULL,
  grant_after    bigint NOT NULL,
  at             bigint NOT NULL,
  recorded_at    bigint NOT NULL,
  hash           bytea NOT NULL,
  order_key      text,
  PRIMARY KEY (slot, customer, entitlement, seq)
);

-- What grants have repaid of overage, by the entries that say so, and how much has been returned to them since:
-- what is reversed after it was repaid goes back there.
CREATE TABLE repayment (
  slot        int NOT NULL,
  customer    uuid NOT NULL,
  entitlement uuid NOT NULL,
  seq         bigint NOT NULL,
  grant_id    uuid NOT NULL,
  amount      bigint NOT NULL CHECK (amount > 0),
  returned    bigint NOT NULL CHECK (returned BETWEEN 0 AND amount),
  PRIMARY KEY (slot, customer, entitlement, seq)
);

-- How much of a debit has been reversed in each wallet, for those that have been.
CREATE TABLE reversal (
  slot        int NOT NULL,
  debit       uuid NOT NULL,
  entitlement uuid NOT NULL,
  reversed    bigint NOT NULL,
  PRIMARY KEY (slot, debit, entitlement)
);

-- Usage as it was sent. charges says what it cost by each rate, and how much of that was drawn, as JSON.
CREATE TABLE usage_event (
  slot        int NOT NULL,
  id          uuid NOT NULL,
  customer    uuid NOT NULL,
  book        uuid NOT NULL,
  own_id      text NOT NULL,
  name        text NOT NULL,
  time        bigint NOT NULL,
  recorded_at bigint NOT NULL,
  properties  text NOT NULL,
  charges     text NOT NULL,
  uncovered   boolean NOT NULL,          -- whether some of what it cost could not be drawn
  overridden_by uuid,                    -- the operation that overrode it last
  revision    int NOT NULL DEFAULT 0,    -- how often it has changed
  PRIMARY KEY (slot, id)
);
CREATE INDEX usage_event_by_customer ON usage_event (slot, customer, id);
CREATE INDEX usage_event_by_time ON usage_event (slot, customer, name, time);
CREATE INDEX usage_event_by_book ON usage_event (book, id);
CREATE INDEX usage_event_uncovered ON usage_event (book, id) WHERE uncovered;

-- A customer's usage by one rate in one period, from its first instant on, and group; grouping is a hash.
CREATE TABLE usage_count (
  slot     int NOT NULL,
  customer uuid NOT NULL,
  rate     uuid NOT NULL,
  period   bigint NOT NULL,
  grouping bytea NOT NULL,
  texts    text NOT NULL,                -- the group itself, as JSON
  tally    text NOT NULL,                -- what is kept of its events, as JSON
  charged  bigint NOT NULL,
  PRIMARY KEY (slot, customer, rate, period, grouping),
  CHECK (charged >= 0)
) WITH (fillfactor = 60);

-- Where a meter counts different values: how many events had each, by its hash.
CREATE TABLE usage_value (
  slot     int NOT NULL,
  customer uuid NOT NULL,
  rate     uuid NOT NULL,
  period   bigint NOT NULL,
  grouping bytea NOT NULL,
  value    bytea NOT NULL,
  events   int NOT NULL,
  PRIMARY KEY (slot, customer, rate, period, grouping, value),
  CHECK (events >= 0)
);

-- Which customers a rate charges, where it is not all of them.
CREATE TABLE rate_customer (
  slot      int NOT NULL,
  customer  uuid NOT NULL,
  rate      uuid NOT NULL,
  name      text NOT NULL,               -- whose it is: a subscription of a dialect's; empty: nobody's
  starts_at bigint,                      -- NULL: from ever on
  ends_at   bigint,                      -- usage from then on is not charged by it; NULL: without end
  PRIMARY KEY (slot, customer, rate, name)
);

-- Background work that one process at a time does: which one, and until when. slot is that of the work's
-- name. A process that dies leaves a lease that runs out.
CREATE TABLE lease (
  slot   int NOT NULL,
  name   text NOT NULL,
  holder uuid NOT NULL,
  until  bigint NOT NULL,
  PRIMARY KEY (slot, name)
) WITH (fillfactor = 50);
