-- Processors and memory that an organisation has beside its sandboxes: those of instances of functions and of builds of templates.
-- A row before it begins, until it has ended. Written by quotas/ alone.
create table held_instances (
  id text primary key,
  account_id text not null,
  kind text not null check (kind in ('function', 'build')),
  cpu_cores numeric not null check (cpu_cores >= 0),
  memory_mb numeric not null check (memory_mb >= 0)
);
create index held_instances_by_account on held_instances (account_id);

-- What of its processors and memory an account has in use: that of sandboxes, and what is held beside them. `besides` does not count.
create function cores_and_memory_of(account text, besides text, out places numeric, out cores numeric, out memory numeric)
language sql stable as $$
  select count(*) filter (where is_sandbox), coalesce(sum(c), 0), coalesce(sum(m), 0) from (
    select true as is_sandbox, (s.limits ->> 'cpuCores')::numeric as c, (s.limits ->> 'memoryMb')::numeric as m
      from sandboxes s where s.account_id = account and s.id is distinct from besides and occupies_a_place(s)
    union all
    select false, h.cpu_cores, h.memory_mb from held_instances h where h.account_id = account) as used
$$;

-- What an account goes beyond that uses so much in all; null where that is within its quotas.
create function cores_or_memory_exceeded(account text, cores numeric, memory numeric, otherwise jsonb) returns jsonb language plpgsql stable as $$
declare
  most numeric := quota_of(account, 'cpuCores', otherwise);
begin
  if cores > most then return jsonb_build_object('quota', 'cpuCores', 'most', most); end if;
  most := quota_of(account, 'memoryMb', otherwise);
  if memory > most then return jsonb_build_object('quota', 'memoryMb', 'most', most); end if;
  return null;
end $$;

create or replace function quota_exceeded(account text, wanted jsonb, besides text, otherwise jsonb) returns jsonb language plpgsql stable as $$
declare
  used record;
  most numeric := quota_of(account, 'sandboxes', otherwise);
begin
  select * into used from cores_and_memory_of(account, besides);
  if used.places + 1 > most then return jsonb_build_object('quota', 'sandboxes', 'most', most); end if;
  return cores_or_memory_exceeded(
    account, used.cores + coalesce((wanted ->> 'cpuCores')::numeric, 0), used.memory + coalesce((wanted ->> 'memoryMb')::numeric, 0), otherwise);
end $$;

-- Null when it is held; else what it would go beyond.
create function hold_instance(
  holder text, account text, kind text, cores numeric, memory numeric, otherwise jsonb
) returns jsonb language plpgsql as $$
declare
  used record;
  most numeric;
  exceeded jsonb;
begin
  -- Nothing of it outlives the platform, and a power cut ends that too.
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(7071, hashtext(account));
  if kind = 'build' then
    most := quota_of(account, 'builds', otherwise);
    if (select count(*) + 1 from held_instances h where h.account_id = account and h.kind = 'build') > most then
      return jsonb_build_object('quota', 'builds', 'most', most);
    end if;
  end if;
  select * into used from cores_and_memory_of(account, null);
  exceeded := cores_or_memory_exceeded(account, used.cores + cores, used.memory + memory, otherwise);
  if exceeded is null then insert into held_instances values (holder, account, hold_instance.kind, cores, memory); end if;
  return exceeded;
end $$;

-- What instances of functions send: their facts are of kind egress, and name the function.
alter table usage_open drop constraint usage_open_kind_check;
alter table usage_open add constraint usage_open_kind_check check (kind in ('sandbox', 'storage', 'egress'));
-- Of what facts tell, where that is not the subject itself.
alter table usage_open add column resource text;

-- As before, and what is sent by what has an open interval of egress counts too.
create or replace function count_egress() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into egress_days as d (account_id, day, bytes)
      select coalesce(s.account_id, u.account_id), (n.at at time zone 'UTC')::date, sum(n.bytes_out_total)
      from new_samples n left join sandboxes s on s.id = n.subject and s.ended_at is null
        left join usage_open u on u.subject = n.subject and u.kind = 'egress'
      where n.bytes_out_total > 0 and coalesce(s.account_id, u.account_id) is not null group by 1, 2 order by 1, 2
      on conflict (account_id, day) do update set bytes = d.bytes + excluded.bytes;
  else
    insert into egress_days as d (account_id, day, bytes)
      select coalesce(s.account_id, u.account_id), (n.at at time zone 'UTC')::date, sum(n.bytes_out_total - o.bytes_out_total)
      from new_samples n join old_samples o using (subject) left join sandboxes s on s.id = subject and s.ended_at is null
        left join usage_open u on u.subject = n.subject and u.kind = 'egress'
      where n.bytes_out_total > o.bytes_out_total and coalesce(s.account_id, u.account_id) is not null group by 1, 2 order by 1, 2
      on conflict (account_id, day) do update set bytes = d.bytes + excluded.bytes;
  end if;
  return null;
end
$$;
