-- Sandboxes that stand still, and saved states of sandboxes. Both tables are written by sandboxes/ alone.
alter table sandboxes drop constraint sandboxes_state_check;
alter table sandboxes add constraint sandboxes_state_check
  check (state in ('starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'stopped', 'failed'));
-- Where the memory of a paused one is, and the time it had left.
alter table sandboxes add column paused_memory text check (paused_memory in ('saved', 'resident'));
alter table sandboxes add column remaining_ms bigint;

-- What counts against the most an account may have at once: one whose memory is on the disk does not.
create function occupies_a_place(s sandboxes) returns boolean language sql immutable as $$
  select s.ended_at is null and (
    s.state in ('starting', 'running', 'pausing', 'resuming', 'stopping')
    or (s.state = 'paused' and s.paused_memory = 'resident'))
$$;

create or replace function reserve_sandbox(
  id text, account text, template text, limits jsonb, metadata jsonb,
  created_at timestamptz, expires_at timestamptz, most integer
) returns boolean language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(7071, hashtext(account));
  insert into sandboxes (id, account_id, template, state, limits, metadata, created_at, expires_at)
    select reserve_sandbox.id, account, reserve_sandbox.template, 'starting', reserve_sandbox.limits,
      reserve_sandbox.metadata, reserve_sandbox.created_at, reserve_sandbox.expires_at
    where (select count(*) from sandboxes s where s.account_id = account and occupies_a_place(s)) < most;
  return found;
end $$;

-- Lets a paused sandbox go on, unless its account has `most` others: `resuming`, or null where it is not paused.
create function resume_sandbox(sandbox text, account text, most integer) returns text language plpgsql as $$
declare
  others integer;
begin
  perform pg_advisory_xact_lock(7071, hashtext(account));
  select count(*) into others from sandboxes s
    where s.account_id = account and s.id <> sandbox and occupies_a_place(s);
  if others >= most then
    return 'full';
  end if;
  update sandboxes set state = 'resuming'
    where id = sandbox and account_id = account and state = 'paused' and ended_at is null;
  return case when found then 'resuming' end;
end $$;

-- A row before the first file of a snapshot and after its last. creating -> ready -> deleting.
create table snapshots (
  id text primary key,
  account_id text not null,
  name text,
  state text not null check (state in ('creating', 'ready', 'deleting')),
  sandbox_id text,
  template text,
  driver text,
  keeps text check (keeps in ('memory', 'files')),
  limits jsonb,
  size_bytes bigint,
  created_at timestamptz not null
);

create index snapshots_by_account on snapshots (account_id, created_at desc, id desc);
