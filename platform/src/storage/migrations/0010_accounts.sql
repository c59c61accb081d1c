-- Who may do what. Written by accounts/ alone, each table by the file named like it.

-- Who owns what there is: the `account_id` of every other table.
create table organisations (
  id text primary key,
  -- Lower case letters, digits and dashes: it stands in names of snapshots.
  name text not null unique,
  -- Null: as many as the setting says.
  max_sandboxes integer check (max_sandboxes >= 0),
  created_at timestamptz not null
);

-- That of the operator, which was there before there were others.
insert into organisations (id, name, created_at) values ('org0', 'operator', now());

create table users (
  id text primary key,
  -- In lower case.
  email text not null unique,
  name text not null,
  -- Argon2id in its usual text form; null for who only comes by single sign-on.
  password text,
  -- The secret of the second factor, sealed; it counts from `totp_since` on, and codes up to `totp_step` are used.
  totp_secret text,
  totp_since timestamptz,
  totp_step bigint not null default 0,
  created_at timestamptz not null
);

-- The same person at a provider of single sign-on.
create table identities (
  issuer text not null,
  subject text not null,
  user_id text not null references users on delete cascade,
  created_at timestamptz not null,
  primary key (issuer, subject)
);

create table recovery_codes (
  user_id text not null references users on delete cascade,
  hash text not null,
  used_at timestamptz,
  primary key (user_id, hash)
);

create table memberships (
  account_id text not null references organisations,
  user_id text not null references users on delete cascade,
  role text not null check (role in ('owner', 'admin', 'developer', 'billing', 'viewer')),
  created_at timestamptz not null,
  primary key (account_id, user_id)
);

create index memberships_by_user on memberships (user_id, created_at);

-- Programs that are members.
create table service_accounts (
  id text primary key,
  account_id text not null references organisations,
  name text not null,
  role text not null check (role in ('owner', 'admin', 'developer', 'billing', 'viewer')),
  created_by text not null,
  created_at timestamptz not null,
  unique (account_id, name)
);

alter table keys add foreign key (account_id) references organisations;
alter table keys add column role text not null default 'developer'
  check (role in ('owner', 'admin', 'developer', 'billing', 'viewer'));
-- Tokens could make and take away keys.
update keys set role = 'admin' where kind = 'token';
-- A list of permissions; null: all of the role.
alter table keys add column scopes jsonb;
alter table keys add column expires_at timestamptz;
alter table keys add column created_by text;
-- With it the role is that of the service account.
alter table keys add column service_id text references service_accounts on delete cascade;

-- What a person is sent, to be used once: an invitation, or leave to set a new password.
create table links (
  id text primary key,
  kind text not null check (kind in ('invitation', 'password')),
  email text not null,
  account_id text references organisations,
  role text check (role in ('owner', 'admin', 'developer', 'billing', 'viewer')),
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  check (kind <> 'invitation' or (account_id is not null and role is not null))
);

create index links_by_account on links (account_id, created_at);

create table sessions (
  id text primary key,
  user_id text not null references users on delete cascade,
  method text not null check (method in ('password', 'oidc')),
  -- Of the client, as it was when the session began.
  address text not null,
  agent text not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text
);

create index sessions_by_user on sessions (user_id, created_at);
create index sessions_by_expiry on sessions (expires_at);

-- Each is good for one refresh. Those that were used are kept, to know one that comes again.
create table refresh_tokens (
  hash text primary key,
  session_id text not null references sessions on delete cascade,
  created_at timestamptz not null,
  used_at timestamptz
);

create index refresh_tokens_by_session on refresh_tokens (session_id);

-- Single sign-ons that are under way.
create table oidc_logins (
  -- Hash of the state that went to the provider.
  state text primary key,
  nonce text not null,
  verifier text not null,
  -- Only who has the verifier of this gets the session.
  client_challenge text not null,
  return_to text not null,
  expires_at timestamptz not null,
  -- Hash of the code that the client changes for a session, and whose session it will be.
  code text unique,
  user_id text references users on delete cascade
);

create index oidc_logins_by_expiry on oidc_logins (expires_at);
