package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// changesChannel is where nodes tell each other on PostgreSQL which accounts have changed. They tell nothing else of them.
	changesChannel = "orgbridge_changes"
	// tellEvery bounds how often a node tells of changes: a sync makes many.
	tellEvery = 100 * time.Millisecond
	tellTime  = 5 * time.Second
	// hearEvery is how often a node tests whether it hears what is told: a pooler between may keep it.
	hearEvery = 10 * time.Second
	// hearAgain is how long a node that hears nothing waits before it tries again.
	hearAgain = 2 * time.Second
)

// wakes tells those who watch an account that something of it may have changed. It is a hint, given after the commit and lost with the
// process: whoever must not miss anything looks by himself from time to time.
type wakes struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{}
	changed  map[string]struct{} // accounts to tell of; nil while nobody tells
	due      chan struct{}       // holds one while there are such accounts
	prompt   atomic.Bool
}

// Watch returns a channel that is sent to when something of the account may have changed, until stop is called.
func (s *Store) Watch(accountID string) (changed <-chan struct{}, stop func()) {
	w := &s.wakes
	watcher := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers == nil {
		w.watchers = map[string]map[chan struct{}]struct{}{}
	}
	if w.watchers[accountID] == nil {
		w.watchers[accountID] = map[chan struct{}]struct{}{}
	}
	w.watchers[accountID][watcher] = struct{}{}
	return watcher, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers[accountID], watcher)
		if len(w.watchers[accountID]) == 0 {
			delete(w.watchers, accountID)
		}
	}
}

// Prompt tells whether watchers are told of changes at once. While they are not, they have to look more often.
func (s *Store) Prompt() bool { return s.wakes.prompt.Load() }

// note has watchers told of a change, those on other nodes too.
func (w *wakes) note(accountID string) {
	if accountID == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		return
	}
	w.changed[accountID] = struct{}{}
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// take returns the accounts to tell of, and forgets them.
func (w *wakes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Collect(maps.Keys(w.changed))
	clear(w.changed)
	return all
}

func (w *wakes) wake(accountIDs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range accountIDs {
		for watcher := range w.watchers[id] {
			select {
			case watcher <- struct{}{}:
			default: // has not looked since it was woken
			}
		}
	}
}

func (w *wakes) wakeAll() {
	w.mu.Lock()
	all := slices.Collect(maps.Keys(w.watchers))
	w.mu.Unlock()
	w.wake(all...)
}

func (w *wakes) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed, w.due = map[string]struct{}{}, make(chan struct{}, 1)
}

func (w *wakes) end() {
	w.prompt.Store(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = nil
}

// TellChanges tells watchers of what this node changes and, on PostgreSQL, of what other nodes change, until ctx ends. A node has one
// connection of its own for it.
func (s *Store) TellChanges(ctx context.Context) {
	s.wakes.begin()
	defer s.wakes.end()
	var hearing sync.WaitGroup
	defer hearing.Wait()
	if s.pool == nil {
		s.wakes.prompt.Store(true)
	} else {
		hearing.Go(func() { s.hear(ctx) })
	}
	for {
		select {
		case <-s.wakes.due:
			s.tell(ctx, s.wakes.take())
		case <-ctx.Done():
			return
		}
		rest(ctx, tellEvery)
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tell tells all nodes, this one included. If that fails, or this one does not hear it, its own watchers are told all the same.
func (s *Store) tell(ctx context.Context, accountIDs []string) {
	if s.pool != nil && s.notify(ctx, accountIDs) == nil && s.wakes.prompt.Load() {
		return
	}
	s.wakes.wake(accountIDs...)
}

func (s *Store) notify(ctx context.Context, payloads []string) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	_, err := s.pool.Exec(ctx, "SELECT pg_notify($1, told) FROM unnest(CAST($2 AS text[])) AS told", changesChannel, payloads)
	return err
}

// hear wakes the watchers of this node as other nodes tell, until ctx ends.
func (s *Store) hear(ctx context.Context) {
	level := s.log.WarnContext
	for {
		err := s.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if s.wakes.prompt.Swap(false) {
			level = s.log.WarnContext
		}
		level(ctx, "does not hear of changes on other nodes, and looks for them until it does", "error", err)
		level = s.log.DebugContext // once is enough
		rest(ctx, hearAgain)
	}
}

// listen wakes watchers until its connection fails, or does not pass on what this node itself says.
func (s *Store) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer func() {
		parting, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(parting)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+changesChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		spoken := s.notify(ctx, []string{""}) == nil // else all connections are taken, which says nothing of this one
		if err := s.heard(ctx, conn, spoken); err != nil {
			return err
		}
	}
}

// heard wakes watchers for a while. That nothing at all is heard in it, although this node has spoken, is an error.
func (s *Store) heard(ctx context.Context, conn *pgx.Conn, spoken bool) error {
	during, cancel := context.WithTimeout(ctx, hearEvery)
	defer cancel()
	nothing := true
	for {
		told, err := conn.WaitForNotification(during)
		switch {
		case err != nil && during.Err() == nil, ctx.Err() != nil:
			return err
		case err != nil && nothing && spoken:
			return errors.New("what this node told itself did not arrive: is there a pooler between?")
		case err != nil:
			return nil // the time is over
		}
		nothing = false
		if !s.wakes.prompt.Swap(true) {
			s.log.InfoContext(ctx, "hears of changes on other nodes")
			s.wakes.wakeAll() // something may have been missed
		}
		s.wakes.wake(told.Payload)
	}
}
