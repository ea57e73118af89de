package orgsync

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// What the runs of one process do at the same time. Only work in the database and on the processor is counted, not the time that a run
// waits for IT Glue: an account whose IT Glue is slow or hangs keeps no other account waiting.
const (
	// maxRowsHeld bounds how many organizations and IT Glue organizations all runs together keep in memory, about 100 MiB. One account
	// may need more; then it has all of it.
	maxRowsHeld = 500_000
	// minRowsHeld is counted for the smallest account.
	minRowsHeld = 1_000
	// Nobody waits for a daily sync, and those of most accounts come due at the same midnight. So few of them work at once.
	patientDesks = 4
	promptDesks  = 10
)

// gates are shared by the runs of a runner.
type gates struct {
	memory  *semaphore.Weighted
	patient *semaphore.Weighted
	prompt  *semaphore.Weighted
}

func newGates() *gates {
	return &gates{
		memory: semaphore.NewWeighted(maxRowsHeld), patient: semaphore.NewWeighted(patientDesks), prompt: semaphore.NewWeighted(promptDesks),
	}
}

// desk is where a sync works in the database.
func (g *gates) desk(s *Sync) *semaphore.Weighted {
	if s.Kind == Daily && s.ReleasedAt == nil {
		return g.patient
	}
	return g.prompt
}

// atDesk does a piece of work that does not ask IT Glue for anything.
func atDesk(ctx context.Context, desk *semaphore.Weighted, work func() error) error {
	if err := desk.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer desk.Release(1)
	return work()
}

// holding is a run's share of the memory.
type holding struct {
	memory *semaphore.Weighted
	rows   int64
}

// grow waits until so many rows may be held. What the run has is given back first: two runs that each wait for what the other has would
// wait for ever.
func (h *holding) grow(ctx context.Context, rows int) error {
	want := min(max(int64(rows), minRowsHeld), maxRowsHeld)
	if want <= h.rows {
		return nil
	}
	h.release()
	if err := h.memory.Acquire(ctx, want); err != nil {
		return context.Cause(ctx)
	}
	h.rows = want
	return nil
}

func (h *holding) release() {
	h.memory.Release(h.rows)
	h.rows = 0
}
