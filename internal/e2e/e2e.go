// Package e2e runs the real programs as child processes, for the tests of several packages: a site with its database and a simulated IT
// Glue, servers on it that may be killed and started again, and a client of the API.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// Patience bounds every wait; a machine that is busy with other tests is slow.
const Patience = 60 * time.Second

// Build says how the programs are built.
type Build struct {
	Tags    string // comma separated
	Version string // what "orgbridge version" shows
}

// builds are the programs that this test process has built; each is built once.
var builds struct {
	mu  sync.Mutex
	dir string // holds one directory for each build
	of  map[Build]func() (string, error)
}

// Main runs a package's tests, and removes the programs and stops the PostgreSQL server that they used:
//
//	func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
func Main(m *testing.M) int {
	code := storetest.Main(m)
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
	}
	return code
}

// Program returns the path of orgbridge or itglue-sim, built so. It builds both when it is first asked.
func Program(tb testing.TB, b Build, name string) string {
	tb.Helper()
	dir, err := programs(b)()
	if err != nil {
		tb.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

func programs(b Build) func() (string, error) {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.of == nil {
		builds.of = make(map[Build]func() (string, error))
	}
	if builds.of[b] == nil {
		builds.of[b] = sync.OnceValues(b.run)
	}
	return builds.of[b]
}

// run builds both programs into a directory of their own and returns it.
func (b Build) run() (string, error) {
	root, err := buildDir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(root, "build-")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-tags", b.Tags, "-ldflags", "-X main.version="+b.Version, "-o", dir,
		"github.com/orgbridge/orgbridge/cmd/orgbridge", "github.com/orgbridge/orgbridge/cmd/itglue-sim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
}

func buildDir() (string, error) {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir != "" {
		return builds.dir, nil
	}
	dir, err := os.MkdirTemp("", "orgbridge-e2e-")
	builds.dir = dir
	return dir, err
}

// Eventually asks until the answer is yes and fails the test when it takes longer than the limit.
func Eventually(tb testing.TB, limit time.Duration, what string, yes func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			tb.Fatalf("waited %s in vain for: %s", limit, what)
		}
	}
}
