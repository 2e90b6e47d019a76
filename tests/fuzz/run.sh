#!/bin/bash
# Fuzzes: all targets, or those named, each for FUZZ_SECONDS seconds, starting from small seeds and from what earlier runs found.
#   tests/fuzz/run.sh [TARGET…]
# What a target fails with is kept in artifacts/TARGET, and the exit code is that of a failure; the other targets still run.
set -euo pipefail

seconds=${FUZZ_SECONDS:-60}
here=$(cd "$(dirname "$0")" && pwd)
repository=$here/../..
# Instrumentation is an option of the compiler that only its development versions allow otherwise.
export RUSTC_BOOTSTRAP=1
# Trees are made and removed all the time.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

command -v cargo-fuzz > /dev/null || cargo install --locked cargo-fuzz

seed_texts() {
  local file
  mkdir -p "$here/corpus/dockerfile" "$here/corpus/ignore" "$here/corpus/words" "$here/corpus/one_line"
  find "$repository/compat/cases" "$repository/examples" -name 'Dockerfile*' -type f -size -8k 2> /dev/null | while read -r file; do
    cp "$file" "$here/corpus/dockerfile/seed-$(cksum < "$file" | tr ' ' -)"
  done
  printf '**/*.log\n!keep.log\nnode\n!node/keep\n# no\n/a/\n---\na.log\nnode/keep/x\na/b\n' > "$here/corpus/ignore/seed"
  printf '*\n!a/**/b[c-d]?\n**e**\n---\na/x/bc1\nx/e/y\n' > "$here/corpus/ignore/seed-wild"
  printf 'a=b/c.d\nx=\n\n${a%%.*}${a/b/${x:-"q $a"}} '\''$a'\'' ${y:?no} \\$a $a' > "$here/corpus/words/seed"
  printf 'git@host:a/b.git?ref=x&subdir=y' > "$here/corpus/one_line/seed-git"
  printf 'registry:5000/a/b:tag@sha256:%064d' 7 > "$here/corpus/one_line/seed-image"
  printf 'linux/arm/v7' > "$here/corpus/one_line/seed-platform"
  printf 'u=rwx,go-w,a+X' > "$here/corpus/one_line/seed-mode"
  printf 'type=cache,"target=/a,b",id=x' > "$here/corpus/one_line/seed-mount"
}

seed_archives() {
  local from format
  mkdir -p "$here/corpus/tar" "$here/corpus/image"
  from=$(mktemp -d)
  mkdir "$from/d"
  echo content > "$from/d/f"
  ln "$from/d/f" "$from/hard"
  ln -s d/f "$from/link"
  mkfifo "$from/fifo"
  echo long > "$from/$(printf 'n%.0s' {1..150})"
  truncate -s 20k "$from/sparse"
  echo end >> "$from/sparse"
  for format in ustar gnu pax v7; do
    # The first byte has checksums fixed.
    { printf '\0'; tar -C "$from" --format="$format" --sparse --numeric-owner -cf - . 2> /dev/null || true; } > "$here/corpus/tar/seed-$format"
  done
  rm -rf "$from"
  {
    printf '\0blobs/sha256/%%%%\0{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    printf '\0blobs/sha256/%%%%\0{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%%0","size":79},"layers":[]}'
    printf '\0oci-layout\0{"imageLayoutVersion":"1.0.0"}'
    printf '\0index.json\0{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%%1","size":184}]}'
  } | sed 's/^\x00//' > "$here/corpus/image/rest"
  {
    printf 'config.json\0{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%%9"]}}'
    printf '\0a/layer.tar\0->../b/layer.tar\0b/layer.tar\0content'
    printf '\0manifest.json\0[{"Config":"config.json","RepoTags":["a:1"],"Layers":["a/layer.tar"]}]'
  } > "$here/corpus/image/rest-docker"
  for form in 0 1 2; do
    { printf "\\x0$form"; cat "$here/corpus/image/rest"; } > "$here/corpus/image/seed-layout-$form"
    { printf "\\x0$form"; cat "$here/corpus/image/rest-docker"; } > "$here/corpus/image/seed-docker-$form"
  done
  rm "$here/corpus/image/rest" "$here/corpus/image/rest-docker"
}

seed_texts
seed_archives

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list --fuzz-dir "$here")
cargo fuzz build --fuzz-dir "$here" --sanitizer none --debug-assertions
programs=${CARGO_TARGET_DIR:-$here/target}/$(rustc -vV | sed -n 's/^host: //p')/release
failed=()
for target in "${targets[@]}"; do
  mkdir -p "$here/corpus/$target" "$here/artifacts/$target"
  options=(-artifact_prefix="$here/artifacts/$target/" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
  dictionary=$here/dictionaries/$target.dict
  case $target in
    dockerfile_long) options+=(-max_len=512); dictionary=$here/dictionaries/dockerfile.dict ;;
    words) dictionary=$here/dictionaries/dockerfile.dict ;;
    dockerfile) options+=(-max_len=8192) ;;
    tar | image) options+=(-max_len=32768) ;;
  esac
  [ ! -f "$dictionary" ] || options+=(-dict="$dictionary")
  echo "fuzz $target for $seconds s"
  nice "$programs/$target" "${options[@]}" "$here/corpus/$target" || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}; see $here/artifacts" >&2
  exit 1
fi
