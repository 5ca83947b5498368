# Two commands need nothing but CPython >= 3.11 and make:
#   make demo   the main job on the embedded provider, no key and no network
#   make test   everything that CI runs
# Each makes or refreshes the virtual environment .venv by itself. Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check --no-input -qq

# A stamp holds the path of the checkout it was made in: a copied or moved checkout installs itself anew.
RUN_STAMP := $(VENV)/.llmsdk-run
DEV_STAMP := $(VENV)/.llmsdk-dev
INSTALLED := pyproject.toml src/llmsdk/_version.py
stale = $(if $(wildcard $(PY)),$(if $(filter-out $(CURDIR),$(shell cat $(1) 2>/dev/null)),FORCE),FORCE)

# The runtime dependencies alone, without our tools, pip and ourselves: what a bill of materials and an audit are about.
RUNTIME := build/runtime

.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: help demo test check house docs site reliability bench soak batch-kill bulk ray mutants first-contact judges oldest sbom audit clean FORCE

help:
	@echo "make demo    run the main job on the embedded provider"
	@echo "make test    everything that CI runs"
	@echo "make check   the same in the environment at hand, without set-up"
	@echo "make house   print the figures of the structure beside their bounds"
	@echo "make docs    write docs/ from the code"
	@echo "make site    build the documentation as a site with search, in build/site"
	@echo "make reliability  run the tests and write docs/reliability.md"
	@echo "make bench   measure against other clients; QUICK=1 for two minutes"
	@echo "make soak    an hour of mixed load with faults, compressed; MINUTES=3"
	@echo "make batch-kill  kill a batch at 20 random moments and go on; SEED=2"
	@echo "make bulk    10,000 rows through a map, 5 % of them with faults; ROWS=100000"
	@echo "make ray     the pace of one account with one process and with four workers of Ray, one of them killed; RATE=100"
	@echo "make mutants change the core bit by bit, and see whether its tests notice; ONLY='llmsdk._core.flow.*'"
	@echo "make judges  have other clients and servers judge; ONLY='openai_python nginx', OPENAPI=folder"
	@echo "make oldest  the tests of the network with the oldest versions allowed; TESTS=tests/net"
	@echo "make sbom    write dist/llmsdk.cdx.json, a CycloneDX bill of materials"
	@echo "make audit   ask an advisory service about the runtime dependencies"
	@echo "make clean   remove caches and build products"

demo: $(RUN_STAMP)
	@$(PY) examples/demo.py

test: $(DEV_STAMP)
	@$(PY) scripts/check.py

check:
	@$(PY) scripts/check.py

house: $(RUN_STAMP)
	@$(PY) scripts/house.py --rooms

docs: $(RUN_STAMP)
	@$(PY) scripts/docs.py
	@$(PY) scripts/stubs.py

site: $(RUN_STAMP)
	@$(PIP) install --editable '.[site]'
	@$(PY) scripts/site.py

reliability: $(DEV_STAMP)
	@$(PY) -m pytest -q -n auto --dist loadfile --reliability=docs/reliability.md

bench: $(RUN_STAMP)
	@$(PY) benchmarks/run.py $(if $(QUICK),--quick)

soak: $(DEV_STAMP)
	@$(PY) scripts/soak.py $(if $(MINUTES),--minutes $(MINUTES))

batch-kill: $(DEV_STAMP)
	@$(PY) scripts/batch_kill.py $(if $(SEED),--seed $(SEED))

bulk: $(DEV_STAMP)
	@$(PY) scripts/map_soak.py $(if $(ROWS),--rows $(ROWS))

# No part of the checks: Ray is several times larger than all the rest together.
ray: $(DEV_STAMP)
	@$(PIP) install --editable '.[ray]' 'dask[dataframe]' pandas
	@$(PY) -m pytest -q tests/workers tests/test_usage.py
	@$(PY) scripts/ray_pacing.py $(if $(RATE),--rate $(RATE))

# No part of the checks: it takes the better part of an hour, and goes on where it was stopped.
mutants: $(DEV_STAMP)
	@$(PIP) install 'mutmut>=3.8'
	@$(PY) scripts/mutants.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),'$(ONLY)')

first-contact: $(RUN_STAMP)
	@$(PY) scripts/first_contact.py

# Those that need Python alone are part of the checks. The packages of others go into environments in build/judges;
# $(VENV) is neither used nor touched.
judges:
	@OPENAPI='$(OPENAPI)' "$(PYTHON)" scripts/judges.py $(ONLY)

$(RUN_STAMP): $(INSTALLED) $(call stale,$(RUN_STAMP))
	@$(make-venv)
	@echo "installing llmsdk into $(VENV)"
	@$(PIP) install --editable .
	@echo '$(CURDIR)' > $@

$(DEV_STAMP): $(INSTALLED) $(call stale,$(DEV_STAMP))
	@$(make-venv)
	@echo "installing llmsdk and its tools into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@echo '$(CURDIR)' > $(RUN_STAMP)
	@echo '$(CURDIR)' > $@

FORCE:

# Keeps a virtual environment that works, makes one otherwise; says in one line what is missing.
define make-venv
if $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then exit 0; fi; \
command -v "$(PYTHON)" >/dev/null 2>&1 || \
    { echo "make: no '$(PYTHON)' found; name a CPython >= 3.11: make PYTHON=/path/to/python3" >&2; exit 1; }; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
    { echo "make: llmsdk needs Python >= 3.11, '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); name another: make PYTHON=python3.12" >&2; exit 1; }; \
"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
    { echo "make: '$(PYTHON)' lacks the venv module; install it (Debian, Ubuntu: the python3-venv package)" >&2; exit 1; }; \
echo "making $(VENV) with $$("$(PYTHON)" -V)"; \
"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
endef

$(RUNTIME)/.stamp: pyproject.toml $(DEV_STAMP)
	@$(PY) -m venv --clear --without-pip $(RUNTIME)
	@$(PIP) --python $(RUNTIME) install .
	@$(PIP) --python $(RUNTIME) uninstall --yes llmsdk
	@touch $@

oldest:
	@$(PYTHON) scripts/oldest.py $(TESTS)

sbom: $(RUNTIME)/.stamp
	@$(PIP) install 'cyclonedx-bom>=5'
	@$(PY) scripts/sbom.py $(RUNTIME)/bin/python

# Strict: a dependency that the service does not know counts as a failure, not as a pass.
audit: $(RUNTIME)/.stamp
	@$(PIP) install pip-audit
	@$(PY) -m pip_audit --strict --progress-spinner off \
	    --path "$$($(RUNTIME)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

clean:
	@rm -rf build dist mutants htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-image.png
	@find src tests scripts examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
