#!/bin/sh
# Run a worker of jobs and messages until SIGTERM: run_worker.sh myproject.tasks:app
# What it finds set is passed on; docs/jobs.md tells every setting.
set -eu

: "${DATABASE_URL:?the PostgreSQL to use, as in postgresql://user:password@host/database}"
export WORKER_POLL_INTERVAL="${WORKER_POLL_INTERVAL:-5}"
export MAX_RETRIES="${MAX_RETRIES:-3}"
export HANJUL_JOB_CONCURRENCY="${HANJUL_JOB_CONCURRENCY:-10}"

exec hanjul worker "${1:?the app, as in myproject.tasks:app}" --json-logs
