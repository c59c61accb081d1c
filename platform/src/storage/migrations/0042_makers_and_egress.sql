-- Who made a webhook, as { kind, id, role, scopes } of that moment: it is told of nothing that its maker may not see. Null for
-- those that were made before; they are told what any developer sees.
alter table webhooks add column maker jsonb;

-- What sandboxes send counts towards the day in the statement that records what was seen of them, their first and last moment
-- too: the samples are exact over restarts, and each byte counts once. The rows are taken in one order, so that two nodes that
-- record at once wait for each other. egress_days is written by this alone, and old days are deleted by quotas/.
create function count_egress() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into egress_days as d (account_id, day, bytes)
      select s.account_id, (n.at at time zone 'UTC')::date, sum(n.bytes_out_total)
      from new_samples n join sandboxes s on s.id = n.subject and s.ended_at is null
      where n.bytes_out_total > 0 group by 1, 2 order by 1, 2
      on conflict (account_id, day) do update set bytes = d.bytes + excluded.bytes;
  else
    insert into egress_days as d (account_id, day, bytes)
      select s.account_id, (n.at at time zone 'UTC')::date, sum(n.bytes_out_total - o.bytes_out_total)
      from new_samples n join old_samples o using (subject) join sandboxes s on s.id = subject and s.ended_at is null
      where n.bytes_out_total > o.bytes_out_total group by 1, 2 order by 1, 2
      on conflict (account_id, day) do update set bytes = d.bytes + excluded.bytes;
  end if;
  return null;
end
$$;
create trigger new_samples_count_egress after insert on usage_samples
  referencing new table as new_samples for each statement execute function count_egress();
create trigger samples_count_egress after update on usage_samples
  referencing old table as old_samples new table as new_samples for each statement execute function count_egress();
