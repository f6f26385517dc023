-- The ledger. Amounts are whole units at the entitlement's scale, times are microseconds since 1970 in
-- UTC, ids are 16-byte UUIDv7. Numbers (wallet.number, entry.number, ...) are this file's own keys.
-- A customer's slot (the last 14 bits of its id) is kept in every table that another store spreads by it.

CREATE TABLE account (
  id         BLOB PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  zone       TEXT NOT NULL,              -- by its name in the IANA database: where its days begin
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE book (
  id      BLOB PRIMARY KEY,
  account BLOB NOT NULL REFERENCES account,
  mode    TEXT NOT NULL CHECK (mode IN ('test', 'live')),
  UNIQUE (account, mode)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
  id           BLOB PRIMARY KEY,
  book         BLOB NOT NULL REFERENCES book,
  role         TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  name         TEXT,
  hash         BLOB NOT NULL,            -- SHA-256 of the secret, which is kept nowhere
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER,
  revoked_at   INTEGER
) STRICT, WITHOUT ROWID;

-- What time it is for the customers on it, in a test book. target: where an advance under way is going.
CREATE TABLE test_clock (
  id         BLOB PRIMARY KEY,
  book       BLOB NOT NULL,
  frozen_at  INTEGER NOT NULL,
  target     INTEGER,
  name       TEXT,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  CHECK (target >= frozen_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX test_clock_by_book ON test_clock (book, id);
CREATE INDEX test_clock_advancing ON test_clock (target) WHERE target IS NOT NULL;

CREATE TABLE customer (
  id         BLOB PRIMARY KEY,
  slot       INTEGER NOT NULL,
  book       BLOB NOT NULL,
  own_id     TEXT,
  name       TEXT,
  email      TEXT,
  metadata   TEXT NOT NULL,
  profiles   TEXT NOT NULL,              -- what one dialect keeps beside the customer, by dialect
  created_at INTEGER NOT NULL,
  closed_at  INTEGER,
  test_clock BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX customer_by_book ON customer (book, id);
CREATE INDEX customer_by_email ON customer (book, email, id) WHERE email IS NOT NULL;

CREATE TABLE entitlement (
  id                 BLOB PRIMARY KEY,
  book               BLOB NOT NULL,
  code               TEXT NOT NULL,
  name               TEXT NOT NULL,
  unit               TEXT NOT NULL,
  scale              INTEGER NOT NULL CHECK (scale BETWEEN 0 AND 10),
  burn_order         TEXT NOT NULL,
  currency           TEXT,
  expires_after_days INTEGER,
  overage            TEXT NOT NULL,      -- the rule for usage past zero, as JSON
  profiles           TEXT NOT NULL,
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL,
  closed_at          INTEGER,
  shortfall          TEXT NOT NULL,
  late_usage_grace   INTEGER NOT NULL,
  alerts             TEXT NOT NULL       -- the live ones for all customers, as JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX entitlement_by_book ON entitlement (book, id);
CREATE INDEX entitlement_watched ON entitlement (id) WHERE alerts <> '[]';

-- What must be unique in a whole book: names (target) and HTTP idempotency keys (answer).
CREATE TABLE claim (
  book        BLOB NOT NULL,
  space       TEXT NOT NULL,
  key         TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  fingerprint BLOB,
  target      BLOB,
  status      INTEGER,
  answer      BLOB,
  request_id  TEXT,
  PRIMARY KEY (book, space, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_prunable ON claim (created_at) WHERE answer IS NOT NULL;

-- The lock row: one customer's credit of one entitlement. head is the wallet's last entry. What remains of the
-- grant that was drawn last stands here and not in the grant's row, so that a debit writes one page and not
-- two: the view grant_now shows every grant as it is.
CREATE TABLE wallet (
  number      INTEGER PRIMARY KEY,
  slot        INTEGER NOT NULL,
  customer    BLOB NOT NULL,
  entitlement BLOB NOT NULL,
  created_at  INTEGER NOT NULL,
  posted      INTEGER NOT NULL CHECK (posted >= 0),
  pending     INTEGER NOT NULL CHECK (pending >= 0),
  held        INTEGER NOT NULL CHECK (held BETWEEN 0 AND posted),
  overage     INTEGER NOT NULL CHECK (overage >= 0),
  granted     INTEGER NOT NULL,
  used        INTEGER NOT NULL CHECK (used >= 0),
  expired     INTEGER NOT NULL CHECK (expired >= 0),
  voided      INTEGER NOT NULL CHECK (voided >= 0),
  open_grants INTEGER NOT NULL CHECK (open_grants >= 0),
  open_holds  INTEGER NOT NULL CHECK (open_holds >= 0),
  seq         INTEGER NOT NULL,
  chain       BLOB NOT NULL,
  last_at     INTEGER NOT NULL,
  next_due_at INTEGER,
  overage_rule TEXT,                    -- in place of its entitlement's, as JSON: what its schedules say
  head        INTEGER NOT NULL,
  drawn_grant     BLOB,
  drawn_remaining INTEGER CHECK (drawn_remaining > 0),
  clock           BLOB,                  -- its customer's test clock: time that is due by that alone
  watch           TEXT,                  -- its own alerts, and which of all have fired, as JSON
  UNIQUE (customer, entitlement),
  CHECK (granted = posted + pending + used + expired + voided),
  CHECK ((drawn_grant IS NULL) = (drawn_remaining IS NULL))
) STRICT;
CREATE INDEX wallet_by_entitlement ON wallet (entitlement, created_at, customer);
CREATE INDEX wallet_due ON wallet (next_due_at) WHERE next_due_at IS NOT NULL AND clock IS NULL;
CREATE INDEX wallet_clock_due ON wallet (clock, next_due_at) WHERE clock IS NOT NULL;

-- Grants lie beside their wallet's other grants. remaining, used and drawn are behind for a wallet's drawn_grant. active,
-- burn_expires, burn_paid and due_at change seldom: the indices below stay untouched while a grant is drawn.
CREATE TABLE credit_grant (
  wallet        INTEGER NOT NULL,
  id            BLOB NOT NULL,
  slot          INTEGER NOT NULL,
  book          BLOB NOT NULL,
  amount        INTEGER NOT NULL CHECK (amount > 0),
  remaining     INTEGER NOT NULL CHECK (remaining >= 0),
  used          INTEGER NOT NULL CHECK (used >= 0),
  expired       INTEGER NOT NULL CHECK (expired >= 0),
  voided        INTEGER NOT NULL CHECK (voided >= 0),
  rolled_over   INTEGER NOT NULL CHECK (rolled_over >= 0),
  held          INTEGER NOT NULL CHECK (held BETWEEN 0 AND remaining),
  priority      INTEGER NOT NULL,
  category      TEXT NOT NULL,
  effective_at  INTEGER NOT NULL,
  expires_at    INTEGER,
  recorded_at   INTEGER NOT NULL,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  pending       INTEGER NOT NULL,
  drawn         INTEGER NOT NULL,
  expired_at    INTEGER,
  voided_at     INTEGER,
  source        TEXT NOT NULL,
  parent        BLOB,
  cost_amount   INTEGER,
  cost_currency TEXT,
  name          TEXT,
  scope         TEXT NOT NULL,           -- which debits it may pay for, as JSON: {attribute: [values]}
  metadata      TEXT NOT NULL,
  profiles      TEXT NOT NULL,
  schedule      BLOB,                    -- whose cycle made it
  generation    INTEGER NOT NULL,        -- how often its credit has been carried over
  rollover      TEXT,                    -- what is carried of it at its own end, as JSON; null: nothing
  active        INTEGER NOT NULL,        -- effective and not ended, with something remaining
  burn_expires  INTEGER NOT NULL,        -- its place by expiry; 0 where the oldest is drawn first
  burn_paid     INTEGER NOT NULL,        -- promotional (0) before paid (1); 0 where the oldest is drawn first
  due_at        INTEGER,                 -- when time alone changes it next
  PRIMARY KEY (wallet, id),
  CHECK (amount = remaining + used + expired + voided + rolled_over)
) STRICT, WITHOUT ROWID;
CREATE VIEW grant_now AS
SELECT g.wallet, w.customer, w.entitlement, g.id, g.slot, g.book, g.amount,
  iif(g.id = w.drawn_grant, w.drawn_remaining, g.remaining) AS remaining,
  iif(g.id = w.drawn_grant, g.used + g.remaining - w.drawn_remaining, g.used) AS used,
  g.expired, g.voided, g.rolled_over, g.held, g.priority, g.category, g.effective_at, g.expires_at, g.recorded_at,
  g.created_at, g.updated_at, g.pending, iif(g.id = w.drawn_grant, 1, g.drawn) AS drawn, g.expired_at,
  g.voided_at, g.source, g.parent, g.cost_amount, g.cost_currency, g.name, g.scope, g.metadata, g.profiles,
  g.schedule, g.generation, g.rollover,
  g.active, g.burn_expires, g.burn_paid, g.due_at
FROM credit_grant g JOIN wallet w ON w.number = g.wallet;
CREATE UNIQUE INDEX credit_grant_by_id ON credit_grant (id);
CREATE INDEX credit_grant_by_book ON credit_grant (book, id);
CREATE INDEX credit_grant_burn ON credit_grant
  (wallet, priority, burn_expires, burn_paid, effective_at, recorded_at, id) WHERE active = 1;
CREATE INDEX credit_grant_due ON credit_grant (wallet, due_at) WHERE due_at IS NOT NULL;
-- What late usage may still draw on.
CREATE INDEX credit_grant_expired ON credit_grant (wallet, expired_at) WHERE expired > 0;

CREATE INDEX credit_grant_schedule ON credit_grant (wallet, schedule)
  WHERE schedule IS NOT NULL AND active = 1;

-- Grants that recur. terms is what was agreed, as JSON; the rest is where it stands. cycle is the number of
-- the cycle that runs, or was the last to, and next_at is when the next begins, or the last ends.
CREATE TABLE schedule (
  wallet      INTEGER NOT NULL,
  id          BLOB NOT NULL,
  slot        INTEGER NOT NULL,
  book        BLOB NOT NULL,
  state       TEXT NOT NULL,
  amount      INTEGER NOT NULL CHECK (amount > 0),
  change      INTEGER CHECK (change > 0),       -- the amount from the next cycle on
  cycle       INTEGER,
  cycle_at    INTEGER,
  next_at     INTEGER,
  ends_at     INTEGER,
  ended_at    INTEGER,
  updated_at  INTEGER NOT NULL,
  live        INTEGER NOT NULL,                 -- neither ended nor cancelled
  overage_rule TEXT,                            -- for its wallet, from its first cycle to its end, as JSON
  created_at  INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  terms       TEXT NOT NULL,
  PRIMARY KEY (wallet, id),
  CHECK (live = (state IN ('active', 'paused'))),
  CHECK (live = 1 OR next_at IS NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX schedule_by_id ON schedule (id);
CREATE INDEX schedule_by_book ON schedule (book, id);
CREATE INDEX schedule_live ON schedule (wallet) WHERE live = 1;

-- Alerts, with those that are closed. owner is the customer, or the book where one is for all customers.
CREATE TABLE alert (
  id          BLOB PRIMARY KEY,
  slot        INTEGER NOT NULL,
  owner       BLOB NOT NULL,
  book        BLOB NOT NULL,
  entitlement BLOB,
  rule        TEXT NOT NULL,             -- what it waits for, as JSON
  metadata    TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  closed_at   INTEGER,
  meter       BLOB,
  CHECK ((entitlement IS NULL) <> (meter IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_by_book ON alert (book, id);
CREATE INDEX alert_by_owner ON alert (owner, id);

-- What dialects keep and the ledger never reads, with what was deleted. owner is a customer or the book.
CREATE TABLE document (
  id         BLOB PRIMARY KEY,
  slot       INTEGER NOT NULL,
  book       BLOB NOT NULL,
  owner      BLOB NOT NULL,
  kind       TEXT NOT NULL,
  body       TEXT NOT NULL,              -- JSON
  revision   INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  entitlement BLOB,                      -- with whose wallet of the owner it stands, while it does
  due_at     INTEGER                     -- when it has its next turn there
) STRICT, WITHOUT ROWID;
CREATE INDEX document_by_book ON document (book, kind, id);
CREATE INDEX document_by_owner ON document (owner, kind, id);
CREATE INDEX document_by_wallet ON document (owner, entitlement) WHERE entitlement IS NOT NULL;

-- Rules by which credit is asked for when it runs low, with those that are closed. Where one stands is kept in
-- its wallet's watch.
CREATE TABLE top_up (
  id          BLOB PRIMARY KEY,
  slot        INTEGER NOT NULL,
  customer    BLOB NOT NULL,
  entitlement BLOB NOT NULL,
  book        BLOB NOT NULL,
  closed_at   INTEGER,
  terms       TEXT NOT NULL              -- as JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX top_up_by_book ON top_up (book, id);
CREATE INDEX top_up_by_customer ON top_up (customer, id);

-- Requests to take a payment, and what came of them. grant_id is the credit that was given for it.
CREATE TABLE top_up_request (
  id            BLOB PRIMARY KEY,
  slot          INTEGER NOT NULL,
  customer      BLOB NOT NULL,
  entitlement   BLOB NOT NULL,
  book          BLOB NOT NULL,
  top_up        BLOB NOT NULL,
  amount        INTEGER NOT NULL CHECK (amount > 0),
  available     INTEGER NOT NULL,
  cost_amount   INTEGER,
  cost_currency TEXT,
  requested_at  INTEGER NOT NULL,
  recorded_at   INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  state         TEXT NOT NULL,
  ended_at      INTEGER,
  reference     TEXT,
  reason        TEXT,
  grant_id      BLOB,
  CHECK ((grant_id IS NULL) = (state <> 'confirmed'))
) STRICT, WITHOUT ROWID;
CREATE INDEX top_up_request_by_book ON top_up_request (book, id);
CREATE INDEX top_up_request_by_customer ON top_up_request (customer, id);

-- Credit set aside. slices says how much of which grants still is, in burn-down order. due_at is null once
-- the hold has ended: the open holds of a wallet are those in the index below.
CREATE TABLE hold (
  wallet      INTEGER NOT NULL,
  id          BLOB NOT NULL,
  slot        INTEGER NOT NULL,
  book        BLOB NOT NULL,
  amount      INTEGER NOT NULL CHECK (amount > 0),
  held        INTEGER NOT NULL CHECK (held BETWEEN 0 AND amount),
  captured    INTEGER NOT NULL CHECK (captured >= 0),
  slices      TEXT NOT NULL,             -- as JSON: {grant's id in hexadecimal: units}
  state       TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  expires_at  INTEGER,
  ended_at    INTEGER,
  attributes  TEXT NOT NULL,
  metadata    TEXT NOT NULL,
  due_at      INTEGER,                   -- when it ends by itself; the end of time where it never does
  PRIMARY KEY (wallet, id),
  CHECK ((due_at IS NULL) = (state <> 'open'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX hold_by_id ON hold (id);
CREATE INDEX hold_by_book ON hold (book, id);
CREATE INDEX hold_due ON hold (wallet, due_at) WHERE due_at IS NOT NULL;

-- Append only: one accepted command each, with the answer its asker got. entitlement is null where it
-- moved several of the customer's wallets.
CREATE TABLE operation (
  number      INTEGER PRIMARY KEY,
  id          BLOB NOT NULL UNIQUE,
  slot        INTEGER NOT NULL,
  customer    BLOB NOT NULL,
  entitlement BLOB,
  kind        TEXT NOT NULL,
  at          INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  subject     BLOB,
  facts       TEXT NOT NULL,
  changed     TEXT,
  namespace   TEXT,
  key         TEXT,
  status      INTEGER,
  answer      BLOB,
  first_entry INTEGER NOT NULL,
  entries     INTEGER NOT NULL
) STRICT;

-- What grants and customers were before: for explaining a debit by what it found then, and for telling what they
-- were when something else happened to them.
CREATE INDEX operation_change ON operation (subject) WHERE kind IN ('amend', 'expire', 'amend_customer');

-- Finds the operation of a ledger key: the first 8 bytes of its hash. The operation holds the key itself.
CREATE TABLE operation_key (
  hash      INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  PRIMARY KEY (hash, operation)
) STRICT, WITHOUT ROWID;

-- Append only. Each entry names the wallet's entry before it (previous; 0: none), so that a wallet's
-- history is walked from its head without an index that every debit would have to write.
CREATE TABLE entry (
  number         INTEGER PRIMARY KEY,
  wallet         INTEGER NOT NULL,
  operation      INTEGER NOT NULL,
  previous       INTEGER NOT NULL,
  ordinal        INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  grant_id       BLOB NOT NULL,
  kind           TEXT NOT NULL,
  amount         INTEGER NOT NULL CHECK (amount > 0),
  posted_before  INTEGER NOT NULL,
  posted_after   INTEGER NOT NULL,
  held_before    INTEGER NOT NULL,
  held_after     INTEGER NOT NULL,
  overage_before INTEGER NOT NULL,
  overage_after  INTEGER NOT NULL,
  grant_before   INTEGER NOT NULL,
  grant_after    INTEGER NOT NULL,
  at             INTEGER NOT NULL,
  recorded_at    INTEGER NOT NULL,
  hash           BLOB NOT NULL,
  order_key      TEXT
) STRICT;

-- What grants have repaid of overage, by the entries that say so, and how much has been returned to them since:
-- what is reversed after it was repaid goes back there.
CREATE TABLE repayment (
  slot        INTEGER NOT NULL,
  customer    BLOB NOT NULL,
  entitlement BLOB NOT NULL,
  seq         INTEGER NOT NULL,
  grant_id    BLOB NOT NULL,
  amount      INTEGER NOT NULL CHECK (amount > 0),
  returned    INTEGER NOT NULL CHECK (returned BETWEEN 0 AND amount),
  PRIMARY KEY (customer, entitlement, seq)
) STRICT, WITHOUT ROWID;

-- How much of a debit has been reversed in each wallet, for those that have been.
CREATE TABLE reversal (
  debit       BLOB NOT NULL,
  entitlement BLOB NOT NULL,
  reversed    INTEGER NOT NULL,
  PRIMARY KEY (debit, entitlement)
) STRICT, WITHOUT ROWID;

-- What usage events are counted by, and what is charged for them. What they count never changes.
CREATE TABLE meter (
  id         BLOB PRIMARY KEY,
  book       BLOB NOT NULL,
  code       TEXT NOT NULL,
  name       TEXT NOT NULL,
  measure    TEXT NOT NULL,              -- which events count, and how, as JSON
  debits     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  closed_at  INTEGER,
  updated_at INTEGER NOT NULL,
  profiles   TEXT NOT NULL,              -- what dialects know of it, as JSON
  watch      TEXT                        -- since when it is watched, and the alerts for all customers, as JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX meter_by_book ON meter (book, id);

CREATE TABLE rate (
  id          BLOB PRIMARY KEY,
  book        BLOB NOT NULL,
  meter       BLOB NOT NULL,
  entitlement BLOB NOT NULL,
  price       TEXT NOT NULL,             -- as JSON
  period      TEXT NOT NULL,
  customers   TEXT NOT NULL,             -- all, or those it is attached to
  created_at  INTEGER NOT NULL,
  closed_at   INTEGER,
  rest_of     BLOB                       -- what nothing pays for by that rate is charged, and no more
) STRICT, WITHOUT ROWID;
CREATE INDEX rate_by_book ON rate (book, id);

-- Usage as it was sent. charges says what it cost by each rate, and how much of that was drawn, as JSON.
CREATE TABLE usage_event (
  id          BLOB PRIMARY KEY,
  slot        INTEGER NOT NULL,
  customer    BLOB NOT NULL,
  book        BLOB NOT NULL,
  own_id      TEXT NOT NULL,
  name        TEXT NOT NULL,
  time        INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  properties  TEXT NOT NULL,
  charges     TEXT NOT NULL,
  uncovered   INTEGER NOT NULL,          -- whether some of what it cost could not be drawn
  overridden_by BLOB,                    -- the operation that overrode it last
  revision    INTEGER NOT NULL DEFAULT 0 -- how often it has changed
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_event_by_customer ON usage_event (customer, id);
CREATE INDEX usage_event_by_time ON usage_event (customer, name, time);
CREATE INDEX usage_event_by_book ON usage_event (book, id);
CREATE INDEX usage_event_uncovered ON usage_event (book, id) WHERE uncovered = 1;

-- A customer's usage by one rate in one period, from its first instant on, and group; grouping is a hash.
CREATE TABLE usage_count (
  customer BLOB NOT NULL,
  rate     BLOB NOT NULL,
  period   INTEGER NOT NULL,
  grouping BLOB NOT NULL,
  slot     INTEGER NOT NULL,
  texts    TEXT NOT NULL,                -- the group itself, as JSON
  tally    TEXT NOT NULL,                -- what is kept of its events, as JSON
  charged  INTEGER NOT NULL CHECK (charged >= 0),
  PRIMARY KEY (customer, rate, period, grouping)
) STRICT, WITHOUT ROWID;

-- Where a meter counts different values: how many events had each, by its hash.
CREATE TABLE usage_value (
  customer BLOB NOT NULL,
  rate     BLOB NOT NULL,
  period   INTEGER NOT NULL,
  grouping BLOB NOT NULL,
  value    BLOB NOT NULL,
  slot     INTEGER NOT NULL,
  events   INTEGER NOT NULL CHECK (events >= 0),
  PRIMARY KEY (customer, rate, period, grouping, value)
) STRICT, WITHOUT ROWID;

-- Which customers a rate charges, where it is not all of them.
CREATE TABLE rate_customer (
  customer    BLOB NOT NULL,
  rate        BLOB NOT NULL,
  name        TEXT NOT NULL,             -- whose it is: a subscription of a dialect's; empty: nobody's
  slot        INTEGER NOT NULL,
  starts_at   INTEGER,                   -- NULL: from ever on
  ends_at     INTEGER,                   -- usage from then on is not charged by it; NULL: without end
  PRIMARY KEY (customer, rate, name)
) STRICT, WITHOUT ROWID;

-- Where events are delivered. cursor: everything up to it was delivered, or waits in webhook_retry. The
-- secrets are what deliveries are signed with: they are needed as they are.
CREATE TABLE webhook_endpoint (
  id               BLOB PRIMARY KEY,
  book             BLOB NOT NULL,
  settings         TEXT NOT NULL,        -- what its owner chose, as JSON
  secret           TEXT NOT NULL,
  previous_secret  TEXT,
  previous_until   INTEGER,
  enabled          INTEGER NOT NULL,
  disabled_for     TEXT,
  failing_since    INTEGER,
  cursor_at        INTEGER NOT NULL,
  cursor_operation BLOB NOT NULL,
  revision         INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  updated_at       INTEGER NOT NULL,
  made_with        TEXT,                 -- the idempotency key that it was made with: one endpoint for each
  UNIQUE (book, made_with)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_endpoint_by_book ON webhook_endpoint (book, id);

-- One row for each event that has not arrived yet, and each that was given up (dead).
CREATE TABLE webhook_retry (
  endpoint    BLOB NOT NULL,
  recorded_at INTEGER NOT NULL,
  operation   BLOB NOT NULL,
  ordinal     INTEGER NOT NULL,
  customer    BLOB,
  type        TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  dead        INTEGER NOT NULL,
  PRIMARY KEY (endpoint, dead, recorded_at, operation, ordinal)
) STRICT, WITHOUT ROWID;

-- The newest attempts of each endpoint; older ones are forgotten.
CREATE TABLE webhook_attempt (
  endpoint     BLOB NOT NULL,
  id           BLOB NOT NULL,
  event        TEXT NOT NULL,
  type         TEXT NOT NULL,
  attempt      INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  milliseconds INTEGER NOT NULL,
  outcome      TEXT NOT NULL,
  status       INTEGER,
  answer       TEXT,
  error        TEXT,
  PRIMARY KEY (endpoint, id)
) STRICT, WITHOUT ROWID;
