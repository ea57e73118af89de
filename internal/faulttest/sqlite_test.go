package faulttest_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
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
