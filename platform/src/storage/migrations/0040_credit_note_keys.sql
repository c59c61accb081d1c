-- What the caller named a credit note: the same again is the same note. Those written before have none.
alter table billing_invoices add column key text check (key is null or kind = 'credit_note');
create unique index billing_invoices_by_key on billing_invoices (account_id, key) where key is not null;
