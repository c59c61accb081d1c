-- Agents, their runs and what happened in each of them. Written by the stores in agents/ alone.
create table agents (
  account_id text not null,
  name text not null,
  -- As it was written: to a model the order of fields is part of what it reads.
  spec json not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (account_id, name)
);

create table agent_runs (
  id text primary key,
  account_id text not null,
  -- Name of the agent, as the run's own copy of it has it.
  agent text not null,
  -- A conversation waits for the next message after each answer.
  conversation boolean not null default false,
  state text not null check (state in ('queued', 'running', 'waiting', 'done', 'stopped', 'failed', 'cancelled')),
  -- Why it ended, or what it waits for.
  reason text,
  result jsonb,
  -- The run whose budget it shares; itself where nobody spawned it.
  root_id text not null,
  parent_id text,
  -- What asked for it, so that asking again finds it.
  once_key text,
  -- Who may append to its journal: the holder of the newest fence.
  fence bigint not null default 0,
  holder text,
  lease_until timestamptz(3),
  cancel_requested boolean not null default false,
  steps integer not null default 0,
  usage jsonb not null default '{}',
  created_at timestamptz(3) not null,
  ended_at timestamptz(3),
  unique (account_id, once_key)
);

create index agent_runs_by_account on agent_runs (account_id, created_at desc, id desc);
create index agent_runs_unfinished on agent_runs (state) where state in ('queued', 'running', 'waiting');
create index agent_runs_by_root on agent_runs (root_id);
create index agent_runs_ended on agent_runs (ended_at) where ended_at is not null;

-- The journal: what happened, in order, never changed.
create table agent_entries (
  run_id text not null,
  seq integer not null,
  at timestamptz(3) not null,
  type text not null,
  data json not null,
  primary key (run_id, seq)
);

-- What is too large for an entry, under the hash of its content.
create table agent_blobs (
  run_id text not null,
  hash text not null,
  data bytea not null,
  primary key (run_id, hash)
);

-- Messages for runs that have not read them yet.
create table agent_inbox (
  seq bigint generated always as identity primary key,
  run_id text not null,
  id text not null unique,
  mode text not null check (mode in ('steer', 'follow_up', 'interrupt')),
  text text not null,
  at timestamptz(3) not null
);

create index agent_inbox_by_run on agent_inbox (run_id, seq);

-- What agents were told to remember, each fact once.
create table agent_facts (
  account_id text not null,
  agent text not null,
  hash text not null,
  text text not null,
  run_id text not null,
  at timestamptz(3) not null,
  primary key (account_id, agent, hash)
);
