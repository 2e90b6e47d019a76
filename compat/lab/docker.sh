#!/bin/bash
# A docker daemon for a while, on machines where none is running.
#   docker.sh start DIR       starts a dockerd with its data and its socket under DIR, and prints DOCKER_HOST=…
#   docker.sh stop DIR        stops it
# It has no bridge: containers need --network none or host.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }
mkdir -p "$2"; dir=$(realpath "$2")
pid() { cat "$dir/docker.pid" 2>/dev/null; }
running() { [ -S "$dir/docker.sock" ] && kill -0 "$(pid)" 2>/dev/null; }

case $1 in
  start)
    if ! running; then
      rm -f "$dir/docker.pid" "$dir/docker.sock"
      setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/docker.pid" \
        --host "unix://$dir/docker.sock" --bridge none --iptables=false --ip6tables=false \
        --storage-driver overlay2 >"$dir/dockerd.log" 2>&1 </dev/null &
      for _ in $(seq 200); do
        if running && DOCKER_HOST=unix://$dir/docker.sock docker version >/dev/null 2>&1; then break; fi
        sleep 0.1
      done
      running || { echo "docker.sh: dockerd did not start:" >&2; tail -5 "$dir/dockerd.log" >&2; exit 1; }
    fi
    echo "DOCKER_HOST=unix://$dir/docker.sock" ;;
  stop)
    if running; then
      process=$(pid)
      kill "$process"
      for _ in $(seq 100); do kill -0 "$process" 2>/dev/null || break; sleep 0.1; done
      kill -9 "$process" 2>/dev/null || true
    fi ;;
  *) echo "docker.sh: start or stop, not $1" >&2; exit 2 ;;
esac
