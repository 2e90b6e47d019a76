# stromatekt: what a person types.
#   make setup   installs what is needed from Debian, makes the base images (about a second when all is there)
#   make run     builds examples/c-project, and has docker load and run the image
#   make test    format, lints, all tests
#   make bench   times stromatekt beside docker and buildah (a long run; BENCH="--case symlink" for a part)
#   make clean   removes what setup, run and bench keep; cargo clean removes the rest

# Base images, and the state of run and bench.
LAB ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stromatekt-lab
export STROMATEKT_LAB := $(LAB)
SHELL := /bin/bash
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/stromatekt

.PHONY: setup run test bench clean build

setup:
	@compat/lab/packages.sh
	@compat/lab/bases.sh $(LAB) busybox debian-gcc

build:
	cargo build --release --package stromatekt

run: setup build
	@compat/lab/run-example.sh $(BINARY) $(LAB)

test:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

bench: setup build
	@compat/lab/bases.sh $(LAB) debian fat
	@compat/bench/bench.py --stromatekt $(BINARY) --lab $(LAB) $(BENCH)

clean:
	@if [ -x $(BINARY) ]; then \
	  for store in run bench/stromatekt; do [ ! -d "$(LAB)/$$store" ] || $(BINARY) --root "$(LAB)/$$store" store unmount; done; fi
	@[ ! -d "$(LAB)/bench/moby" ] || compat/lab/modern-docker.sh stop "$(LAB)/bench/moby"
	@[ ! -d "$(LAB)/docker" ] || compat/lab/docker.sh stop "$(LAB)/docker"
	rm -rf --one-file-system -- "$(LAB)"
