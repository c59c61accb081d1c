-- A call is not forgotten while a key stands for it.
create index function_idempotency_call on function_idempotency (invocation_id);
