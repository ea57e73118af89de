GOLANGCI_LINT_VERSION := $(shell sed -n "s/^golangci_lint=/v/p" .ci/run)
GITLEAKS_VERSION := $(shell sed -n "s/^gitleaks=/v/p" .ci/run)
OASDIFF_VERSION := $(shell sed -n "s/^oasdiff=/v/p" .ci/run)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build static binaries into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

.PHONY: run
run: ## Start the demo: everything in one process, with a simulated IT Glue
	go run ./cmd/orgbridge demo

.PHONY: test
test: ## Run all tests; the PostgreSQL suites are skipped where there is no PostgreSQL
	go test ./...

.PHONY: test-race
test-race: ## Run the tests with the race detector and in random order, but for those that only run built programs
	CGO_ENABLED=1 go test -race -shuffle=on $$(go list ./... | grep -v -e /internal/browsertest -e /internal/faulttest -e /internal/securitytest)

# The proofs of single faults, and those that many of them have in common.
FAULTS := ^Test(F[0-9]|HostileListings|HoldGrid)

.PHONY: faults
faults: ## Bring every fault about at full size and write docs/reliability.md; takes minutes
	ORGBRIDGE_TEST_FAULTS=long ORGBRIDGE_TEST_POSTGRES=require go test -json -count=1 -p 1 -parallel 8 -timeout 60m -run '$(FAULTS)' ./... \
		| go run ./internal/faulttest/report -write docs/reliability.md

.PHONY: faults-fast
faults-fast: ## Bring every fault about on a small scale and print the table
	ORGBRIDGE_TEST_POSTGRES=require go test -json -count=1 -run '$(FAULTS)' ./... | go run ./internal/faulttest/report

.PHONY: security
security: ## Attack the program in every way of docs/security.md, at full size, and check the sources; takes minutes
	.ci/security

.PHONY: bench
bench: ## Run the benchmarks, without the tests
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: lint
lint: ## Check style and import rules
	golangci-lint run ./...

.PHONY: generate
generate: ## Write the generated files (OpenAPI) anew
	go generate ./...

.PHONY: verify-generated
verify-generated: ## Fail if the generated files are not up to date
	.ci/verify-generated

.PHONY: document
document: ## Lint docs/openapi.json and compare it with that of the last release
	.ci/document
	.ci/breaking

.PHONY: docker
docker: ## Build the container image orgbridge:dev
	docker build --build-arg VERSION=$(VERSION) --tag orgbridge:dev .

.PHONY: tools
tools: ## Install the linters, gitleaks and oasdiff at their pinned versions
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	go install github.com/zricethezav/gitleaks/v8@$(GITLEAKS_VERSION)
	go install github.com/oasdiff/oasdiff@$(OASDIFF_VERSION)
	npm ci --prefix docs/client --ignore-scripts --no-audit --no-fund

.PHONY: ci
ci: ## Run everything that has to pass before a change is merged
	.ci/run

.PHONY: clean
clean: ## Remove built programs and measurements
	rm -rf bin coverage* *.out *.prof
