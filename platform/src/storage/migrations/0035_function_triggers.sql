-- Calls of functions when something happens in their organisation. Written by functions/triggers/event-triggers.ts.
create table function_event_triggers (
  id text primary key,
  account_id text not null,
  function_id text not null references functions (id) on delete cascade,
  -- Types of events or patterns of them, such as sandbox.*.
  events text[] not null,
  -- Only events about this.
  subject text,
  -- Events of earlier transactions are not for it.
  since xid8 not null default pg_current_xact_id(),
  -- Up to there its calls are spread.
  paced_to timestamptz(3) not null,
  created_at timestamptz(3) not null
);
create index function_event_triggers_by_function on function_event_triggers (function_id);
create index function_event_triggers_by_account on function_event_triggers (account_id);

-- Addresses at which others call functions. Written by functions/triggers/hooks.ts.
create table function_hooks (
  id text primary key,
  account_id text not null,
  function_id text not null references functions (id) on delete cascade,
  scheme text not null,
  -- Names of secrets that sign.
  secrets text[] not null,
  signature_header text,
  id_header text,
  tolerance_seconds integer not null,
  -- SHA-256 of the rest of the address, where that is all a sender shows.
  token_hash text,
  created_at timestamptz(3) not null
);
create index function_hooks_by_function on function_hooks (function_id);

-- Which requests below the address of an organisation are calls of which function. Written by functions/triggers/routes.ts.
create table function_routes (
  id text primary key,
  account_id text not null,
  function_id text not null references functions (id) on delete cascade,
  -- * stands for all.
  method text not null,
  path text not null,
  -- The path without the names of its parameters: the same for the same requests.
  shape text not null,
  version text,
  created_at timestamptz(3) not null,
  unique (account_id, method, shape)
);
create index function_routes_by_function on function_routes (function_id);
