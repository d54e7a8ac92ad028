# One verb per task; what runs on a laptop is what runs in CI.
SHELL := /bin/sh
PYTHON ?= python3
K ?=
IMAGE ?=
CASES ?= 20000
ARGS ?=
UV := .venv/bin/uv
# No byte of a lock is trusted without its hash.
INSTALL := $(UV) pip install --quiet --require-hashes
COMPILE := $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

# Somebody else's modules must not stand before ours.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup rehearse up chaos test differential check team lock pin-base rds-authorities sbom audit restore-drill upgrade bench-image bench-login bench-client bench bench-spool deploy destroy

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed ## install everything into .venv and .venv-emulator (1.5 GB)

.venv/.installed: requirements.lock requirements-installer.lock rehearsal/emulator.lock client/pyproject.toml
	@test -w . || { echo "setup: $(CURDIR) is not writable for you; clone it to where you may write" >&2; exit 2; }
	@echo "setup: installing into .venv and .venv-emulator (first time: 1 to 3 minutes)"
	@$(PYTHON) -c 'import sys; v=sys.version_info; sys.exit(v < (3, 11) and f"setup: Python {v[0]}.{v[1]} found, 3.11 or newer needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "setup: no environment could be made, for the reason above; if venv or ensurepip is missing, on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	@echo "setup: 1/2 what the checkout needs"
	@$(INSTALL) --python .venv/bin/python -r requirements.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-index --no-build-isolation --no-deps --editable client
	@echo "setup: 2/2 the AWS emulator"
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-emulator
	@$(INSTALL) --python .venv-emulator/bin/python -r rehearsal/emulator.lock
	@touch $@

lock: .venv/.installed ## renew the locked dependencies, with hashes
	@for name in requirements requirements-installer rehearsal/emulator; do \
		$(COMPILE) $$name.in -o $$name.lock || exit 1; done
	@$(COMPILE) --excludes server/requirements-excluded.in -c requirements.lock \
		server/requirements.in -o server/requirements.lock
	@for release in rehearsal/releases/mlflow-*.in; do \
		$(COMPILE) --excludes rehearsal/releases/excluded.in $$release -o $${release%.in}.lock || exit 1; done

pin-base: setup ## write the digest of the image's base into server/Dockerfile, as the registry tells it
	@.venv/bin/python scripts/pin_base.py

rds-authorities: ## renew the certificate authorities of RDS that the image brings
	@curl --fail --silent --show-error --output server/rds-global-bundle.pem.partial \
		https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
	@mv server/rds-global-bundle.pem.partial server/rds-global-bundle.pem

sbom: setup ## list what a built image holds, in sbom.json (IMAGE=name)
	@test -n "$(IMAGE)" || { echo "sbom: received no image: make sbom IMAGE=<one that docker images lists>" >&2; exit 2; }
	@.venv/bin/python scripts/sbom.py "$(IMAGE)"

audit: setup ## ask PyPI for known vulnerabilities of every locked package
	@.venv/bin/python scripts/audit.py

upgrade: setup ## bring the stack to this checkout's MLflow: snapshot, pause, migration, pulumi up (ARGS="--dry-run …")
	@.venv/bin/python scripts/upgrade.py $(ARGS)

restore-drill: setup ## restore the newest backup beside the live database, compare, measure, remove (ARGS="--dry-run")
	@.venv/bin/python scripts/restore_drill.py $(ARGS)

bench: setup ## compare our server with stock MLflow, pair by pair (ARGS="--pairs 1 log_metric_c1")
	@.venv/bin/python -m benchmarks $(ARGS)

bench-image: setup ## measure size and start of the image against one of plain pip install (BASE_IMAGE=name)
	@.venv/bin/python -m benchmarks.image

bench-login: setup ## measure what the login adds to a request, against MLflow alone
	@.venv/bin/python -m benchmarks.login

bench-client: setup ## measure what the client package adds to a plain script of 1,000 steps
	@.venv/bin/python -m benchmarks.client

bench-spool: setup ## measure the spool against plain MLflow, with and without a server; takes most of an hour
	@.venv/bin/python -m benchmarks.spool

rehearse: setup ## deploy the stack into an emulated AWS, join a team, log, read back, and end
	@.venv/bin/python -m rehearsal

up: setup ## deploy and join like this, then keep it running to look at until Ctrl-C
	@.venv/bin/python -m rehearsal --keep

chaos: setup ## kill, cut and fill what training runs on, hundreds of times, and count every value (ARGS="--rounds N --seed S")
	@.venv/bin/python -m rehearsal.chaos $(ARGS)

test: setup ## run every test this machine can run (K=word selects)
	@.venv/bin/python -m pytest --numprocesses 2 $(if $(K),-k "$(K)")

differential: setup ## ask our server and stock MLflow the same 20,000 times and compare answers and rows (CASES=n)
	@.venv/bin/python -m server.tests.differential $(CASES)

check: setup ## lint and check types
	@.venv/bin/ruff check --quiet . && .venv/bin/ruff format --quiet --check .
	@.venv/bin/basedpyright --project pyproject.toml --warnings

team: setup ## run the command mlflow-team of this checkout (ARGS="ui --no-browser")
	@.venv/bin/mlflow-team $(ARGS)

deploy: setup ## pulumi up, for those with an AWS account
	@command -v pulumi >/dev/null || { echo "deploy: the pulumi command is missing: https://www.pulumi.com/docs/install/" >&2; exit 2; }
	@pulumi up

destroy: ## pulumi destroy; the bucket and a final snapshot stay unless the stack is disposable
	@command -v pulumi >/dev/null || { echo "destroy: the pulumi command is missing: https://www.pulumi.com/docs/install/" >&2; exit 2; }
	@pulumi destroy
