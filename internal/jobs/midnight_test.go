package jobs_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
)

// herd notes when the syncs of a night begin, and tells of a person's.
type herd struct {
	mu     sync.Mutex
	night  []string
	begun  []time.Time
	person chan time.Time
}

func (h *herd) Run(_ context.Context, f orgsync.Fence) error {
	if !slices.Contains(h.night, f.AccountID) {
		h.person <- time.Now()
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun = append(h.begun, time.Now())
	return nil
}

func (h *herd) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.begun)
}

// TestF37MidnightOfManyAccountsIsSpreadAndPeopleComeFirst has all accounts come due at once, and a person ask for a sync soon after.
func TestF37MidnightOfManyAccountsIsSpreadAndPeopleComeFirst(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		const perSecond = 50 // on one node
		night := accounts(faulttest.Rounds(250, 2000))
		h := &herd{night: night, person: make(chan time.Time, 1)}
		j := start(t, db, jobs.Config{Sync: h, Nights: &nights{due: slices.Clone(night)}})
		awaitCount(t, h, 1)
		asked := time.Now()
		enqueue(t, j, newFence())
		awaitCount(t, h, len(night))
		took := h.begun[len(night)-1].Sub(h.begun[0])
		select {
		case began := <-h.person:
			waited := began.Sub(asked)
			t.Logf("figure: a person waits %s in a night that takes %s", waited, took)
			if waited > took/4 {
				t.Errorf("a person waits %s in a night that takes %s", waited, took)
			}
		case <-time.After(patience):
			t.Error("a person's sync did not begin")
		}
		if spread := time.Duration(len(night)) * time.Second / perSecond; took < spread*9/10 {
			t.Errorf("%d began in %s", len(night), took)
		}
	})
}

func awaitCount(t *testing.T, h *herd, n int) {
	t.Helper()
	deadline := time.After(10 * patience)
	for h.count() < n {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%d of %d syncs began", h.count(), n)
		}
	}
}
