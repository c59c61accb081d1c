-- One row per sandbox that was ever asked for. The row is written before anything runs and outlives the sandbox.
-- starting -> running -> stopping -> stopped, and to failed from any but stopped. Written by sandboxes/ alone.
create table sandboxes (
  id text primary key,
  account_id text not null,
  template text not null,
  state text not null check (state in ('starting', 'running', 'stopping', 'stopped', 'failed')),
  instance_id text,
  runtime jsonb,
  limits jsonb not null,
  env jsonb not null default '{}',
  metadata jsonb not null default '{}',
  warm boolean,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  ended_at timestamptz,
  end_reason text
);

create index sandboxes_by_account on sandboxes (account_id, created_at desc, id desc) where ended_at is null;
create index sandboxes_by_expiry on sandboxes (expires_at) where ended_at is null;
create unique index sandboxes_by_instance on sandboxes (instance_id) where ended_at is null and instance_id is not null;
