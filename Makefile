# Everything from a fresh machine: each target installs what it needs. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# Tools and Node 24 come from the lockfile, never from the machine.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
.DEFAULT_GOAL := help

.PHONY: help demo test testbed testbed-down dev bench campaign generate check unit e2e image deps

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: deps ## a real Kubernetes on this machine, the operator, a first cluster, a first backup
	@node scripts/demo.ts $(if $(VALUES),--values $(VALUES))

test: deps ## set-up, static checks, unit, integration and end-to-end tests
	@node scripts/test.ts

testbed: deps ## the testbed with the operator installed (see .testbed/)
	@node scripts/deploy.ts

testbed-down: deps ## removes the testbed and everything it started
	@node test/testbed/cli.ts down

dev: deps ## rebuilds the operator, loads it into the testbed and rolls it; VALUES=my.yaml for the chart
	@node scripts/deploy.ts --quick $(if $(VALUES),--values $(VALUES))

bench: deps ## measures against the floor; a table, JSON, and docs/performance.md
	@node test/bench/cli.ts --write

campaign: deps ## kills the operator before and after each object that a bootstrap writes
	@QUORATE_CAMPAIGN=1 node scripts/test.ts e2e test/e2e/runtime-crash.test.ts

generate: deps ## CRDs, API reference, chart copies, roles and deploy/install.yaml from their sources
	@node scripts/generate.ts
	@node scripts/chart.ts

check: deps ## static checks: types, lint, format, unused code, generated files, chart
	@node scripts/test.ts check

unit: deps ## unit tests
	@node scripts/test.ts unit

e2e: deps ## end-to-end tests on the testbed; ONLY=test/e2e/bootstrap.test.ts for one file
	@node scripts/test.ts integration e2e $(ONLY)

image: deps ## the operator's image; IMAGE=registry.example.com/quorate:0.1.0 names it
	@node scripts/image.ts $(IMAGE)

# Installs the packages only when the lockfile is not the one that is installed.
deps:
	@sha256sum package-lock.json | cmp -s - node_modules/.lock-sum || { npm ci --no-progress && sha256sum package-lock.json > node_modules/.lock-sum; }
