#!/bin/bash
# A docker of today beside Debian bookworm's 20.10: moby 28.5 with buildx and BuildKit, from Debian forky in a chroot.
#   modern-docker.sh make DIR       makes the chroot under DIR when it is not there
#   modern-docker.sh start DIR      makes the chroot under DIR when it is not there, starts its dockerd
#   modern-docker.sh run DIR CMD…   runs CMD in the chroot; DIR/work is /work in there: put contexts and archives there
#   modern-docker.sh stop DIR       stops that dockerd, removes the mounts
# Its daemon keeps images in containerd, as newer dockers do: only so it writes OCI layouts, annotations and several platforms.
# It has no bridge: RUN steps have network none or host. Needs root, mmdebstrap and 2 GiB of disk.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,8s/^# \?//p' "$0" >&2; exit 2; }
verb=$1; dir=$(realpath -m "$2"); shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$dir/chroot
running() { [ -S "$dir/data/docker.sock" ] && kill -0 "$(cat "$dir/data/pid" 2>/dev/null)" 2>/dev/null; }
packages=docker.io,docker-buildx,docker-cli,ca-certificates,iptables,git,xz-utils

make_chroot() {
  mkdir -p "$dir/work" "$dir/data"
  # While it is in use it stays as it is.
  if mountpoint -q "$root" || [ "$(cat "$root/.complete" 2>/dev/null)" = "$packages" ]; then return; fi
  echo "making the newer docker" >&2
  rm -rf --one-file-system -- "$root"
  local mirror; mirror=$("$here/mirror.sh")
  # A mirror may be some weeks behind, and the lists of a release in the making are valid for one.
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include="$packages" forky "$root" ${mirror:+"$mirror"}
  echo "$packages" >"$root/.complete"
}

case $verb in
  make) make_chroot ;;
  start)
    make_chroot
    if ! mountpoint -q "$root"; then
      # dockerd changes how its root is mounted, which it can only do on a mount of its own.
      mount --bind "$root" "$root"; mount --make-private "$root"
      for m in proc sys dev; do mount --rbind "/$m" "$root/$m"; mount --make-rslave "$root/$m"; done
      mkdir -p "$root/work" "$root/data"
      mount --bind "$dir/work" "$root/work"; mount --bind "$dir/data" "$root/data"
    fi
    if ! running; then
      rm -f "$dir/data/pid" "$dir/data/docker.sock"
      setsid chroot "$root" dockerd --data-root /data/store --exec-root /data/exec -p /data/pid \
        -H unix:///data/docker.sock --bridge=none --iptables=false --ip6tables=false \
        --feature containerd-snapshotter=true >"$dir/dockerd.log" 2>&1 </dev/null &
      for _ in $(seq 60); do running && break; sleep 0.5; done
      running || { echo "modern-docker.sh: dockerd did not start:" >&2; tail -5 "$dir/dockerd.log" >&2; exit 1; }
      sleep 1
    fi
    echo "DOCKER_HOST=unix://$dir/data/docker.sock" ;;
  run) exec chroot "$root" env DOCKER_HOST=unix:///data/docker.sock "$@" ;;
  stop)
    if running; then
      kill "$(cat "$dir/data/pid")"
      for _ in $(seq 40); do running || break; sleep 0.5; done
    fi
    for m in data work dev sys proc ""; do umount -R -l "$root/$m" 2>/dev/null || true; done ;;
  *) echo "modern-docker.sh: make, start, run or stop, not $verb" >&2; exit 2 ;;
esac
