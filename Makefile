# Everything that a change needs. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs build tsan bench bench-quick bench-micro clean deps

SWIFT ?= swift
DOCS_TARGETS := PostgresLock PostgresLockTesting
DOCS_OUTPUT := docs-output
CHARTS := Docs/Charts
FORMATTED := Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Benchmarks Benchmarks/Tests

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: deps ## Show the locks at work, on a throwaway server
	$(SWIFT) run pglock demo

test: deps ## Run all tests, on throwaway servers
	$(SWIFT) test

lint: ## Check the formatting and the style rules
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)

format: ## Format the sources
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

docs: deps ## Build the documentation; warnings are errors
	@.ci/build-documentation $(DOCS_OUTPUT) $(DOCS_TARGETS)

build: deps ## Build everything, tests too; warnings in our code are errors (see Package.swift)
	$(SWIFT) build --build-tests

tsan: deps ## Run all tests under the Thread Sanitizer
	$(SWIFT) test --sanitize=thread --scratch-path .build-tsan

bench: deps ## Compare with other ways to lock, draw the charts; about 10 minutes
	$(SWIFT) run -c release --package-path Benchmarks lock-bench --json $(CHARTS)/results.json --charts $(CHARTS)

bench-quick: deps ## The same for a minute, only to see that it works
	$(SWIFT) run -c release --package-path Benchmarks lock-bench --quick

bench-micro: deps ## Measure the parts: lock table, engine, statements, executor
	cd Benchmarks && $(SWIFT) package benchmark

clean: ## Delete everything that was built
	rm -rf .build .build-* Benchmarks/.build Benchmarks/.build-* $(DOCS_OUTPUT)

deps:
	@.ci/install-dependencies
