-- Records a sandbox that is about to start, unless its account has `most` already; exact, whoever else reserves.
-- A function, for one round trip instead of four. Each statement in it sees what was committed before it began, so the
-- count is taken after the lock.
create function reserve_sandbox(
  id text, account text, template text, limits jsonb, metadata jsonb,
  created_at timestamptz, expires_at timestamptz, most integer
) returns boolean language plpgsql as $$
begin
  -- Not waiting for the disk: what a power cut takes from the record, it takes from the sandbox too. A crash of ours
  -- loses nothing, and the commit that says it runs, which is waited for, makes both last.
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(7071, hashtext(account));
  insert into sandboxes (id, account_id, template, state, limits, metadata, created_at, expires_at)
    select reserve_sandbox.id, account, reserve_sandbox.template, 'starting', reserve_sandbox.limits,
      reserve_sandbox.metadata, reserve_sandbox.created_at, reserve_sandbox.expires_at
    where (select count(*) from sandboxes s
           where s.account_id = account and s.ended_at is null and s.state in ('starting', 'running', 'stopping')) < most;
  return found;
end $$;
