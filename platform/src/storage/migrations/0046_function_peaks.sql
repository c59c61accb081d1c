-- What its instance had of memory at most until a call ended, MiB: a start learns from it what functions need.
alter table function_invocations add column peak_mb real;
