-- Which platform works with this database: one at a time, for as long as it says so. Written by storage/hold-database.ts alone.
create table platform_lease (
  one boolean primary key default true check (one),
  -- Which home it has: one process at a time.
  node text not null,
  -- The application_name of its connections.
  holder text not null,
  -- On which machine, for people.
  host text not null,
  -- Tells whether another one has the same keys, and not what they are.
  keys text not null,
  until timestamptz not null
);
