package faulttest_test

import (
	"bytes"
	"context"
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

func TestF13LockedDatabaseAnswers503AndGoesOn(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		r := newRestless(t, e2e.NewSite(t, storetest.SQLiteURL(t)), 8)
		r.load.Start(r.client())
		for range faulttest.Rounds(1, 3) {
			before := r.load.Sent()
			e2e.Eventually(t, e2e.Patience, "writers", func() bool { return r.load.Sent() > before+faulttest.Rounds(100, 1600) })
			r.renameSome()
			r.lockedFor(10 * time.Second)
			r.recovers()
		}
		if r.load.Ledger.Counts()[faulttest.Unknown] == 0 {
			t.Error("nobody was asked to come again")
		}
		r.survived()
		r.noneWasInternal()
	})
}

// lockedFor has another process, which is this one, hold the lock of writers.
func (r *restless) lockedFor(d time.Duration) {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	other := faulttest.OpenDatabase(r.t, r.Database)
	e2e.Eventually(r.t, e2e.Patience, "the lock", func() bool {
		_, err := other.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err == nil
	})
	<-time.After(d)
	other.Run(r.t, "ROLLBACK")
}

// smallDisk mounts a file system of so many bytes, or skips the test.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
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
			answer, err := c.Try(t.Context(), http.MethodPost, "/organizations",
				map[string]string{"name": "No room", "domain": "no-room.example.com", "emailPlatform": "microsoft_365"})
			if err != nil || answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" ||
				!strings.Contains(string(answer.Body), "disk of the database is full") {
				t.Fatalf("%d %s %v", answer.Status, answer.Body, err)
			}
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

func TestF15FailingFsyncAcknowledgesNothingAndIsNotReady(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		strace, err := exec.LookPath("strace")
		if err == nil {
			err = exec.CommandContext(t.Context(), strace, "-o", "/dev/null", "true").Run()
		}
		if err != nil {
			t.Skipf("NO STRACE, so this test did not run: install strace, and allow it to trace: %v", err)
		}
		for n := range faulttest.Rounds(2, 12) {
			t.Run(strconv.Itoa(n+1), func(t *testing.T) {
				t.Helper()
				s := e2e.NewSite(t, storetest.SQLiteURL(t))
				r := newRestless(t, s, 4)
				r.renameSome()
				r.server.End(syscall.SIGTERM)
				tracer := e2e.Start(t, s.Env, strace, "-D", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
					"-e", "inject=fsync,fdatasync:error=EIO:when="+strconv.Itoa(50+7*n)+"+", e2e.Program(t, s.Build, "orgbridge"), "serve")
				r.server = &e2e.Server{Process: tracer, Address: tracer.Word("msg=listening address=")}
				r.load.Start(r.client())
				e2e.Eventually(t, e2e.Patience, "readiness to end", func() bool { return r.status("/readyz") == http.StatusServiceUnavailable })
				unknown := r.load.Ledger.Counts()[faulttest.Unknown]
				e2e.Eventually(t, e2e.Patience, "refusals", func() bool { return r.load.Ledger.Counts()[faulttest.Unknown] > unknown+10 })
				if got := r.status("/healthz"); got != http.StatusOK {
					t.Errorf("alive: %d", got)
				}
				acknowledged := r.load.Ledger.Counts()[faulttest.OK]
				tracer.End(syscall.SIGTERM)
				r.server = s.Serve() // it refuses a damaged file
				r.load.SendTo(r.client())
				e2e.Eventually(t, e2e.Patience, "acknowledgements", func() bool { return r.load.Ledger.Counts()[faulttest.OK] > acknowledged+10 })
				r.survived()
				r.noneWasInternal()
			})
		}
	})
}

func TestF16UnfitFileIsRefusedInOneLineAndLeftAlone(t *testing.T) {
	t.Parallel()
	site := e2e.NewSite(t, storetest.SQLiteURL(t))
	site.NewAccount()
	path := strings.TrimPrefix(site.Database, "sqlite://")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			d := faulttest.OpenDatabase(t, "sqlite://"+path)
			for _, s := range statements {
				d.Run(t, s)
			}
			_ = d.Close()
		}
	}
	write := func(content []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flipped := bytes.Clone(whole)
	for i := 4096; i < len(flipped); i += 4096 {
		flipped[i] ^= 0xff // the kind of each page
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		says  string
	}{
		"Foreign":   {write([]byte(strings.Repeat("an old shopping list\n", 500))), "damaged or not a SQLite database"},
		"Short":     {write(whole[:70]), "damaged or not a SQLite database"},
		"Truncated": {write(whole[:len(whole)/2]), "damaged or not a SQLite database"},
		"Flipped":   {write(flipped), "damaged or not a SQLite database"},
		"Newer":     {change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"), "made by a newer orgbridge"},
		"OtherProgram": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			change("CREATE TABLE recipes (name text)")(t, path)
		}, "not one of orgbridge"},
	} {
		t.Run("sqlite/"+name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "orgbridge.db")
			write(whole)(t, path)
			c.spoil(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p := site.With("ORGBRIDGE_DATABASE_URL=sqlite://" + path).Start("serve")
			if code := p.ExitCode(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if said := p.Out.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, c.says) {
				t.Errorf("it says %q", said)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %v", err)
			}
			if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 1 {
				t.Errorf("beside it there is %v", files)
			}
		})
	}
}
