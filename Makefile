# Aureus for Go. `make` alone says what there is; CONTRIBUTING.md says more.
#
# Every target visits every module that go.work names, so that a new module is
# covered by adding it there, and nowhere else.

MODULES := $(shell sed -n 's|^[[:space:]]*\(\.[^[:space:]]*\)[[:space:]]*$$|\1|p' go.work)
ifeq ($(strip $(MODULES)),)
$(error go.work names no module: run make in the folder of the repository)
endif

# Knobs, as in `make test TESTFLAGS='-run Approval -v'`.
TESTFLAGS ?=
FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s
COUNT     ?= 1
ARGS      ?=
VULNDB    ?=

# Pinned tools, built from source into .bin, each under its version.
GOLANGCI    := .bin/golangci-lint-v2.15.0
GOVULNCHECK := .bin/govulncheck-v1.9.0

# No cgo, except for the race detector: what is tested is what cross-compiles.
export CGO_ENABLED ?= 0

# The go command and the linter use all cores by themselves.
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# $(call each,TITLE,COMMAND) runs COMMAND in every module, and fails in the end
# if it failed anywhere.
define each
@status=0; for module in $(MODULES); do \
	echo "==> $(1): $$module"; \
	(cd "$$module" && $(2)) || status=1; \
done; exit $$status
endef

# $(call alone,TITLE,COMMAND) does the same without the workspace: each module
# has what its own go.mod names, as its users have it.
define alone
@status=0; for module in $(MODULES); do \
	echo "==> $(1): $$module"; \
	sh .ci/alone "$$module" $(2) || status=1; \
done; exit $$status
endef

# $(call install,PACKAGE) builds a pinned tool as the target that needs it.
define install
@echo "Building $@ from source. It takes some minutes, once."
@rm -rf "$@.tmp" && mkdir -p "$@.tmp"
@GOBIN="$(CURDIR)/$@.tmp" GOFLAGS= GOWORK=off nice go install $(1)
@mv "$@.tmp"/* "$@" && rmdir "$@.tmp"
endef

.PHONY: help
help: ## Say what the targets do
	@echo "Aureus for Go: make TARGET"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
	@echo; echo "Every target visits every module: $(MODULES)"

.PHONY: demo
demo: ## See the whole of it run in under ten seconds (ARGS=-serve keeps it up)
	@go run ./examples/quickstart $(ARGS)

.PHONY: build
build: ## Compile everything, and put the command aureus into bin/
	$(call each,build,go build ./...)
	@go build -trimpath -o bin/aureus ./controlplane/cmd/aureus && echo "bin/aureus"

.PHONY: test
test: ## Run every test, without cgo (TESTFLAGS='-run Name -v')
	$(call each,test,go test $(TESTFLAGS) ./...)

# Each module on its own, as its users have it, whatever go.work adds.
.PHONY: race
race: ## Run the tests under the race detector (needs a C compiler); .ci/race says which
	@cc=$$(go env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "make race: the race detector needs cgo, and cgo needs a C compiler; '$$cc' is not here. Install gcc or clang, or name yours in CC." >&2; \
		exit 1; }
	$(call alone,race,sh "$(CURDIR)/.ci/race" $(TESTFLAGS))

.PHONY: fuzz
fuzz: ## Fuzz every target where it lives, each for FUZZTIME=10s
	@sh .ci/fuzz "$(FUZZTIME)"

.PHONY: bench
bench: ## Run the benchmarks (BENCH=Decide BENCHTIME=1s COUNT=6)
	$(call each,bench,go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) ./...)

.PHONY: cover
cover: ## Say how much of each module its tests run; profiles in .cover/
	@mkdir -p .cover
	$(call each,cover,\
		profile="$(CURDIR)/.cover/$$(basename "$$PWD").out" && \
		go test -coverpkg=./... -coverprofile="$$profile" ./... >/dev/null && \
		go tool cover -func="$$profile" | tail -n 1)

.PHONY: lint
lint: $(GOLANGCI) ## Run the linters of .golangci.yml, formatting and import arrows included
	$(call each,lint,"$(CURDIR)/$(GOLANGCI)" run --config "$(CURDIR)/.golangci.yml" ./...)

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code as lint wants it
	$(call each,fmt,"$(CURDIR)/$(GOLANGCI)" fmt --config "$(CURDIR)/.golangci.yml" ./...)

.PHONY: tidy
tidy: ## Check that go.mod and go.sum say what each module, on its own, needs
	$(call alone,tidy,sh "$(CURDIR)/.ci/tidy" check)
	$(call alone,build,go build ./...)
	$(call alone,vet,go vet ./...)

.PHONY: tidy-fix
tidy-fix: ## Write what tidy asks for
	$(call alone,tidy-fix,sh "$(CURDIR)/.ci/tidy" fix)

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities that the code reaches (VULNDB=url of a mirror)
	@sh .ci/vuln "$(CURDIR)/$(GOVULNCHECK)" "$(VULNDB)" $(MODULES)

.PHONY: release-check
release-check: ## Install the command and each module from a proxy in a folder, as users would
	@go run ./tools/releasecheck

.PHONY: ci
ci: lint test race tidy vuln release-check ## What has to pass before a change goes in

.PHONY: clean
clean: ## Remove what make built, the tools included
	@rm -rf .bin .cover bin

$(GOLANGCI):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(patsubst .bin/golangci-lint-%,%,$@))

$(GOVULNCHECK):
	$(call install,golang.org/x/vuln/cmd/govulncheck@$(patsubst .bin/govulncheck-%,%,$@))
