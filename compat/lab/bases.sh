#!/bin/bash
# Makes base images out of Debian packages, each a tar of a root filesystem:
#   bases.sh DIR NAME…        leaves DIR/NAME.tar; one that is there already, made by this same script, is kept
#
#   busybox      busybox-static with all its applets, a few users and groups
#   debian       Debian bookworm, the minimal variant
#   debian-gcc   the same with gcc, make and libc6-dev
#   debian-servers    the same with what runs in the images that people build: Python and pip, Node, PHP with FPM, nginx, PostgreSQL, tini
#   debian-compilers  the same with what compiles in them: Go, a JDK
#   fat          debian and 60,000 more files, together 1 GiB
#
# Load one with: stromatekt image load DIR/NAME.tar --name NAME
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,11s/^# \?//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
recipe=$(sha256sum "$here/bases.sh" | cut -c1-16)
mkdir -p "$1"; cd "$1"; shift

busybox() {
  local root; root=$(mktemp -d)
  mkdir -p "$root"/{bin,etc,home,root,tmp,usr/bin,var/tmp}
  chmod 755 "$root"; chmod 700 "$root/root"; chmod 1777 "$root/tmp" "$root/var/tmp"
  cp /bin/busybox "$root/bin/busybox"
  local applet
  for applet in $(/bin/busybox --list); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
  done
  printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
    worker:x:1000:1000:worker:/home/worker:/bin/sh nobody:x:65534:65534:nobody:/home:/bin/false >"$root/etc/passwd"
  printf '%s\n' root:x:0: daemon:x:1: video:x:44:worker users:x:100:worker worker:x:1000: nogroup:x:65534: >"$root/etc/group"
  tar -C "$root" --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf "$1" .
  rm -rf "$root"
}

bootstrap() { # OUT [PACKAGES [OPTION…]]
  local mirror; mirror=$("$here/mirror.sh")
  # mmdebstrap tells the format by the name; dev nodes and apt's lists are of no use in an image.
  mmdebstrap --quiet --variant=minbase ${2:+--include="$2"} \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${@:3}" bookworm "$1" ${mirror:+"$mirror"}
}

# Both without what is large and not needed here: a cluster and just-in-time compilation; tests, Go's own objects, modules for jlink.
servers() {
  bootstrap "$1" python3,python3-pip,nodejs,php-cli,php-fpm,nginx-light,postgresql,tini,locales \
    --customize-hook='rm -rf "$1"/etc/postgresql/15 "$1"/var/lib/postgresql/15' \
    --dpkgopt='path-exclude=*/libLLVM-*' --dpkgopt='path-exclude=*/libz3.so*' \
    --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' --dpkgopt='path-exclude=*/llvmjit*'
}

compilers() {
  # Java's packages link to their manuals, and stop where there is no directory for them.
  bootstrap "$1" golang-go,openjdk-17-jdk-headless --essential-hook='mkdir -p "$1"/usr/share/man/man1' \
    --customize-hook='find "$1"/usr/lib/jvm -name "*.jsa" -delete' \
    --dpkgopt='path-exclude=/usr/share/go-*/test/*' --dpkgopt='path-exclude=/usr/share/go-*_test.go' \
    --dpkgopt='path-exclude=*/testdata/*' --dpkgopt='path-exclude=/usr/lib/go-*/pkg/linux_amd64/cmd/*' \
    --dpkgopt='path-exclude=/usr/share/go-*/src/cmd/*' --dpkgopt='path-exclude=/usr/lib/jvm/*/jmods/*' \
    --dpkgopt='path-exclude=/usr/lib/jvm/*/ct.sym'
}

fat() {
  make_base debian
  cp debian.tar "$1"
  python3 - "$1" <<'P'
import io, random, sys, tarfile
random.seed(1)
with tarfile.open(sys.argv[1], "a") as out:
    for d in range(600):
        shared = random.randbytes(8192)
        for f in range(100):
            # Half of a file is random, half compresses, as in images that people have.
            data = shared + str(f).encode() * 1500 + random.randbytes(4096)
            info = tarfile.TarInfo(f"./usr/share/fat/d{d}/f{f}")
            info.size, info.mtime = len(data), 1700000000
            out.addfile(info, io.BytesIO(data))
P
}

make_base() {
  local name=$1
  if [ -s "$name.tar" ] && [ "$(cat "$name.recipe" 2>/dev/null)" = "$recipe" ]; then return; fi
  echo "making base image $name"
  local part="$name.part.$$.tar"
  case $name in
    busybox) busybox "$part" ;;
    debian) bootstrap "$part" ;;
    debian-gcc) bootstrap "$part" gcc,make,libc6-dev ;;
    debian-servers) servers "$part" ;;
    debian-compilers) compilers "$part" ;;
    fat) fat "$part" ;;
    *) echo "bases.sh: there is no base named $name (busybox, debian, debian-gcc, debian-servers, debian-compilers, fat)" >&2; exit 2 ;;
  esac
  mv "$part" "$name.tar"; echo "$recipe" >"$name.recipe"
}

for name in "$@"; do make_base "$name"; done
