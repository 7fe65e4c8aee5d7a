# make run      a server on port 4222; flags in ARGS: make run ARGS="-p 4333 -m 8222"
# make test     everything CI runs: lint, types, import law, the suite against the native and the plain kernel, WORKERS (2) at a time
# make lint     ruff, mypy --strict, import-linter
# make bench    side by side with any Go nats-server on PATH; flags in ARGS
# make crash    crash the store at random places and fail its system calls, ROUNDS (40) times each; kill a server under
#               load CYCLES (100) times
# make fuzz-asan  native against plain, kernel and index of streams, under AddressSanitizer for SECONDS (600) each, and the
#               suite of the store
# make clean    removes what the others made
#
# Each target installs what it needs from the package registries into .venv; it needs python3 (3.11 or newer) and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Another checkout on the path would be tested in place of this one.
unexport PYTHONPATH PYTHONHOME
# Without byte code beside the sources every start compiles them again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
ASAN_VENV := .venv-asan
ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile
SECONDS ?= 600
ROUNDS ?= 40
CYCLES ?= 100

BIN := $(VENV)/bin
PIP_QUIET := --quiet --disable-pip-version-check
NATIVE := $(foreach room,kernel store base,$(wildcard $(addprefix src/natsd/$(room)/*.,pyx pxd pxi h)))
BUILD := pyproject.toml setup.py $(NATIVE)

.PHONY: help run test lint bench crash fuzz-asan clean
.NOTPARALLEL:

# An environment that was copied or moved points at the sources it came from: make it anew.
ifneq ($(shell cat $(VENV)/.home 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/bin/python
endif
ifneq ($(shell cat $(ASAN_VENV)/.home 2>/dev/null),$(CURDIR))
.PHONY: $(ASAN_VENV)/bin/python
endif

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

run: $(VENV)/.installed
	@exec $(BIN)/nats-server $(ARGS)

test: lint
	@form=$$($(BIN)/python -c 'from natsd.kernel import FORM; print(FORM)') || exit 1; what=; \
	if [ "$$form" = native ]; then \
	    echo "==> the suite against the native kernel"; \
	    $(PYTEST) $(PYTEST_ARGS) || exit 1; \
	    what="not one_form"; \
	elif $(call native_expected,$(BIN)/python); then \
	    echo "A C compiler works here, but the native kernel is missing; make clean, then make test again." >&2; \
	    exit 1; \
	else \
	    echo "==> no C compiler, no Python.h or NATSD_PLAIN=1: there is no native kernel to test"; \
	fi; \
	echo "==> the suite against the plain kernel$${what:+, but what the kernel makes no difference to}"; \
	NATSD_PLAIN=1 $(PYTEST) -m "$$what" $(PYTEST_ARGS) || [ $$? = 5 -a -n "$$what" ]  # 5: nothing left to run

lint: $(VENV)/.installed-test
	@echo "==> ruff"; $(BIN)/ruff check .
	@echo "==> mypy"; $(BIN)/mypy
	@echo "==> the law of imports"; $(BIN)/lint-imports

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m bench $(ARGS)

crash: $(VENV)/.installed-test
	@for plain in 0 1; do \
	    NATSD_PLAIN=$$plain NATSD_CRASH_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest --timeout=0 $(PYTEST_ARGS) \
	        tests/store/test_crash.py tests/store/test_lives.py tests/store/test_kill.py tests/store/test_openings.py tests/store/test_damage.py tests/store/test_faults.py || exit 1; \
	    NATSD_PLAIN=$$plain $(BIN)/python -m tests.crash --cycles $(CYCLES) || exit 1; \
	done

fuzz-asan: $(ASAN_VENV)/.installed
	@libasan=$$($${CC:-cc} -print-file-name=libasan.so); \
	for what in "tests.fuzz.differential --seconds $(SECONDS)" "tests.fuzz.index --seconds $(SECONDS)" \
	    "tests.fuzz.blocks --seconds $(SECONDS)" \
	    "pytest --timeout=0 $(PYTEST_ARGS) tests/store"; do \
	    LD_PRELOAD="$$libasan" PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	        $(ASAN_VENV)/bin/python -X faulthandler -m $$what || exit 1; \
	done

clean:
	rm -rf $(VENV) $(ASAN_VENV) build dist src/*.egg-info src/natsd/*/*.so src/natsd/*/_native*.c
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call native_expected,PYTHON): can this machine compile an extension for that Python, and was it not forbidden?
native_expected = [ "$${NATSD_PLAIN:-0}" = 0 ] && \
    echo '\#include <Python.h>' | $${CC:-$$($(1) -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')} \
    -I$$($(1) -c 'import sysconfig; print(sysconfig.get_path("include"))') -x c -c - -o /dev/null >/dev/null 2>&1

# $(call make_venv,DIRECTORY): a virtual environment with pip, also where Python came without ensurepip.
define make_venv
	@python=; for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "natsd needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "==> $(1) with $$($$python --version)"; \
	rm -rf $(1); \
	if $$python -c 'import ensurepip' >/dev/null 2>&1 && $$python -m venv $(1) >/dev/null 2>&1; then exit 0; fi; \
	rm -rf $(1); \
	if $$python -m virtualenv --quiet $(1) >/dev/null 2>&1; then exit 0; fi; \
	rm -rf $(1); \
	if command -v uv >/dev/null 2>&1 && uv venv --quiet --seed --python "$$python" $(1); then exit 0; fi; \
	rm -rf $(1); \
	if $$python -m venv --without-pip $(1) >/dev/null 2>&1 && \
	    $$python -m pip --python $(1)/bin/python install $(PIP_QUIET) pip >/dev/null 2>&1; then exit 0; fi; \
	rm -rf $(1); \
	echo "$$python cannot make a virtual environment: it has neither ensurepip nor pip, virtualenv or uv." >&2; \
	echo "On Debian and Ubuntu: apt install python3-venv" >&2; \
	exit 1
endef

# $(call say_form,PYTHON)
say_form = $(1) -c 'from natsd.kernel import FORM; print("==> natsd is installed with the", FORM, "kernel")'

$(VENV)/bin/python:
	$(call make_venv,$(VENV))
	@printf '%s' "$(CURDIR)" >$(VENV)/.home

$(ASAN_VENV)/bin/python:
	$(call make_venv,$(ASAN_VENV))
	@printf '%s' "$(CURDIR)" >$(ASAN_VENV)/.home

$(VENV)/.installed: $(VENV)/bin/python $(BUILD)
	@echo "==> installing natsd (the first time this takes a minute)"
	@$(BIN)/python -m pip install $(PIP_QUIET) --editable .
	@$(call say_form,$(BIN)/python)
	@touch $@

$(VENV)/.installed-test: $(VENV)/bin/python $(BUILD)
	@echo "==> installing natsd and what its tests need (the first time this takes a minute or two)"
	@if $(call native_expected,$(BIN)/python); then export NATSD_REQUIRE_NATIVE=1; fi; \
	$(BIN)/python -m pip install $(PIP_QUIET) --editable '.[test,lint]'
	@$(call say_form,$(BIN)/python)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(VENV)/bin/python $(BUILD)
	@echo "==> installing natsd and what its benchmarks need (the first time this takes a minute)"
	@$(BIN)/python -m pip install $(PIP_QUIET) --editable '.[bench]'
	@$(call say_form,$(BIN)/python)
	@touch $@ $(VENV)/.installed

# Not editable: an instrumented build beside the sources would be imported by the ordinary environment too.
$(ASAN_VENV)/.installed: $(ASAN_VENV)/bin/python $(BUILD) $(shell find src -name '*.py' 2>/dev/null)
	@echo "==> building natsd under AddressSanitizer"; rm -rf build/asan
	@NATSD_ASAN=1 NATSD_REQUIRE_NATIVE=1 $(ASAN_VENV)/bin/python -m pip install $(PIP_QUIET) '.[test]'
	@touch $@
