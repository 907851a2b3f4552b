# The front door: `make demo` shows everything at work, `make test` proves it. Both run as root on Debian 12.
.PHONY: help build demo build-tests test test-unit test-pool test-host fuzz bench install format lint clean

SHELL := /bin/sh
PREFIX ?= /usr/local
# Programs that stand alone run on any Linux of this architecture; and they start in half the time.
RELEASE = swift build -c release --static-swift-stdlib -Xswiftc -static-executable
TEST = swift test --skip-build

help:
	@echo "make demo      install what is missing, build, boot the example, fetch its page (KEEP=1 leaves it running)"
	@echo "make test      install what is missing, run all tests"
	@echo "make fuzz      random input for everything that parses bytes from outside, ten minutes each"
	@echo "make bench     compare with systemd-nspawn and others, side by side"
	@echo "make install   build, and install the programs and the agent's unit below PREFIX ($(PREFIX))"
	@echo "make format    lay the sources out; make lint checks them"

build:
	@scripts/setup build
	@$(RELEASE)

demo:
	@scripts/setup build run
	@scripts/demo

test: test-unit fuzz-short test-pool test-host

build-tests:
	@scripts/setup build run test
	swift build --build-tests

test-unit: build-tests
	@echo "== tier 1 of 3: unit tests"
	$(TEST) --skip '^(PoolTests|HostTests)\.'

test-pool: build-tests
	@echo "== tier 2 of 3: pool tests (root, Btrfs on loop files, systemd-nspawn)"
	$(TEST) --no-parallel --filter '^PoolTests\.'

test-host: build-tests
	@echo "== tier 3 of 3: host tests (systemd and cgroup v2 in user-mode-linux)"
	$(TEST) --filter '^HostTests\.'

fuzz: build-tests
	scripts/fuzz

.PHONY: fuzz-short
fuzz-short: build-tests
	@echo "== fuzz targets, twenty seconds each"
	scripts/fuzz -s 20

bench:
	@scripts/setup build run bench
	@$(RELEASE)
	@Benchmarks/run

install: build
	install -D -t $(DESTDIR)$(PREFIX)/bin .build/release/dish .build/release/dishd .build/release/dish-helper
	sed 's|@PREFIX@|$(PREFIX)|' scripts/dishd.service > .build/dishd.service
	install -D -m 644 -t $(DESTDIR)/etc/systemd/system .build/dishd.service scripts/dishd.socket

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift

clean:
	rm -rf .build
