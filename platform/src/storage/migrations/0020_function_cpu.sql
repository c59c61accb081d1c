-- Processor time of a call, all its attempts together. Written by functions/invocations/recorder.ts.
alter table function_invocations add column cpu_ms bigint;
