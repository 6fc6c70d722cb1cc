# The commands that matter are `make demo`, `make stack` and `make test`; each does all of its own set-up.

.PHONY: help demo stack stack-down k6 soak test test-compose test-kubernetes test-systemd tools format lint manifests unit documentation clean-tree bench dist

help:
	@echo "make demo        seed a nation, publish it, serve it on 127.0.0.1:8081; needs nothing installed"
	@echo "make stack       the same with PostgreSQL, Redis, MinIO and three replicas behind NGINX, on 127.0.0.1:8081"
	@echo "make k6          load the running stack"
	@echo "make soak        load it for an hour, with corrections and kills"
	@echo "make stack-down  stop the stack; its data stays in ./var/stack"
	@echo "make test        everything that CI runs"
	@echo "make test-compose  bring up infra/compose.yaml with a Docker engine, break it, take it down"
	@echo "make test-kubernetes  the same programs in a real cluster of one node, which it brings up and takes down"
	@echo "make test-systemd  install the archive of make dist under systemd, in a container, and run it"
	@echo "make dist        one archive to copy to a server: programs, systemd units, configuration, documents"
	@echo "make tools       install what the stack, the tests and the load need"
	@echo "make bench       the server's CPU per request beside a bare hyper server's"

demo:
	cargo build --release --locked -p results-day -p publish -p serve
	@infra/demo

# What can be set, and where everything is then: infra/README.md.
stack: tools
	cargo build --release --locked -p results-day -p publish -p serve
	@infra/stack up

stack-down:
	@infra/stack down

k6:
	@k6/run

soak:
	@infra/soak

# Each step is a target of its own, in this order; the last asserts that none of them left anything behind.
test:
	$(MAKE) --no-print-directory tools format lint unit documentation clean-tree

# Servers for the stack and the tests, second opinions for the tests, load generators; where they are missing.
tools:
	@infra/tools

# Not a part of `test`: it wants root or a Docker engine, and builds the programs once more, in a container.
test-compose:
	@infra/compose/test

# Nor is this: what `dist` made is installed and run under a systemd of its own, in a container.
test-systemd: dist
	@infra/systemd/test

format:
	cargo fmt --all -- --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Whether the Kubernetes manifests of every overlay can be built.
manifests:
	@infra/kubernetes/render

# Whole-program tests run the programs of the workspace, so these are built first.
unit:
	cargo build --workspace --locked
	cargo test --workspace --locked

documentation:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

clean-tree:
	@git diff --exit-code || { echo "the tests changed files of the work tree"; exit 1; }
	@test -z "$$(git status --porcelain)" || { git status --short; echo "the tests left files behind"; exit 1; }

# Not a part of `test`: it wants root and a while. What it does, and what could not be tried: infra/kubernetes/README.md.
test-kubernetes:
	@infra/kubernetes/test

bench:
	cargo build --release --locked --workspace
	@bench/run

dist:
	cargo build --release --locked -p results-day -p publish -p serve
	@infra/dist
