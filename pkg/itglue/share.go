package itglue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
	"time"
)

const (
	// maxBlock is how many requests are drawn from a Ledger at once by a
	// process that sends many; drawFor is how long they may then be sent.
	maxBlock = 50
	drawFor  = 5 * time.Second

	// ledgerTimeout bounds the wait for a Ledger. One that fails is left alone
	// for ledgerPause; until then each process keeps to the limit by itself.
	ledgerTimeout = 2 * time.Second
	ledgerPause   = 5 * time.Second
)

// LedgerState is what the processes that use a key tell each other. The zero
// value is that of a key that nobody has used.
type LedgerState struct {
	// SpentUntil is when all requests that were drawn are refilled.
	SpentUntil time.Time

	// BlockedUntil is when IT Glue may be asked again after a 429.
	BlockedUntil time.Time
}

// Ledger keeps one LedgerState per key where all processes find it. Keys are
// told apart by a fingerprint that does not reveal them.
type Ledger interface {
	// ReadLedger returns the state and the time by the clock that all
	// processes share.
	ReadLedger(ctx context.Context, key string) (state LedgerState, now time.Time, err error)

	// ChangeLedger replaces the state by what the function makes of it, in one
	// step for all processes. The function may be called more than once.
	ChangeLedger(ctx context.Context, key string, change func(state LedgerState, now time.Time) LedgerState) error
}

// share is one process's part in the limit of a key. A process that sends few
// requests sends them without drawing them, so that most keys cost the ledger
// no more than being looked up; a tenth of the limit is kept back for that. One
// that sends more draws them in blocks that double as long as they are used up.
type share struct {
	ledger Ledger
	key    string

	interval time.Duration // in which one request is refilled
	burst    int           // that may be drawn at once
	free     int           // that may be sent in a window without being drawn

	leftUntil atomic.Int64 // Unix nanoseconds until which the ledger is left alone

	turn      chan struct{} // one goroutine asks the ledger at a time; it has what follows
	freeSince time.Time
	freeUsed  int
	drawn     int // and not sent yet
	block     int
	drawnAt   time.Time
}

func newShare(ledger Ledger, apiKey string, requestsPer5Minutes int) *share {
	if requestsPer5Minutes < 1 {
		requestsPer5Minutes = DefaultRequestsPer5Minutes
	}

	sum := sha256.Sum256([]byte("orgbridge request limit\x00" + apiKey))
	free := requestsPer5Minutes / 100

	if free > 0 {
		requestsPer5Minutes -= requestsPer5Minutes / 10
	}

	burst := max(1, requestsPer5Minutes/10)
	interval := window + time.Second

	if requestsPer5Minutes > burst {
		interval = window / time.Duration(requestsPer5Minutes-burst)
	}

	return &share{
		ledger: ledger, key: hex.EncodeToString(sum[:16]), turn: make(chan struct{}, 1), interval: interval, burst: burst, free: free,
	}
}

// take returns how long to wait before asking again; 0 says that a request may
// be sent. A ledger that cannot be asked says nothing against it.
func (s *share) take(ctx context.Context) time.Duration {
	now := time.Now()
	if now.UnixNano() < s.leftUntil.Load() {
		return 0
	}

	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()

	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done(): // whose turn it is gets no answer
		s.leftUntil.Store(time.Now().Add(ledgerPause).UnixNano())

		return 0
	}

	wait, err := s.send(ctx, now)
	if err != nil {
		s.leftUntil.Store(time.Now().Add(ledgerPause).UnixNano())

		return 0
	}

	return wait
}

func (s *share) send(ctx context.Context, now time.Time) (time.Duration, error) {
	if now.Sub(s.freeSince) >= window {
		s.freeSince, s.freeUsed = now, 0
	}

	isDrawn := s.drawn > 0 && now.Sub(s.drawnAt) < drawFor
	if !isDrawn && s.freeUsed >= s.free {
		return s.draw(ctx, now)
	}

	state, at, err := s.ledger.ReadLedger(ctx, s.key)
	if wait := state.BlockedUntil.Sub(at); err != nil || wait > 0 {
		return wait, err
	}

	if isDrawn {
		s.drawn--
	} else {
		s.freeUsed++
	}

	return 0, nil
}

// draw draws a block, and sends the first of it.
func (s *share) draw(ctx context.Context, now time.Time) (wait time.Duration, err error) {
	block := 1
	if s.drawn == 0 && now.Sub(s.drawnAt) < drawFor {
		block = min(2*s.block, maxBlock)
	}

	got := 0
	err = s.ledger.ChangeLedger(ctx, s.key, func(state LedgerState, at time.Time) LedgerState {
		state, got, wait = s.drawFrom(state, at, block)

		return state
	})

	if err == nil && got > 0 {
		s.drawn, s.block, s.drawnAt = got-1, got, now
	}

	return wait, err
}

// drawFrom takes up to n requests out of the state; none, and how long to wait
// for one, if there are none or IT Glue has asked for time.
func (s *share) drawFrom(state LedgerState, now time.Time, n int) (_ LedgerState, got int, wait time.Duration) {
	if wait := state.BlockedUntil.Sub(now); wait > 0 {
		return state, 0, wait
	}

	if state.SpentUntil.Before(now) {
		state.SpentUntil = now
	}

	room := time.Duration(s.burst)*s.interval - state.SpentUntil.Sub(now)

	got = min(n, int(room/s.interval))
	if got < 1 {
		return state, 0, s.interval - room
	}

	state.SpentUntil = state.SpentUntil.Add(time.Duration(got) * s.interval)

	return state, got, 0
}

// block has all processes wait. One that cannot be told learns it from IT Glue.
func (s *share) blockFor(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTimeout)
	defer cancel()

	_ = s.ledger.ChangeLedger(ctx, s.key, func(state LedgerState, now time.Time) LedgerState {
		if until := now.Add(d); until.After(state.BlockedUntil) {
			state.BlockedUntil = until
		}

		return state
	})
}
