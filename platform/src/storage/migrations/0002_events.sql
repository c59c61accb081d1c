-- The outbox: every event, written in the transaction of the change it tells of. Only added to.
-- Read in the order of (xid, seq): seq alone is handed out before commit, so a reader that goes by it skips events.
create table events (
  seq bigserial primary key,
  xid xid8 not null default pg_current_xact_id(),
  type text not null,
  account_id text not null,
  subject text not null,
  data jsonb not null,
  at timestamptz not null default now()
);

create index events_in_order on events (xid, seq);
