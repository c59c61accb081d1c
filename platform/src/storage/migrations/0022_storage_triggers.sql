-- Calls of functions when objects come and go. Written by functions/triggers/storage-triggers.ts.
create table function_storage_triggers (
  id text primary key,
  account_id text not null,
  function_id text not null references functions (id) on delete cascade,
  bucket_id text not null references buckets (id) on delete cascade,
  prefix text not null,
  suffix text not null,
  -- Types of events, such as object.created.
  events text[] not null,
  -- Events of earlier transactions are not for it.
  since xid8 not null default pg_current_xact_id(),
  created_at timestamptz(3) not null
);
create index function_storage_triggers_by_function on function_storage_triggers (function_id);
create index function_storage_triggers_by_bucket on function_storage_triggers (bucket_id);
