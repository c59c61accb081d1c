-- How many sandboxes at once the plan of an account allows; null where it never took one.
create function plan_concurrency(account text) returns numeric language sql stable as $$
  select (p.terms ->> 'concurrency')::numeric
    from billing_subscriptions s join billing_plans p on p.id = s.plan and p.version = s.version
    where s.account_id = account order by s.since desc limit 1
$$;

-- As before, and a plan allows less than what everybody has; what was set for the account itself stands above its plan.
create or replace function quota_of(account text, quota text, otherwise jsonb) returns numeric language sql stable as $$
  select coalesce(
    (select most from quotas where account_id = account and name = quota),
    least((otherwise ->> quota)::numeric, case when quota = 'sandboxes' then plan_concurrency(account) end),
    'infinity'::numeric)
$$;
