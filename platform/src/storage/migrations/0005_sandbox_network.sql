-- What a sandbox may reach, applied again after every restart.
alter table sandboxes add column network jsonb not null default '{"internet": false, "allow": [], "deny": []}';
