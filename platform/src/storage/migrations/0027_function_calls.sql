-- A call that comes by HTTP and is queued, because it has a key: the request beside its body, until it has ended.
alter table function_invocations add column http jsonb;
-- What an answer that is more than JSON begins with: {"status", "headers"}. Both written by functions/invocations/.
alter table function_invocations add column head jsonb;

-- Calls that a call makes of other functions. `parent_key` names each among those of its parent, so that a later attempt of the
-- parent finds it; `root_id` is the call that all of them come from, and `depth` how many there are above.
alter table function_invocations add column parent_id text;
alter table function_invocations add column parent_key text;
alter table function_invocations add column root_id text;
alter table function_invocations add column depth integer not null default 0;
-- Of its attempts so many were no new ones: it went on after calls that it waited for.
alter table function_invocations add column resumptions integer not null default 0;
create unique index function_invocations_by_parent on function_invocations (parent_id, parent_key) where parent_id is not null;

-- `suspended`: it has no instance while it waits for calls that it made; due when they have ended.
alter table function_invocations drop constraint function_invocations_state_check;
alter table function_invocations add constraint function_invocations_state_check
  check (state in ('waiting', 'running', 'suspended', 'succeeded', 'failed'));
drop index function_invocations_due;
create index function_invocations_due on function_invocations (due_at) where state in ('waiting', 'running', 'suspended');

-- How many calls come from one, all below it counted. Written by functions/invocations/sub-calls.ts.
create table function_call_trees (
  root_id text primary key,
  calls integer not null,
  created_at timestamptz(3) not null
);
create index function_call_trees_by_age on function_call_trees (created_at);
