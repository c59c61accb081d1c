-- What ended is kept as an experience once; until then it is looked for.
alter table agent_runs add column learned boolean not null default false;
create index agent_runs_unlearned on agent_runs (ended_at) where ended_at is not null and not learned;

-- Where a fact is from is its run; until when it holds, and which fact has taken its place.
alter table agent_facts add column expires_at timestamptz(3);
alter table agent_facts add column superseded_by text;
