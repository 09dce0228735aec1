#!/bin/sh
# Run a worker of jobs and messages until SIGTERM: run_worker.sh myproject.tasks:app
# What it finds set is passed on, and nothing else: a variable is over hanjul.toml. docs/running.md tells every setting.
set -eu

grep -qs "^database_url" hanjul.toml || : "${DATABASE_URL:?the PostgreSQL to use, as in postgresql://user:password@host/database}"

exec hanjul worker "${1:?the app, as in myproject.tasks:app}" --json-logs
