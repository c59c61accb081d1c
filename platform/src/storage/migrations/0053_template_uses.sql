-- How many sandboxes an organisation has started from a template, by the template's name. Written by templates/template-uses.ts.
create table template_uses (
  account_id text not null,
  template text not null,
  count bigint not null,
  last_at timestamptz not null,
  primary key (account_id, template)
);
