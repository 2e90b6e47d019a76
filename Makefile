# stromatekt: what a person types.
#   make setup   installs what is needed from Debian, makes the base images (about a second when all is there)
#   make run     builds examples/c-project, and has docker load and run the image
#   make test    format, lints, all tests
#   make compat  builds all cases of compat/cases with docker and with stromatekt, and writes compat/REPORT.md (COMPAT="copy/*" for some)
#   make flags   writes compat/FLAGS.md anew: what of docker's options, verbs and variables is supported
#   make bench   times stromatekt beside docker and buildah (a long run; BENCH="--case symlink" for a part)
#   make fuzz    fuzzes all that reads what others wrote, each target for FUZZ_SECONDS (TARGETS="tar words" for some)
#   make clean   removes what setup, run and bench keep; cargo clean removes the rest

# Base images, and the state of run and bench.
LAB ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stromatekt-lab
export STROMATEKT_LAB := $(LAB)
SHELL := /bin/bash
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/stromatekt

.PHONY: setup run test compat flags bench fuzz clean build

setup:
	@compat/lab/packages.sh
	@compat/lab/bases.sh $(LAB) busybox debian debian-gcc
	@compat/lab/modern-docker.sh make $(LAB)/moby || echo "setup: without the newer docker, the cases of compat/ are skipped" >&2

build:
	cargo build --release --package stromatekt

run: setup build
	@compat/lab/run-example.sh $(BINARY) $(LAB)

test:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

# A report is about all cases.
compat: setup build
	cargo build --release --package stromatekt-compat
	$(dir $(BINARY))compat run $(if $(COMPAT),$(COMPAT),--report compat/REPORT.md)

flags:
	STROMATEKT_WRITE_FLAGS=1 cargo test --package stromatekt the_table_of_flags

bench: setup build
	@compat/lab/bases.sh $(LAB) debian fat
	@compat/bench/bench.py --stromatekt $(BINARY) --lab $(LAB) $(BENCH)

fuzz: export FUZZ_SECONDS ?= 60
fuzz:
	@tests/fuzz/run.sh $(TARGETS)

clean:
	@if [ -x $(BINARY) ]; then \
	  for store in run bench/stromatekt; do [ ! -d "$(LAB)/$$store" ] || $(BINARY) --root "$(LAB)/$$store" store unmount; done; fi
	@[ ! -d "$(LAB)/moby" ] || compat/lab/modern-docker.sh stop "$(LAB)/moby"
	@[ ! -d "$(LAB)/bench/moby" ] || compat/lab/modern-docker.sh stop "$(LAB)/bench/moby"
	@[ ! -d "$(LAB)/docker" ] || compat/lab/docker.sh stop "$(LAB)/docker"
	rm -rf --one-file-system -- "$(LAB)"
