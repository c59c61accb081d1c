-- How far each reader of the outbox has come; what is not read yet is not forgotten. Written by events/consume.ts alone.
create table event_cursors (
  consumer text primary key,
  xid xid8 not null default '0',
  seq bigint not null default 0
);

-- What is being used: a row for each sandbox that runs or is paused, each snapshot and each volume. Its intervals are closed
-- into usage_facts. These three tables are written by metering/ alone.
create table usage_open (
  subject text primary key,
  account_id text not null,
  kind text not null check (kind in ('sandbox', 'storage')),
  -- running: all of it. resident: paused, its memory still the host's. stored: its disk alone.
  state text not null check (state in ('running', 'resident', 'stored')),
  -- Of the interval that is open: with the subject it is the key of its fact.
  number integer not null default 1,
  started_at timestamptz(3) not null,
  memory_mb integer not null default 0,
  disk_mb double precision not null default 0,
  gpu boolean not null default false,
  attributes jsonb not null default '{}',
  -- By how much the clock was set forward since it began.
  skew_ms bigint not null default 0,
  -- Which turn of the clock it was opened in.
  turn bigint not null default 0
);

create index usage_open_by_account on usage_open (account_id);

-- What was last seen of each: counters as the host has them, what they came to in all, and how much of that facts tell of.
create table usage_samples (
  subject text primary key,
  at timestamptz(3) not null,
  -- When it was last about to be paused or ended.
  leaving_at timestamptz(3),
  -- Which counter of the host: another one begins at 0.
  cpu_counter text,
  cpu_usec bigint not null default 0,
  cpu_total_usec bigint not null default 0,
  cpu_told_usec bigint not null default 0,
  network_counter text,
  bytes_in bigint not null default 0,
  bytes_in_total bigint not null default 0,
  bytes_in_told bigint not null default 0,
  bytes_out bigint not null default 0,
  bytes_out_total bigint not null default 0,
  bytes_out_told bigint not null default 0,
  memory_mb integer not null default 0,
  disk_mb double precision not null default 0
);

-- The clock of the database beside that of the host's kernel, which nobody sets: one row.
create table usage_clock (
  one boolean primary key default true check (one),
  boot_id text not null,
  uptime_ms bigint not null,
  at timestamptz(3) not null,
  turn bigint not null default 0
);
