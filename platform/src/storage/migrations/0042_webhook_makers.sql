-- Who made a webhook, as { kind, id, role, scopes } of that moment: it is told of nothing that its maker may not see. Null for
-- those that were made before; they are told what any developer sees.
alter table webhooks add column maker jsonb;
