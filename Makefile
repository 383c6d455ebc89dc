# Everything that a change needs. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs build tsan clean deps

SWIFT ?= swift
DOCS_TARGETS := PostgresLock PostgresLockTesting
DOCS_OUTPUT := docs-output

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: deps ## Show the locks at work, on a throwaway server
	$(SWIFT) run pglock demo

test: deps ## Run all tests, on throwaway servers
	$(SWIFT) test

lint: ## Check the formatting and the style rules
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

format: ## Format the sources
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

docs: deps ## Build the documentation; warnings are errors
	@.ci/build-documentation $(DOCS_OUTPUT) $(DOCS_TARGETS)

build: deps ## Build everything, tests too; warnings in our code are errors (see Package.swift)
	$(SWIFT) build --build-tests

tsan: deps ## Run all tests under the Thread Sanitizer
	$(SWIFT) test --sanitize=thread --scratch-path .build-tsan

clean: ## Delete everything that was built
	rm -rf .build .build-* Benchmarks/.build Benchmarks/.build-* $(DOCS_OUTPUT)

deps:
	@.ci/install-dependencies
