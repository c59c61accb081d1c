-- What models were asked and what they answered, for runs of agents. Of input what the vendor had cached is counted apart.
alter table usage_facts
  add column model_input_tokens bigint not null default 0 check (model_input_tokens >= 0),
  add column model_cached_tokens bigint not null default 0 check (model_cached_tokens >= 0),
  add column model_output_tokens bigint not null default 0 check (model_output_tokens >= 0);
