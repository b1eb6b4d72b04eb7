# make build | install | demo | test | test-clients | bench | sanitize | check | lint | format | clean

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
# The install tree that `make build` leaves and `make install` copies.
TREE ?= build
# A filter for test-fast: part of a suite's or a test's name.
FILTER ?=

# The runtime is linked in, so that the installed programs need no toolchain beside them, and start faster.
RELEASE := -c release --static-swift-stdlib
FORMATTED := Package.swift Sources Tests

.PHONY: build install demo demo-scalability test test-fast test-clients bench sanitize sanitize-thread \
	sanitize-address check check-systemd check-install lint format clean

build:
	scripts/bootstrap --build
	$(SWIFT) build $(RELEASE) --product swqd
	$(SWIFT) build $(RELEASE) --product swqctl
	bin=$$($(SWIFT) build $(RELEASE) --show-bin-path); scripts/stage-install "$$bin" "$(TREE)"
	scripts/build-preload "$(TREE)"
	scripts/build-libswq "$(TREE)"

# Copies the install tree. The units name the programs by the prefix they are installed under.
install:
	@[[ -x $(TREE)/bin/swqd ]] || { echo 'install: run `make build` first' >&2; exit 1; }
	install -d "$(DESTDIR)$(PREFIX)"
	cp -R "$(TREE)/bin" "$(TREE)/include" "$(TREE)/lib" "$(TREE)/share" "$(DESTDIR)$(PREFIX)/"
	sed -i 's|/usr/bin/|$(PREFIX)/bin/|; s|/usr/share/|$(PREFIX)/share/|' \
		"$(DESTDIR)$(PREFIX)"/lib/systemd/system/swqd*

demo: build
	scripts/demo

# Tenants are added to one device until each way of sharing it refuses; leaves build/scalability.svg.
demo-scalability:
	scripts/demo-scalability

test:
	scripts/bootstrap --test
	$(MAKE) check
	$(SWIFT) test
	scripts/test-preload
	scripts/test-qmp
	scripts/test-libswq
	$(MAKE) check-systemd
	$(MAKE) check-install
	@echo 'test: every check and every test passed'

# Programs for DSA hardware that others wrote, against the build.
test-clients: build
	scripts/test-clients "$(TREE)"

# The tests alone.
test-fast:
	$(SWIFT) test $(if $(FILTER),--filter '$(FILTER)')

bench: build
	scripts/bootstrap --bench
	scripts/bench

sanitize: sanitize-thread sanitize-address
	@echo 'sanitize: clean under the thread and the address sanitizer'

# Each sanitizer has its own scratch folder, because its objects do not mix with others. The longest property tests do a
# tenth of their work: see Tests/TestKit/Randomness/PropertyScale.swift.
sanitize-thread: export SWQD_PROPERTY_SCALE ?= 0.1
sanitize-thread:
	scripts/bootstrap --test
	TSAN_OPTIONS=halt_on_error=1 $(SWIFT) test --sanitize=thread --scratch-path .build-thread

# Leak detection is off: the Swift runtime keeps metadata for the life of the process.
sanitize-address: export SWQD_PROPERTY_SCALE ?= 0.1
sanitize-address:
	scripts/bootstrap --test
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build-address

# What can be checked before the project is built.
check: lint
	scripts/check-imports --self-test
	scripts/check-imports
	scripts/check-tidy --self-test
	scripts/check-tidy
	scripts/check-coverage --self-test
	scripts/check-coverage
	scripts/generate-protocol --check

check-systemd:
	scripts/check-systemd

check-install:
	scripts/check-install

lint:
	$(SWIFT) format lint --strict --parallel --recursive $(FORMATTED)

format:
	$(SWIFT) format --in-place --parallel --recursive $(FORMATTED)

clean:
	rm -rf .build .build-thread .build-address build
