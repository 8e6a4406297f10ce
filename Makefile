# What can be done with this repository; `make help` lists it.

PREFIX = /usr/local
DESTDIR =
# How long `make fuzz` runs each target, and how many at a time; if empty, one a core.
FUZZ_SECONDS = 10
FUZZ_JOBS =
# How long `make chaos` runs; CHAOS_SEED, if set, is the number that decides who does what.
CHAOS_SECONDS = 600
# How many certificate chains `make fuzz-x509` has judged; X509_SEED, if set, is the number that decides which.
X509_CHAINS = 20000
# How long `make simulate` plays; SIMULATE_SEED, if set, is the world whose story is told.
SIMULATE_SECONDS = 60
# The lease of `make demo-failover`.
LEASE = 6s

# Tests wait more than they compute.
export RUST_TEST_THREADS ?= 12

# What `make release` makes programs for.
TARGETS = x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-apple-darwin aarch64-apple-darwin

# The one of them that runs here.
STATIC = $(shell uname -m)-unknown-linux-musl

TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
BINARY = $(TARGET_DIR)/release/heimdall
SHARE = $(TARGET_DIR)/share
MANUAL = $(SHARE)/man/man1/heimdall.1
INSTALLED = man/man1/heimdall.1 bash-completion/completions/heimdall \
	zsh/site-functions/_heimdall fish/vendor_completions.d/heimdall.fish
SOURCES = Cargo.toml Cargo.lock $(shell find src -type f)

# With all that make install installs, so that root need not build.
build: $(BINARY) $(MANUAL) ## build the release binary, the manual page and the completions

demo: ## show the lock at work on a throw-away server
	scripts/deps
	cargo build --locked
	scripts/demo $(TARGET_DIR)/debug/heimdall

demo-failover: ## show on three hosts, network namespaces, who runs a daemon when a host, the network or the server fails
	scripts/deps failover
	cargo build --locked
	scripts/demo-failover $(TARGET_DIR)/debug/heimdall $(LEASE)

deps: ## find or install what building and testing need
	scripts/deps tests

test: deps ## run all tests; DATABASE_URL, if set, is the server of those that need only one
	cargo test --locked
	cargo test --locked --no-default-features --features cli -- without_tls options exclusion flights

test-matrix: deps ## run all tests on every major version of PostgreSQL that can be had
	scripts/test-matrix

check: ## all that needs no server: format, lints, unit tests, documentation, crates and licences, the package
	scripts/check

test-foreign: ## run the unit tests for a big-endian and a 32-bit processor, in an emulator
	scripts/release/unit-tests s390x-unknown-linux-musl armv7-unknown-linux-musleabihf

lint: ## check scripts, Dockerfile, workflows, systemd units, and the recipes for Homebrew and Nix
	scripts/lint

chaos: deps ## contend for one lock for CHAOS_SECONDS, while all that is part of it is killed, cut and restarted
	CHAOS_SECONDS=$(CHAOS_SECONDS) cargo test --locked --test tests -- --exact --nocapture \
		chaos::no_two_jobs_are_inside_at_once_whatever_is_killed_cut_or_restarted

fuzz: ## run each fuzz target for FUZZ_SECONDS, FUZZ_JOBS at a time; what they find stays in fuzz/corpus
	scripts/fuzz $(FUZZ_SECONDS) $(FUZZ_JOBS)

fuzz-x509: deps ## let heimdall, openssl verify and psql judge X509_CHAINS random certificate chains
	X509_CHAINS=$(X509_CHAINS) cargo test --locked --test tests -- --exact --nocapture \
		certificates::differential::a_chain_by_chance_is_trusted_where_openssl_trusts_it

simulate: ## play fleets in virtual time for SIMULATE_SECONDS, or tell the story of SIMULATE_SEED
	@cargo run --quiet --locked --profile simulation --no-default-features --features cli --example simulate -- \
		$(SIMULATE_SECONDS) $(SIMULATE_SEED)

bench: deps ## print the figures: time to the lock, size, memory, CPU
	program=$$(scripts/release/program $(STATIC)) && HEIMDALL_RELEASED=$$program cargo bench --locked --bench figures

takeover: deps ## print how soon another takes over, in each way in which a holder can go
	cargo bench --locked --bench figures -- takeover

release: man ## make standalone programs and their archives for TARGETS under pkg/
	scripts/release/build $(TARGETS)

packages: man ## pack the programs for Linux of TARGETS as deb, rpm and apk under pkg/
	scripts/release/packages $(TARGETS)

test-packages: packages ## install and remove the deb in a Debian system of its own, and look into the other packages
	scripts/release/test-packages

docker-test: ## run all tests in a container, on a PostgreSQL server in another
	scripts/docker/run test

docker-release: ## make what make release makes in a container
	scripts/docker/run release $(TARGETS)

docker-image: ## make the image heimdall:VERSION, which holds the one static program
	scripts/docker/run image

test-docker: ## prove the three on this machine, with stand-ins where no image can be pulled
	scripts/docker/prove

size: ## print where the bytes of the static program go, by crate, with TLS and without
	scripts/release/size $(STATIC)

reproduce: ## build STATIC twice, in different folders, as different users, and compare all bytes
	scripts/release/reproduce $(STATIC)

picture: ## draw README's picture of two terminals again, from a real run
	scripts/deps
	cargo build --locked
	scripts/picture $(TARGET_DIR)/debug/heimdall >docs/picture.svg.new
	mv docs/picture.svg.new docs/picture.svg

man: $(MANUAL) ## write the manual page and the completions of bash, zsh and fish under target/share

install: $(BINARY) $(MANUAL) ## install program, manual page and completions to DESTDIR/PREFIX
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 "$(BINARY)" "$(DESTDIR)$(PREFIX)/bin/heimdall"
	for file in $(INSTALLED); do \
		install -d "$(DESTDIR)$(PREFIX)/share/$${file%/*}" && \
		install -m 644 "$(SHARE)/$$file" "$(DESTDIR)$(PREFIX)/share/$$file" || exit; \
	done

clean: ## remove all that was built
	cargo clean
	rm -rf pkg fuzz/target

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BINARY): $(SOURCES)
	cargo build --release --locked
	@touch -c $@

$(MANUAL): $(SOURCES) README.md $(wildcard docs/*.md) $(wildcard scripts/manual/*.rs)
	cargo run --quiet --locked --example manual $(SHARE)

.PHONY: build demo demo-failover deps test test-matrix check test-foreign lint chaos fuzz fuzz-x509 simulate bench takeover release packages test-packages docker-test docker-release docker-image test-docker \
	size reproduce picture man install clean help
