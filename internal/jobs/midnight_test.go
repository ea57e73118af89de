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

// herd notes when the syncs of a night begin, how many run at the same time, and how many had begun when a person's did.
type herd struct {
	mu      sync.Mutex
	night   []string
	begun   []time.Time
	running int
	most    int
	people  chan int
}

func (h *herd) Run(_ context.Context, f orgsync.Fence) error {
	h.mu.Lock()
	daily := slices.Contains(h.night, f.AccountID)
	if !daily {
		h.people <- len(h.begun)
		h.mu.Unlock()
		return nil
	}
	h.begun = append(h.begun, time.Now())
	h.running++
	h.most = max(h.most, h.running)
	h.mu.Unlock()

	<-time.After(5 * time.Millisecond) // the work
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	return nil
}

func (h *herd) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.begun)
}

// TestF37MidnightOfManyAccountsIsSpreadAndPeopleComeFirst has all accounts come due at once, and people ask for syncs meanwhile.
func TestF37MidnightOfManyAccountsIsSpreadAndPeopleComeFirst(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		const (
			perSecond = 50 // on one node
			together  = 4
			people    = 5
			ahead     = 2 * perSecond
		)
		night := accounts(faulttest.Rounds(250, 2000))
		h := &herd{night: night, people: make(chan int, people)}
		j := start(t, db, jobs.Config{Sync: h, Nights: &nights{due: slices.Clone(night)}})
		for range people {
			awaitCount(t, h, 1)
			asked := h.count()
			enqueue(t, j, newFence())
			select {
			case before := <-h.people:
				if before-asked > ahead {
					t.Errorf("%d syncs of the night began before a person's", before-asked)
				}
			case <-time.After(patience):
				t.Fatal("a person's sync did not begin")
			}
		}
		awaitCount(t, h, len(night))
		if h.most > together {
			t.Errorf("%d ran at the same time", h.most)
		}
		spread := time.Duration(len(night)) * time.Second / perSecond
		if took := h.begun[len(night)-1].Sub(h.begun[0]); took < spread*9/10 {
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
