# The two commands that matter are `make demo` and `make test`; each does all of its own set-up.

.PHONY: help demo test build format lint unit documentation clean-tree bench

help:
	@echo "make demo   seed a nation, publish it, serve it on 127.0.0.1:8081"
	@echo "make test   everything that CI runs"
	@echo "make bench  the server's CPU per request beside a bare hyper server's (needs wrk and curl)"

demo:
	cargo build --release --locked -p results-day -p publish -p serve
	@infra/demo

# Each step is a target of its own, in this order; the last asserts that none of them left anything behind.
test:
	$(MAKE) --no-print-directory tools format lint unit documentation clean-tree

# The command-line tools that tests use as second opinions, where they are missing.
.PHONY: tools
tools:
	@command -v zstd >/dev/null || { apt-get update -qq && apt-get install -y -qq zstd; }

format:
	cargo fmt --all -- --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Whole-program tests run the programs of the workspace, so these are built first.
unit:
	cargo build --workspace --locked
	cargo test --workspace --locked

documentation:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

clean-tree:
	@git diff --exit-code || { echo "the tests changed files of the work tree"; exit 1; }
	@test -z "$$(git status --porcelain)" || { git status --short; echo "the tests left files behind"; exit 1; }

bench:
	cargo build --release --locked --workspace
	@bench/run
