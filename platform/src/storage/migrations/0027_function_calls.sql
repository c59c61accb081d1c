-- A call that comes by HTTP and is queued, because it has a key: the request beside its body, until it has ended.
alter table function_invocations add column http jsonb;
-- What an answer that is more than JSON begins with: {"status", "headers"}. Both written by functions/invocations/.
alter table function_invocations add column head jsonb;
