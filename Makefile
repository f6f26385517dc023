# Everything runs in .venv, which `make setup` prepares and every other target sets up when it must.
# Works with GNU make 3.81 and later.

ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.complete
LOCKS  := $(addprefix requirements/,build.txt base.txt test.txt)
NODE   := tests/typescript
SDKS   := $(NODE)/node_modules/.complete $(VENV)/stripe-2025/.complete
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input

# The interpreters to choose from, best first: `make setup PYTHON=/path/to/python` names another.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3

# Resolves the locks in `make lock`; no other target needs it.
UV_VERSION := 0.13.8

# All tests are shared out over the processors: who has none left takes half of another's. A part that is
# asked for runs in one process, which is sooner there.
test: ARGS := $(or $(ARGS),--numprocesses logical --maxprocesses 4 --dist worksteal)

.DEFAULT_GOAL := help
.PHONY: help setup serve test sim soak lint format bench demo lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(SDKS) ## Prepare .venv, where .venv/bin/drawdown is the command. Once; again when a lock changes.
	@echo "Ready: $(BIN)/drawdown"

serve: $(STAMP) ## Run the server on http://127.0.0.1:8080; ARGS="--port 9000" passes options.
	@$(BIN)/drawdown serve $(ARGS)

test: lint $(SDKS) ## Run the linters and every test; ARGS="tests/core -x" narrows the tests.
	@$(BIN)/python -m pytest $(ARGS)

sim: $(STAMP) ## Simulate clients, faults and clocks until stopped; ARGS="--seconds 60 --database postgres-18" narrows.
	@$(BIN)/python -m tests.simulation $(ARGS)

soak: $(STAMP) ## Kill a server under load, again and again; ARGS="--rounds 50 --seconds 2" says how often.
	@$(BIN)/python -m tests.durability.soak $(ARGS)

lint: $(STAMP) ## Check format, style and types.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP) ## Rewrite the code in the one format, and repair what the linter can.
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(STAMP) ## Measure throughput and latency on this machine.
	@$(BIN)/python -m bench $(ARGS)

demo: $(STAMP) ## Draw a real trace of LLM calls down from prepaid credit, in a terminal.
	@$(BIN)/drawdown demo $(ARGS)

# $(call lock,NAME): resolve requirements/NAME.in for every Python and platform we support.
lock = "$$tools/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	--output-file requirements/$(1).txt requirements/$(1).in

lock: $(STAMP) ## Renew the locked requirements with the newest releases.
	@set -eu; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools"; \
	"$$tools/bin/python" -m pip --disable-pip-version-check install --quiet uv==$(UV_VERSION); \
	$(call lock,build); $(call lock,base); $(call lock,test); $(call lock,stripe-2025); \
	$(BIN)/npm update --prefix $(NODE) --package-lock-only --silent; \
	git --no-pager diff --stat -- requirements $(NODE) || true

clean: ## Remove .venv and what the tools left. Databases stay.
	@rm -rf $(VENV) $(NODE)/node_modules build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(LOCKS) pyproject.toml
	@$(if $(wildcard $(BIN)/python),,$(create_environment))
	@echo "Installing the locked requirements (about a minute)"
	@$(PIP) install --quiet --require-hashes $(addprefix --requirement ,$(LOCKS))
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The vendors' TypeScript SDKs, which only tests need.
$(NODE)/node_modules/.complete: $(STAMP) $(NODE)/package-lock.json
	@echo "Installing the TypeScript SDKs"
	@$(BIN)/npm ci --prefix $(NODE) --no-audit --no-fund --loglevel=error
	@touch $@

# An older Python SDK, which only tests need: in a folder of its own, since .venv has the newest.
$(VENV)/stripe-%/.complete: requirements/stripe-%.txt $(STAMP)
	@echo "Installing the Python SDK of $*"
	@rm -rf $(@D)
	@$(PIP) install --quiet --require-hashes --target $(@D) --requirement $<
	@touch $@

# Some names on the PATH are only signposts to a Python that is not there, and Debian ships Python
# without ensurepip: so each candidate is asked, not looked up.
define create_environment
set -eu; found=; incomplete=; \
for python in $(PYTHON); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && { found=$$python; break; }; \
	incomplete=$$python; \
done; \
if [ -z "$$found" ] && [ -n "$$incomplete" ]; then \
	echo "$$incomplete comes without the venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
elif [ -z "$$found" ]; then \
	echo "Drawdown needs Python 3.11 or newer; none of these is: $(PYTHON)." >&2; \
	echo "Install one, or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; \
fi; \
echo "Creating $(VENV) with $$("$$found" --version)"; \
"$$found" -m venv --clear $(VENV)
endef
