package faulttest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// smallDisk mounts a file system of so many bytes, or skips the test.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // for a server that runs as another user
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("NO SMALL DISK, so this test did not run: only root may mount one on Linux")
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("NO SMALL DISK, so this test did not run: %v: %s", err, out)
	}
	t.Cleanup(func() {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "--lazy", dir).CombinedOutput()
		if err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill leaves no room on the disk of a directory, until the returned function is called.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range [][]byte{make([]byte, 1<<20), make([]byte, 1<<10)} {
		for err = nil; err == nil; {
			_, err = f.Write(chunk)
		}
	}
	_ = f.Close() // it could not be written, which is what it is for
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestF14FullDiskAnswers503AndHealsWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := smallDisk(t, "64m")
		r := newRestless(t, e2e.NewSite(t, "sqlite://"+filepath.Join(dir, "orgbridge.db")), 4)
		r.load.Start(r.client())
		for range faulttest.Rounds(2, 10) {
			r.renameSome()
			id := r.sync()
			free := fill(t, dir)
			unknown := r.load.Ledger.Counts()[faulttest.Unknown]
			e2e.Eventually(t, e2e.Patience, "requests that cannot be carried out", func() bool {
				return r.load.Ledger.Counts()[faulttest.Unknown] > unknown+10
			})
			c := r.client()
			// Now and then there is room left in the log of the database.
			e2e.Eventually(t, e2e.Patience, "a refusal that names the disk", func() bool {
				domain := fmt.Sprintf("no-room-%d.example.com", time.Now().UnixNano())
				answer, err := c.Try(t.Context(), http.MethodPost, "/organizations",
					map[string]string{"name": "No room", "domain": domain, "emailPlatform": "microsoft_365"})
				if err != nil || answer.Status != http.StatusCreated && answer.Status != http.StatusServiceUnavailable {
					t.Fatalf("%d %s %v", answer.Status, answer.Body, err)
				}
				return answer.Header.Get("Retry-After") != "" && strings.Contains(string(answer.Body), "disk of the database is full")
			})
			for range 20 {
				e2e.Call[any](c, http.MethodGet, "/mappings?limit=1", nil, http.StatusOK)
			}
			if got := r.status("/healthz"); got != http.StatusOK {
				t.Fatalf("alive: %d", got)
			}
			free()
			r.recovers()
			c.Ended(id)
		}
		r.survived()
		r.noneWasInternal()
	})
}

// TestF14LogOfSQLiteFillsNoDisk writes more than a small disk has room for, in places that have been written before.
func TestF14LogOfSQLiteFillsNoDisk(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s := e2e.NewSite(t, "sqlite://"+filepath.Join(smallDisk(t, "24m"), "orgbridge.db"))
		c := s.Serve().Client(s.NewAccount())
		id := c.AddOrganization("Contoso", "contoso.com")
		for n := range 1000 { // some 30 KiB each
			e2e.Call[any](c, http.MethodPatch, "/organizations/"+id, map[string]string{"name": fmt.Sprintf("Contoso %d", n)}, http.StatusOK)
		}
	})
}

// TestF14FullDiskOfTheServerIsSurvived fills the disk of a PostgreSQL server, which may end for it, and is started again by hand then.
func TestF14FullDiskOfTheServerIsSurvived(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dir := smallDisk(t, "192m")
		server := storetest.NewServerIn(t, dir, "max_wal_size=32MB", "min_wal_size=32MB")
		r := newRestless(t, e2e.NewSite(t, server.URL), 4)
		r.load.Start(r.client())
		for range faulttest.Rounds(1, 5) {
			r.renameSome()
			id := r.sync()
			free := fill(t, dir)
			unknown := r.load.Ledger.Counts()[faulttest.Unknown]
			e2e.Eventually(t, 2*e2e.Patience, "requests that cannot be carried out", func() bool {
				return r.load.Ledger.Counts()[faulttest.Unknown] > unknown+10
			})
			if got := r.status("/healthz"); got != http.StatusOK {
				t.Fatalf("alive: %d", got)
			}
			free()
			if server.Ended() {
				t.Log("the server had ended")
				server.Start()
			}
			r.recovers()
			r.client().Ended(id)
		}
		r.survived()
		r.noneWasInternal()
	})
}

// tracer is the program that has system calls of another one fail. It skips the test where there is none.
func tracer(t *testing.T) (strace string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.CommandContext(t.Context(), strace, "-o", "/dev/null", "true").Run()
	}
	if err != nil {
		t.Skipf("NO STRACE, so this test did not run: install strace, and allow it to trace: %v", err)
	}
	return strace
}

// failingSync are strace's arguments that have every attempt but the first ones to write to the disk fail.
func failingSync(first int) []string {
	return []string{
		"-D", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO:when=" + strconv.Itoa(first) + "+",
	}
}

// TestF15FailingDiskOfTheServerLosesNothing has the disk of a PostgreSQL server fail. After each failure, the server recovers by itself,
// and fails again.
func TestF15FailingDiskOfTheServerLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		strace := tracer(t)
		// Before it recovers, a server syncs every file there is, unless it is told to have the system do it.
		server := storetest.NewServerIn(t, "", "fsync=on", "recovery_init_sync_method=syncfs")
		r := newRestless(t, e2e.NewSite(t, server.URL), 4)
		r.load.Start(r.client())
		for n := range faulttest.Rounds(1, 8) {
			r.renameSome()
			id := r.sync()
			server.Checkpoint() // so that the start has few files to sync
			server.Stop()
			server.StartUnder(append([]string{strace}, failingSync(100+10*n)...)...)
			unknown := r.load.Ledger.Counts()[faulttest.Unknown]
			e2e.Eventually(t, 2*e2e.Patience, "refusals", func() bool { return r.load.Ledger.Counts()[faulttest.Unknown] > unknown+10 })
			if got := r.status("/healthz"); got != http.StatusOK {
				t.Errorf("alive: %d", got)
			}
			t.Logf("the server ended: %t", server.Ended())
			server.Stop()
			server.Start()
			r.recovers()
			r.client().Ended(id)
		}
		r.survived()
		r.noneWasInternal()
	})
}

func TestF15FailingFsyncAcknowledgesNothingAndIsNotReady(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		strace := tracer(t)
		for n := range faulttest.Rounds(2, 12) {
			t.Run(strconv.Itoa(n+1), func(t *testing.T) {
				t.Helper()
				s := e2e.NewSite(t, storetest.SQLiteURL(t))
				r := newRestless(t, s, 4)
				r.renameSome()
				r.server.End(syscall.SIGTERM)
				arguments := append(failingSync(50+7*n), e2e.Program(t, s.Build, "orgbridge"), "serve")
				traced := e2e.Start(t, s.Env, strace, arguments...)
				r.server = &e2e.Server{Process: traced, Address: traced.Word("msg=listening address=")}
				r.load.Start(r.client())
				e2e.Eventually(t, e2e.Patience, "readiness to end", func() bool { return r.status("/readyz") == http.StatusServiceUnavailable })
				unknown := r.load.Ledger.Counts()[faulttest.Unknown]
				e2e.Eventually(t, e2e.Patience, "refusals", func() bool { return r.load.Ledger.Counts()[faulttest.Unknown] > unknown+10 })
				if got := r.status("/healthz"); got != http.StatusOK {
					t.Errorf("alive: %d", got)
				}
				acknowledged := r.load.Ledger.Counts()[faulttest.OK]
				traced.End(syscall.SIGTERM)
				r.server = s.Serve() // it refuses a damaged file
				r.load.SendTo(r.client())
				e2e.Eventually(t, e2e.Patience, "acknowledgements", func() bool { return r.load.Ledger.Counts()[faulttest.OK] > acknowledged+10 })
				r.survived()
				r.noneWasInternal()
			})
		}
	})
}
