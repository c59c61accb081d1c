-- Machines that run sandboxes for the platform of this database: its workers. Written by nodes/node-store.ts alone.
create table nodes (
  id text primary key,
  -- The application_name of its connections.
  holder text not null,
  -- On which machine, for people.
  host text not null,
  -- Where the platform reaches it.
  address text not null,
  memory_mb bigint not null,
  -- Null: it said that it stops.
  heard_at timestamptz
);

-- Which worker has a sandbox; null: the platform itself, whichever machine that is on. A worker's connections carry its id.
alter table sandboxes add column node text default nullif(current_setting('warren.node', true), '');
create index sandboxes_by_node on sandboxes (node) where ended_at is null and node is not null;
