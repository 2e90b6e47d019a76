#!/usr/bin/env bash
set -Eeo pipefail
for file in /docker-entrypoint-initdb.d/*; do echo "$file"; done
exec "$@"
