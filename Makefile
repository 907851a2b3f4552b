# The front door: `make demo` shows everything at work, `make test` proves it. Both run as root on Debian 12.
.PHONY: help build demo build-tests test test-unit test-pool test-host soak fuzz bench install install-files deb format lint clean

SHELL := /bin/sh
PREFIX ?= /usr/local
UNITS ?= /etc/systemd/system
ZSH ?= $(PREFIX)/share/zsh/site-functions
# Where the programs are that are installed.
PROGRAMS ?= .build/release
# Programs that stand alone run on any Linux of this architecture; and they start in half the time.
RELEASE = scripts/build --static-swift-stdlib -Xswiftc -static-executable
TEST = swift test --skip-build

help:
	@echo "make demo      install what is missing, build, boot the example, fetch its page (KEEP=1 leaves it running)"
	@echo "make test      install what is missing, run all tests"
	@echo "make soak      forty servers of Debian's, built and booted, ten minutes; clients and faults from random seeds, an hour"
	@echo "make fuzz      random input for everything that parses bytes from outside, ten minutes each"
	@echo "make bench     compare with systemd-nspawn and others, side by side"
	@echo "make install   build, and install programs, units, manual pages and completions below PREFIX ($(PREFIX))"
	@echo "make deb       build, and make a Debian package: .build/butterdish_VERSION_ARCHITECTURE.deb"
	@echo "make format    lay the sources out; make lint checks them"

build:
	@scripts/setup build
	@$(RELEASE)

demo:
	@scripts/setup build run
	@scripts/demo

test: build-tests lint test-unit fuzz-short test-pool test-host

build-tests:
	@scripts/setup build run test install
	swift build --build-tests

test-unit: build-tests
	@echo "== tier 1 of 3: unit tests"
	$(TEST) --skip '^(PoolTests|AttackTests|HostTests)\.'

test-pool: build-tests
	@echo "== tier 2 of 3: pool tests and attacks (root, Btrfs on loop files, systemd-nspawn)"
	$(TEST) --no-parallel --filter '^(PoolTests|AttackTests)\.'

test-host: build-tests
	@echo "== tier 3 of 3: host tests (systemd and cgroup v2 in user-mode-linux)"
	$(TEST) --filter '^HostTests\.'

soak: build-tests
	DISH_SOAK=1 $(TEST) --no-parallel --filter '^PoolTests\.(BuildEngine/ServerImageTests|HistoryTests)'

fuzz: build-tests
	scripts/fuzz

.PHONY: fuzz-short
fuzz-short: build-tests
	@echo "== fuzz targets, ten seconds each"
	scripts/fuzz -s 10

bench:
	@scripts/setup build run bench
	@$(RELEASE)
	@Benchmarks/run

install: build
	@scripts/setup install
	@$(MAKE) --no-print-directory install-files

# Programs, units, and what the programs say of themselves as manual pages and completions: here and in the Debian package.
install-files:
	install -D -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)/dish $(PROGRAMS)/dishd $(PROGRAMS)/dish-helper
	install -d $(DESTDIR)$(UNITS) $(DESTDIR)$(ZSH) $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	for unit in scripts/*.service scripts/*.socket; do \
	    sed 's|@PREFIX@|$(PREFIX)|' $$unit > $(DESTDIR)$(UNITS)/$${unit##*/} || exit 1; \
	done
	scripts/manual $(PROGRAMS) $(DESTDIR)$(PREFIX)/share/man
	{ $(PROGRAMS)/dish --generate-completion-script bash | sed '1{/^#!/d}' && cat scripts/completion.bash; } > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/dish
	$(PROGRAMS)/dish --generate-completion-script fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/dish.fish
	$(PROGRAMS)/dish --generate-completion-script zsh > $(DESTDIR)$(ZSH)/_dish

deb: build
	@scripts/setup install
	scripts/deb

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift
	scripts/modules --check

clean:
	rm -rf .build
