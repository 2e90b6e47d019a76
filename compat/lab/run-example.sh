#!/bin/bash
# Builds examples/c-project with stromatekt, has docker load and run the image, and compares what it prints:
#   run-example.sh STROMATEKT LAB     LAB is where bases.sh left debian-gcc.tar
set -euo pipefail
[ $# = 2 ] || { sed -n '2,3s/^# \?//p' "$0" >&2; exit 2; }
stromatekt=$1; lab=$(realpath "$2")
example=$(cd "$(dirname "$0")/../../examples/c-project" && pwd)
export STROMATEKT_ROOT=$lab/run
work=$(mktemp -d)
own_docker=
finish() {
  [ -z "$own_docker" ] || "$(dirname "$0")/docker.sh" stop "$own_docker"
  "$stromatekt" store unmount || true
  rm -rf "$work"
}
trap finish EXIT
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

step "The base: Debian bookworm with gcc and make"
"$stromatekt" image load "$lab/debian-gcc.tar" --name local/debian-gcc:12

step "The build"
"$stromatekt" build "$example" -t c-project -o "type=docker,dest=$work/c-project.tar"

step "docker load"
if ! docker version >/dev/null 2>&1; then
  own_docker=$lab/docker
  export "$("$(dirname "$0")/docker.sh" start "$own_docker")"
fi
docker load -i "$work/c-project.tar"

step "docker run c-project"
docker run --rm --network none c-project | tee "$work/output"
docker image rm c-project >/dev/null
diff -u "$example/expected-output.txt" "$work/output" || { echo "run-example.sh: the container printed something else than expected" >&2; exit 1; }
step "As expected."
