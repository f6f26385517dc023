-- A ledger of prepaid credits as a strong user of PostgreSQL would write it by hand: tables lean and
-- indexed for this one job, a fill factor that leaves room for updates in place.
CREATE TABLE wallet (
  id          bigint PRIMARY KEY,
  customer    text NOT NULL,
  entitlement text NOT NULL,
  posted      bigint NOT NULL CHECK (posted >= 0),
  used        bigint NOT NULL,
  seq         bigint NOT NULL,
  UNIQUE (customer, entitlement)
) WITH (fillfactor = 60);

CREATE TABLE credit_grant (
  id           bigint PRIMARY KEY,
  wallet       bigint NOT NULL,
  priority     smallint NOT NULL,
  expires_at   timestamptz NOT NULL,          -- 'infinity': never
  paid         boolean NOT NULL,
  effective_at timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL,
  amount       bigint NOT NULL,
  remaining    bigint NOT NULL CHECK (remaining >= 0),
  open         boolean NOT NULL DEFAULT true  -- changes once, so that other updates stay in place
) WITH (fillfactor = 60);
CREATE INDEX credit_grant_burn ON credit_grant
  (wallet, priority, expires_at, paid, effective_at, recorded_at, id) WHERE open;

CREATE TABLE entry (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operation    bigint NOT NULL,
  wallet       bigint NOT NULL,
  seq          bigint NOT NULL,
  grant_id     bigint NOT NULL,
  amount       bigint NOT NULL,
  posted_after bigint NOT NULL,
  grant_after  bigint NOT NULL,
  at           timestamptz NOT NULL
);
CREATE INDEX entry_by_wallet ON entry (wallet, seq);

-- What was answered, so that asking again with the same key gets it again.
CREATE TABLE ledger_key (
  wallet bigint NOT NULL,
  key    text NOT NULL,
  answer jsonb NOT NULL,
  PRIMARY KEY (key, wallet)
);

-- What others are to be told.
CREATE TABLE event (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind    text NOT NULL,
  payload jsonb NOT NULL,
  at      timestamptz NOT NULL
);

CREATE SEQUENCE operation_id CACHE 100;
