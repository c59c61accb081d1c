-- Volumes: what outlives sandboxes and several may have at once. Written by volumes/store.ts.
create table volumes (
  id text primary key,
  account_id text not null,
  name text not null,
  state text not null check (state in ('creating', 'ready', 'deleting')),
  size_mb integer,
  created_at timestamptz not null,
  unique (account_id, name)
);

-- Which volumes a sandbox has, as [{"id", "name", "path"}]. Written by sandboxes/store.ts.
alter table sandboxes add column volumes jsonb not null default '[]';
create index sandboxes_with_volumes on sandboxes using gin (volumes jsonb_path_ops) where ended_at is null and volumes <> '[]';
