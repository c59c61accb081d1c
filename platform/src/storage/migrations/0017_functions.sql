-- Functions: code that runs when something calls it. Written by functions/store.ts.
create table functions (
  id text primary key,
  account_id text not null,
  name text not null,
  -- Where calls go that name no version: [{"version", "weight"}].
  live jsonb not null default '[]',
  last_version integer not null default 0,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  unique (account_id, name)
);

-- What was deployed, each unchangeable. Written by functions/store.ts.
create table function_versions (
  function_id text not null references functions (id) on delete cascade,
  version integer not null,
  runtime text not null,
  -- Name of its code in functions/code of the platform's home.
  code text not null,
  code_bytes bigint not null,
  settings jsonb not null,
  created_at timestamptz(3) not null,
  primary key (function_id, version)
);
create index function_versions_by_code on function_versions (code);

-- Code on the disk: the row is there before the file. Written by functions/code/code-store.ts.
create table function_code (
  hash text primary key,
  bytes bigint not null,
  created_at timestamptz(3) not null
);

-- Names for versions, each with its split. Written by functions/store.ts.
create table function_aliases (
  function_id text not null references functions (id) on delete cascade,
  name text not null,
  targets jsonb not null,
  updated_at timestamptz(3) not null,
  primary key (function_id, name)
);

-- Calls: those that wait, run, and have ended. Written by functions/invocations/.
create table function_invocations (
  id text primary key,
  account_id text not null,
  function_id text not null,
  version integer not null,
  -- What called: http, async, cron, queue, destination.
  trigger text not null,
  state text not null check (state in ('waiting', 'running', 'succeeded', 'failed')),
  payload bytea,
  result bytea,
  error jsonb,
  log text not null default '',
  attempt integer not null default 0,
  retry jsonb,
  cold boolean,
  -- While it waits: not before. While it runs: whoever runs it must have ended by then.
  due_at timestamptz(3),
  -- Which platform runs it.
  runner text,
  created_at timestamptz(3) not null,
  started_at timestamptz(3),
  ended_at timestamptz(3),
  billed_ms bigint
);
create index function_invocations_due on function_invocations (due_at) where state in ('waiting', 'running');
create index function_invocations_by_function on function_invocations (function_id, created_at desc);
create index function_invocations_ended on function_invocations (ended_at) where ended_at is not null;

-- Which call a key stands for. Written by functions/invocations/.
create table function_idempotency (
  account_id text not null,
  scope text not null,
  key text not null,
  invocation_id text not null,
  expires_at timestamptz(3) not null,
  primary key (account_id, scope, key)
);
create index function_idempotency_expired on function_idempotency (expires_at);

-- Calls by the clock. Written by functions/triggers/schedule-store.ts.
create table function_schedules (
  id text primary key,
  account_id text not null,
  function_id text not null references functions (id) on delete cascade,
  cron text not null,
  time_zone text not null,
  -- What becomes of times that passed while nothing ran: skip, one, all.
  catch_up text not null,
  payload jsonb not null,
  next_at timestamptz(3),
  last_at timestamptz(3),
  created_at timestamptz(3) not null
);
create index function_schedules_next on function_schedules (next_at) where next_at is not null;

-- Queues: messages that wait until they are received and deleted. Written by functions/triggers/queue-store.ts.
create table queues (
  id text primary key,
  account_id text not null,
  name text not null,
  visibility_seconds integer not null,
  max_receives integer not null,
  dead_letter_queue text,
  -- The function that its messages are given to.
  function_id text references functions (id) on delete set null,
  batch integer not null,
  created_at timestamptz(3) not null,
  unique (account_id, name)
);

create table queue_messages (
  id bigint generated always as identity primary key,
  queue_id text not null references queues (id) on delete cascade,
  body jsonb not null,
  -- Messages of one group are received one after the other.
  group_key text,
  receives integer not null default 0,
  -- Proves that whoever deletes it received it last.
  receipt text,
  visible_at timestamptz(3) not null,
  enqueued_at timestamptz(3) not null
);
create index queue_messages_next on queue_messages (queue_id, visible_at, id);
create index queue_messages_groups on queue_messages (queue_id, group_key, id) where group_key is not null;

-- What the steps of a call came to, so that a later attempt does not do them again. Written by functions/invocations/steps.ts.
create table function_steps (
  invocation_id text not null references function_invocations (id) on delete cascade,
  name text not null,
  value jsonb not null,
  primary key (invocation_id, name)
);
