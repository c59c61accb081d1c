-- What an organisation may have, and what it has. Written by quotas/ alone.
-- A quota that is not here has the default, which whoever asks brings along.
create table quotas (
  account_id text not null,
  name text not null,
  most numeric not null check (most >= 0),
  primary key (account_id, name)
);

-- Parts of a quota that nothing else shows, until they are given back or their time is over.
create table quota_reservations (
  name text not null,
  holder text not null,
  account_id text not null,
  amount numeric not null check (amount >= 0),
  until timestamptz not null,
  primary key (name, holder)
);
create index quota_reservations_by_account on quota_reservations (account_id, name, until);

-- Bytes that the sandboxes of an organisation sent in a day of UTC.
create table egress_days (
  account_id text not null,
  day date not null,
  bytes bigint not null check (bytes >= 0),
  primary key (account_id, day)
);

-- The most an account may have of something; infinity where nobody set anything.
create function quota_of(account text, quota text, otherwise jsonb) returns numeric language sql stable as $$
  select coalesce(
    (select most from quotas where account_id = account and name = quota),
    (otherwise ->> quota)::numeric,
    'infinity'::numeric)
$$;

-- MiB of disk that an account holds: disks of sandboxes that have not ended, volumes, snapshots.
create function storage_of(account text) returns numeric language sql stable as $$
  select
    coalesce((select sum((s.limits ->> 'diskMb')::numeric) from sandboxes s
      where s.account_id = account and s.ended_at is null), 0)
    + coalesce((select sum(v.size_mb) from volumes v where v.account_id = account), 0)
    + coalesce((select ceil(sum(n.size_bytes) / 1048576.0) from snapshots n where n.account_id = account), 0)
$$;

-- What a sandbox of these limits would go beyond, as {"quota", "most"}; null where it fits. `besides` does not count.
-- Call it with the lock of the account.
create function quota_exceeded(account text, wanted jsonb, besides text, otherwise jsonb) returns jsonb language plpgsql stable as $$
declare
  places numeric;
  cores numeric;
  memory numeric;
  most numeric;
begin
  select count(*), coalesce(sum((s.limits ->> 'cpuCores')::numeric), 0), coalesce(sum((s.limits ->> 'memoryMb')::numeric), 0)
    into places, cores, memory
    from sandboxes s where s.account_id = account and s.id is distinct from besides and occupies_a_place(s);
  most := quota_of(account, 'sandboxes', otherwise);
  if places + 1 > most then return jsonb_build_object('quota', 'sandboxes', 'most', most); end if;
  most := quota_of(account, 'cpuCores', otherwise);
  if cores + coalesce((wanted ->> 'cpuCores')::numeric, 0) > most then
    return jsonb_build_object('quota', 'cpuCores', 'most', most);
  end if;
  most := quota_of(account, 'memoryMb', otherwise);
  if memory + coalesce((wanted ->> 'memoryMb')::numeric, 0) > most then
    return jsonb_build_object('quota', 'memoryMb', 'most', most);
  end if;
  return null;
end $$;

drop function reserve_sandbox(text, text, text, jsonb, jsonb, timestamptz, timestamptz, integer);
-- Null when it is recorded; else what it would go beyond.
create function reserve_sandbox(
  id text, account text, template text, limits jsonb, metadata jsonb,
  created_at timestamptz, expires_at timestamptz, otherwise jsonb
) returns jsonb language plpgsql as $$
declare
  beyond jsonb;
  most numeric;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(7071, hashtext(account));
  beyond := quota_exceeded(account, limits, null, otherwise);
  if beyond is not null then return beyond; end if;
  most := quota_of(account, 'storageMb', otherwise);
  if most < 'infinity' and storage_of(account) + coalesce((limits ->> 'diskMb')::numeric, 0) > most then
    return jsonb_build_object('quota', 'storageMb', 'most', most);
  end if;
  insert into sandboxes (id, account_id, template, state, limits, metadata, created_at, expires_at)
    values (reserve_sandbox.id, account, reserve_sandbox.template, 'starting', reserve_sandbox.limits,
      reserve_sandbox.metadata, reserve_sandbox.created_at, reserve_sandbox.expires_at);
  return null;
end $$;

drop function resume_sandbox(text, text, integer);
-- Lets a paused sandbox go on: {"resuming": true}, what it would go beyond, or null where it is not paused.
create function resume_sandbox(sandbox text, account text, otherwise jsonb) returns jsonb language plpgsql as $$
declare
  beyond jsonb;
begin
  perform pg_advisory_xact_lock(7071, hashtext(account));
  select quota_exceeded(account, s.limits, s.id, otherwise) into beyond
    from sandboxes s where s.id = sandbox and s.account_id = account;
  if beyond is not null then return beyond; end if;
  update sandboxes set state = 'resuming'
    where id = sandbox and account_id = account and state = 'paused' and ended_at is null;
  return case when found then '{"resuming": true}'::jsonb end;
end $$;

-- Whether so much more disk fits. Takes the lock of the account, so that who inserts in the same transaction is alone.
create function storage_exceeded(account text, more numeric, otherwise jsonb) returns jsonb language plpgsql as $$
declare
  most numeric;
begin
  perform pg_advisory_xact_lock(7071, hashtext(account));
  most := quota_of(account, 'storageMb', otherwise);
  if most < 'infinity' and storage_of(account) + more > most then
    return jsonb_build_object('quota', 'storageMb', 'most', most);
  end if;
  return null;
end $$;

-- Takes a part of a quota for `holder`, anew where it has one: null, or what that would go beyond.
create function reserve_quota(
  account text, quota text, holder text, amount numeric, until timestamptz, now timestamptz, otherwise jsonb
) returns jsonb language plpgsql as $$
declare
  most numeric;
  used numeric;
begin
  perform pg_advisory_xact_lock(7071, hashtext(account));
  delete from quota_reservations r where r.account_id = account and r.name = quota and r.until <= reserve_quota.now;
  most := quota_of(account, quota, otherwise);
  select coalesce(sum(r.amount), 0) into used from quota_reservations r
    where r.account_id = account and r.name = quota and r.holder <> reserve_quota.holder;
  if used + amount > most then return jsonb_build_object('quota', quota, 'most', most); end if;
  insert into quota_reservations as r (name, holder, account_id, amount, until)
    values (quota, reserve_quota.holder, account, reserve_quota.amount, reserve_quota.until)
    on conflict on constraint quota_reservations_pkey do update set amount = excluded.amount, until = excluded.until
    where r.account_id = excluded.account_id;
  return null;
end $$;
