# Everything a newcomer needs. `make` alone lists the commands; the longer
# ones are scripts in script/, so that they can be read and run by themselves.

GO      ?= go
TOOLS   := .cache/tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 20s

# No cgo: the same binary runs on every Linux of a town's data centre.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help deb run test bench lint assets generate check-generated fmt fuzz build setup clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start the demo town on http://127.0.0.1:8420 and :8421
	@./bin/tuermer demo

test: ## install what is missing, then run every check and test
	@script/test

bench: ## run the benchmarks, beside peers where Debian has them
	@script/bench

lint: $(TOOLS)/golangci-lint ## say what a reviewer would say
	$(TOOLS)/golangci-lint run

assets: ## fetch browser files by the lock file and fill web/dist
	@sh web/build.sh

generate: ## write the generated files anew
	@script/generate

check-generated: ## fail when a generated file is not what its source makes
	@script/check-generated

fmt: $(TOOLS)/gofumpt ## format Go and templ files
	@git ls-files -co --exclude-standard '*.go' | grep -v _templ.go | xargs $(TOOLS)/gofumpt -l -w
	@$(GO) tool templ fmt internal

fuzz: ## try every parser of foreign data for FUZZTIME (20s) each
	@FUZZTIME=$(FUZZTIME) script/fuzz

build: assets ## build bin/tuermer with its browser files inside
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/tuermer ./cmd/tuermer

deb: ## build the Debian package and its checksums into dist/
	@script/deb

setup: ## install what the tests need from Debian (PostgreSQL, Chromium)
	@script/setup

clean: ## remove what these commands made, except data
	rm -rf bin web/node_modules test/browser/node_modules test/smpp/node_modules test-results .cache
	find web/dist -mindepth 1 ! -name .keep -delete

# Built once for each pin; Go's module proxy is all it takes. Each tool by
# itself, for `make test` needs the linter alone.
$(TOOLS)/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	$(GO) build -C tools -o ../$(TOOLS)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(TOOLS)/gofumpt: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	$(GO) build -C tools -o ../$(TOOLS)/ mvdan.cc/gofumpt
	@touch $@
