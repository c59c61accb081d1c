-- Where an account wants to be told of events. Their secrets are nowhere: they are made from the platform's own and the number
-- of the version. These three tables are written by webhooks/ alone.
create table webhooks (
  id text primary key,
  account_id text not null,
  url text not null,
  -- Patterns of event types; none are all.
  events jsonb not null default '[]',
  -- disabled: its receiver said that it is gone.
  state text not null default 'active' check (state in ('active', 'disabled')),
  secret_version integer not null default 1,
  -- Until when the version before is signed with too.
  previous_until timestamptz,
  created_at timestamptz not null
);

create index webhooks_by_account on webhooks (account_id, created_at);

-- One event for one webhook. Those of one subject go one after the other: only the first that waits has a time.
create table webhook_deliveries (
  seq bigint generated always as identity primary key,
  id text not null unique,
  webhook_id text not null references webhooks on delete cascade,
  event_id text not null,
  type text not null,
  subject text not null,
  -- The bytes that are signed and sent.
  body text not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'dead')),
  attempts integer not null default 0,
  -- When it is given up.
  until timestamptz not null,
  next_at timestamptz,
  -- Somebody is at it until then.
  leased_until timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);

create index webhook_deliveries_due on webhook_deliveries (next_at) where state = 'waiting' and next_at is not null;
create index webhook_deliveries_in_order on webhook_deliveries (webhook_id, subject, seq) where state = 'waiting';
create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, seq);
create index webhook_deliveries_by_end on webhook_deliveries (finished_at) where finished_at is not null;

create table webhook_attempts (
  delivery_id text not null references webhook_deliveries (id) on delete cascade,
  number integer not null,
  at timestamptz not null,
  duration_ms integer not null,
  status integer,
  error text,
  primary key (delivery_id, number)
);

-- For the feed of one account.
create index events_by_account on events (account_id, xid, seq);
