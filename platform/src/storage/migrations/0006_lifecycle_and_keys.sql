-- What becomes of a sandbox when its time is over and when it is asked for while it is paused; written once, with its start.
alter table sandboxes add column lifecycle jsonb not null default '{}';
-- Since when a paused one stands still.
alter table sandboxes add column paused_at timestamptz;

-- Keys beside the one of the operator. Written by accounts/ alone. What is kept of a key is its hash and how it looks masked.
create table keys (
  id text primary key,
  account_id text not null,
  -- A `key` acts for its account; a `token` may also make and take away keys.
  kind text not null check (kind in ('key', 'token')),
  name text not null,
  hash text not null unique,
  mask jsonb not null,
  created_at timestamptz not null,
  last_used_at timestamptz
);

create index keys_by_account on keys (account_id, created_at);
