-- What was used, as facts: one row for each closed interval of use, never changed. Everything that costs is computed from them.
-- Written by metering/record-usage.ts alone.
create table usage_facts (
  seq bigint generated always as identity primary key,
  -- Says which interval this is, so that one that is told twice is there once.
  key text not null unique,
  account_id text not null,
  kind text not null check (kind in ('sandbox', 'function', 'agent', 'storage', 'egress', 'gpu')),
  -- Id of what used it.
  subject text not null,
  started_at timestamptz(3) not null,
  ended_at timestamptz(3) not null check (ended_at >= started_at),
  cpu_ms bigint not null default 0 check (cpu_ms >= 0),
  -- Megabytes (2^20 bytes) times milliseconds.
  memory_mb_ms bigint not null default 0 check (memory_mb_ms >= 0),
  disk_mb_ms bigint not null default 0 check (disk_mb_ms >= 0),
  network_in_bytes bigint not null default 0 check (network_in_bytes >= 0),
  network_out_bytes bigint not null default 0 check (network_out_bytes >= 0),
  gpu_ms bigint not null default 0 check (gpu_ms >= 0),
  attributes jsonb not null default '{}'
);

create index usage_facts_by_account on usage_facts (account_id, ended_at, seq);
