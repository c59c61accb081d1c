#!/bin/sh
# Starts the platform as the first process, so that signals reach it. Its log goes to standard error and into a file for promtail.
set -eu
cd /opt/warren
pipe=$(mktemp -u)
mkfifo -m 600 "$pipe"
mkdir -p /var/log/warren
tee -a /var/log/warren/warren.log < "$pipe" >&2 &
exec 2> "$pipe"
rm "$pipe"
export MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072
exec ./node_modules/.bin/node --max-semi-space-size=8 platform/src/main.ts
