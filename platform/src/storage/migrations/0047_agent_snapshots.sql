-- Snapshots of sandboxes that runs of agents can go back to. A row comes before its snapshot, and goes after it: once no run needs it.
-- Written by agents/run-snapshots.ts alone.
create table agent_snapshots (
  snapshot_id text not null,
  -- One for each run: a fork needs what the run that it is of has.
  run_id text not null,
  account_id text not null,
  needed boolean not null default true,
  primary key (snapshot_id, run_id)
);
create index agent_snapshots_by_run on agent_snapshots (run_id);
create index agent_snapshots_unneeded on agent_snapshots (snapshot_id) where not needed;

insert into agent_snapshots (snapshot_id, run_id, account_id)
  select distinct s.id, r.id, r.account_id
  from agent_entries e
  join agent_runs r on r.id = e.run_id
  join snapshots s on s.id = e.data ->> 'id' and s.account_id = r.account_id
  where e.type = 'snapshot.taken';
