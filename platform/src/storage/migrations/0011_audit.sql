-- Who did what, as a chain for each organisation: no row can be changed, taken out or put in between without the hashes
-- after it being wrong. Written by append_audit alone, which audit/audit-log.ts calls.
create table audit_log (
  account_id text not null references organisations,
  -- From 1, without gaps.
  seq bigint not null,
  -- JSON, as it was hashed; the columns to search by are made from it, and so cannot say something else.
  entry text not null,
  -- SHA-256 in hexadecimal of the hash before it (of the first: of the account's id), seq and entry, with newlines between.
  hash text not null,
  at_ms bigint generated always as (((entry::jsonb) ->> 'at')::bigint) stored,
  actor text generated always as ((entry::jsonb) ->> 'actor') stored,
  action text generated always as ((entry::jsonb) ->> 'action') stored,
  subject text generated always as ((entry::jsonb) ->> 'subject') stored,
  primary key (account_id, seq)
);

create index audit_log_by_actor on audit_log (account_id, actor, seq);
create index audit_log_by_action on audit_log (account_id, action, seq);
create index audit_log_by_subject on audit_log (account_id, subject, seq);
create index audit_log_by_time on audit_log (account_id, at_ms, seq);

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is only added to';
end $$;

create trigger audit_log_is_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_audit_change();

-- A function, for one round trip. Not waiting for the disk: a crash of ours loses nothing, a power cut what came in the
-- half second before it.
create function append_audit(account text, entries text[]) returns bigint language plpgsql as $$
declare
  last_seq bigint;
  last_hash text;
  one text;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_advisory_xact_lock(7072, hashtext(account));
  select a.seq, a.hash into last_seq, last_hash from audit_log a where a.account_id = account order by a.seq desc limit 1;
  if last_seq is null then
    last_seq := 0;
    last_hash := encode(sha256(convert_to(account, 'UTF8')), 'hex');
  end if;
  foreach one in array entries loop
    last_seq := last_seq + 1;
    last_hash := encode(sha256(convert_to(last_hash || E'\n' || last_seq || E'\n' || one, 'UTF8')), 'hex');
    insert into audit_log (account_id, seq, entry, hash) values (account, last_seq, one, last_hash);
  end loop;
  return last_seq;
end $$;
