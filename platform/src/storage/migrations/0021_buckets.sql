-- Buckets. Written by buckets/store.ts, as are the two tables below.
create table buckets (
  id text primary key,
  account_id text not null,
  name text not null,
  -- Of its objects together.
  size_bytes bigint not null default 0,
  objects bigint not null default 0,
  created_at timestamptz(3) not null,
  unique (account_id, name)
);

-- What is in them. Keys are ordered by their bytes, so that a list goes on where the one before ended.
create table bucket_objects (
  bucket_id text not null references buckets (id),
  key text collate "C" not null,
  -- Under which name its content is kept.
  content text not null,
  size_bytes bigint not null,
  etag text not null,
  content_type text not null,
  metadata jsonb not null,
  modified_at timestamptz(3) not null,
  primary key (bucket_id, key)
);

-- Content that no object names: it is being written, or nobody needs it any more. The row is there before the content, and goes after it.
create table bucket_contents (
  id text primary key,
  account_id text not null,
  -- Which platform writes it.
  writer text not null,
  state text not null check (state in ('writing', 'unneeded')),
  -- What it may come to, as far as that is known.
  size_bytes bigint not null,
  -- How the store calls what is there in part.
  upload text,
  created_at timestamptz(3) not null
);
create index bucket_contents_by_account on bucket_contents (account_id);

-- MiB of disk that an account holds: disks of sandboxes that have not ended, volumes, snapshots, objects and what is on its way to be one.
create or replace function storage_of(account text) returns numeric language sql stable as $$
  select
    coalesce((select sum((s.limits ->> 'diskMb')::numeric) from sandboxes s
      where s.account_id = account and s.ended_at is null), 0)
    + coalesce((select sum(v.size_mb) from volumes v where v.account_id = account), 0)
    + coalesce((select ceil(sum(n.size_bytes) / 1048576.0) from snapshots n where n.account_id = account), 0)
    + coalesce(ceil(((select sum(b.size_bytes) from buckets b where b.account_id = account)
        + coalesce((select sum(c.size_bytes) from bucket_contents c
            where c.account_id = account and c.state = 'writing'), 0)) / 1048576.0), 0)
$$;
