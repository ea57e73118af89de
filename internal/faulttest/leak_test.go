package faulttest_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// slack is how far a count may be from where it began.
const slack = 5

// openFiles counts the descriptors of a process, its connections among them.
func openFiles(t *testing.T, p *e2e.Process) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// goroutines ends a process in the way that makes it show its goroutines, and counts them.
func goroutines(t *testing.T, p *e2e.Process) int {
	t.Helper()
	p.End(syscall.SIGQUIT)
	return strings.Count(p.Out.String(), "\ngoroutine ")
}

// busy lets clients write and syncs run for a time, and then waits until all is quiet.
func (r *restless) busy(limit time.Duration) {
	r.t.Helper()
	load := faulttest.NewLoad(r.Site, 4)
	load.Start(r.client())
	for end := time.Now().Add(limit); time.Now().Before(end); {
		r.renameSome()
		r.client().Ended(r.sync())
	}
	load.Stop()
	(&http.Client{}).CloseIdleConnections() // the test's own, which the server would keep open
}

// TestF7NothingLeaksUnderLoad compares the open files and connections of a process after a long load with those after a short one, and
// its goroutines with those of a process that has had only the short one.
func TestF7NothingLeaksUnderLoad(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows the open files of a process")
	}
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		r := newRestless(t, s.With("GOTRACEBACK=all"), 0)
		r.busy(time.Second)
		fresh := goroutines(t, r.server.Process)

		r.server = r.Serve()
		r.busy(time.Second)
		files := openFiles(t, r.server.Process)
		r.busy(time.Duration(faulttest.Rounds(3, 120)) * time.Second)
		now := 0
		e2e.Eventually(t, e2e.Patience, "the open files to be as many as before", func() bool {
			now = openFiles(t, r.server.Process)
			return now <= files+slack
		})
		after := goroutines(t, r.server.Process)
		if after > fresh+2*slack || fresh < 5 { // a connection that is kept open has two
			t.Errorf("%d goroutines, and %d before: %s", after, fresh, r.server.Out.String())
		}
		faulttest.Figuref(t, "goroutines, open files and connections after a short / long load", "%d, %d / %d, %d", fresh, files, after, now)
	})
}
