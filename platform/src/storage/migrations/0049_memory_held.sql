-- What a sandbox held of memory, beside what it may hold: what the kernel charges to its control group, times how long.
alter table usage_facts add column memory_held_mb_ms bigint not null default 0 check (memory_held_mb_ms >= 0);

-- Of the sample that was the last: the charge, and when by the host's clock that nobody sets; null where the host cannot measure. What it came to
-- in all, in MiB times milliseconds, and how much of that facts tell of.
alter table usage_samples
  add column held_bytes bigint,
  add column held_at_ms bigint,
  add column held_total_mb_ms bigint not null default 0,
  add column held_told_mb_ms bigint not null default 0;
