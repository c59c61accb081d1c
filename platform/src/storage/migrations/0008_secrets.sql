-- Secrets: values that are used for their account and never shown. Written by secrets/store.ts.
create table secrets (
  id text primary key,
  account_id text not null,
  name text not null,
  -- One more with each new value.
  version integer not null,
  -- The value, encrypted: `<id of the key>.<nonce>.<tag>.<ciphertext>` (lib/seal.ts).
  sealed text not null,
  -- Where it may go on its way out of a sandbox.
  hosts jsonb not null default '[]',
  metadata jsonb not null default '{}',
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  unique (account_id, name)
);
