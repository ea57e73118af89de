package orgsync

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestMemoryIsGivenBackBeforeMoreIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		g := newGates()
		one, other := holding{memory: g.memory}, holding{memory: g.memory}
		for _, h := range []*holding{&one, &other} {
			if err := h.grow(t.Context(), maxRowsHeld/2); err != nil {
				t.Fatal(err)
			}
		}
		both := make(chan error, 2)
		for _, h := range []*holding{&one, &other} { // each wants what the other has
			go func() {
				err := h.grow(t.Context(), 3*maxRowsHeld)
				h.release()
				both <- err
			}()
		}
		for range 2 {
			if err := <-both; err != nil {
				t.Error(err)
			}
		}
		if !g.memory.TryAcquire(maxRowsHeld) {
			t.Error("memory is still held")
		}
	})
}

func TestRunThatNeedsTooMuchMemoryWaitsUntilItsEnd(t *testing.T) {
	t.Parallel()
	g := newGates()
	one, other := holding{memory: g.memory}, holding{memory: g.memory}
	if err := one.grow(t.Context(), maxRowsHeld-minRowsHeld); err != nil {
		t.Fatal(err)
	}
	if err := other.grow(t.Context(), 0); err != nil {
		t.Errorf("no room for a small account: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.grow(ctx, minRowsHeld+1); err == nil {
		t.Error("more is held than there may be")
	}
	other.release()
}
