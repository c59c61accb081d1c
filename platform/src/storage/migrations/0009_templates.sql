-- Templates, what they were built from, and what the builds said. All four tables are written by templates/ alone.
create table templates (
  id text primary key,
  -- Empty for those of the platform, which every account may use.
  account_id text not null,
  name text not null,
  description text not null default '',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz
);

create unique index templates_by_name on templates (account_id, name) where deleted_at is null;

-- waiting -> building -> ready | error. `plan` is there from building on.
create table template_builds (
  id text primary key,
  template_id text not null references templates (id) on delete cascade,
  account_id text not null,
  state text not null check (state in ('waiting', 'building', 'ready', 'error')),
  plan jsonb,
  tags jsonb not null,
  limits jsonb not null,
  reason jsonb,
  created_at timestamptz not null,
  finished_at timestamptz
);

create index template_builds_by_template on template_builds (template_id, created_at desc);

-- Which build a tag of a template stands for.
create table template_tags (
  template_id text not null references templates (id) on delete cascade,
  tag text not null,
  build_id text not null references template_builds (id) on delete cascade,
  created_at timestamptz not null,
  primary key (template_id, tag)
);

create table template_logs (
  build_id text not null references template_builds (id) on delete cascade,
  seq integer not null,
  at timestamptz not null,
  level text not null,
  step text,
  message text not null,
  primary key (build_id, seq)
);
