#!/bin/bash
# Installs from Debian what stromatekt, its examples, tests and benchmarks use. Does nothing when all of it is there.
set -euo pipefail

packages=(
  runc btrfs-progs passt git openssh-client ca-certificates   # stromatekt runs these
  gcc libc6-dev                                               # cargo links, and builds SQLite and zstd, with these
  busybox-static mmdebstrap                                   # the base images are made of these
  skopeo umoci buildah docker.io docker-registry              # the images are shown to these
  python3                                                     # compat/bench
  bzip2 xz-utils zstd perl-base                               # the tests make archives with these
  chromium-headless-shell fonts-dejavu-core graphviz          # the tests look at pictures of builds with these
)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "packages.sh: these packages are missing, and only root can install them: ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# A third party's repository that does not answer must not stop what Debian's can give; apt-get install says what is missing.
apt-get update -qq || true
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
