package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// telling has a store tell of changes until the test ends, or stop is called.
func telling(t *testing.T, s *store.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var teller sync.WaitGroup
	teller.Go(func() { s.TellChanges(ctx) })
	stop = func() {
		cancel()
		teller.Wait()
	}
	t.Cleanup(stop)
	e2e.Eventually(t, e2e.Patience, "the store to be told of changes", s.Prompt)
	return stop
}

func woken(t *testing.T, changed <-chan struct{}, by string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Errorf("not woken by %s", by)
	}
}

func TestWatchersAreWokenByWhatChangesInTheirAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		telling(t, s)
		mine, other := storetest.Account(t, s), storetest.Account(t, s)
		storetest.Connected(t, s, mine)
		first, stopFirst := s.Watch(mine)
		second, stopSecond := s.Watch(mine)
		theirs, stopTheirs := s.Watch(other)
		defer stopTheirs()
		e2e.Eventually(t, e2e.Patience, "what the accounts were made with to be told", func() bool {
			storetest.Organization(t, s, other, "Contoso")
			select {
			case <-theirs:
				return true
			default:
				return false
			}
		})
		drain(first, second)

		storetest.Organization(t, s, mine, "Contoso")
		woken(t, first, "a fact")
		woken(t, second, "a fact")
		stopSecond()
		drain(second)
		quiet(first)
		f := startClaimed(t, s, mine, orgsync.Manual)
		woken(t, first, "the start of a sync")
		quiet(first)
		ok(t, s.Heartbeat(t.Context(), f, orgsync.DefaultLease, orgsync.Progress{Phase: orgsync.Listing, Done: 1}))
		woken(t, first, "its progress")
		quiet(first)
		ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
		woken(t, first, "its end")
		stopFirst()
		if drain(second) > 0 {
			t.Error("woken after it has stopped")
		}
	})
}

// quiet waits until nothing more is told of what was done before.
func quiet(changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-time.After(500 * time.Millisecond): // is told ten times a second
			return
		}
	}
}

func drain(all ...<-chan struct{}) (n int) {
	for _, c := range all {
		select {
		case <-c:
			n++
		default:
		}
	}
	return n
}

func TestNobodyIsToldBeforeAndAfterwards(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		changed, stop := s.Watch(id)
		defer stop()
		same(t, s.Prompt(), false)
		storetest.Organization(t, s, id, "Contoso")
		stopTelling := telling(t, s)
		stopTelling()
		same(t, s.Prompt(), false)
		drain(changed)
		storetest.Organization(t, s, id, "Fabrikam")
		same(t, drain(changed), 0)
	})
}

// TestNodesTellEachOtherNothingButTheAccount listens to what goes over the wire between two nodes.
func TestNodesTellEachOtherNothingButTheAccount(t *testing.T) {
	t.Parallel()
	here := storetest.Postgres(t)
	there := storetest.Open(t, here.PostgresPool().Config().ConnString(), store.Options{})
	telling(t, here)
	telling(t, there)
	conn, err := here.PostgresPool().Acquire(t.Context())
	ok(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "LISTEN orgbridge_changes")
	ok(t, err)

	id := storetest.Account(t, here)
	changed, stop := there.Watch(id)
	defer stop()
	storetest.Organization(t, here, id, "Contoso")
	woken(t, changed, "another node")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for told := ""; told != id; {
		n, err := conn.Conn().WaitForNotification(ctx)
		ok(t, err)
		if told = n.Payload; told != "" && told != id {
			t.Errorf("told %q", told)
		}
	}
}

// TestANodeThatHearsNothingLooksForItself cuts the connection on which a node hears, and has it come back.
func TestANodeThatHearsNothingLooksForItself(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	telling(t, s)
	id := storetest.Account(t, s)
	changed, stop := s.Watch(id)
	defer stop()
	const listener = "FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN orgbridge_changes'"
	same(t, storetest.Value[int](t, s, "SELECT count(*) "+listener), 1)
	storetest.Exec(t, s, "SELECT pg_terminate_backend(pid) "+listener)
	e2e.Eventually(t, e2e.Patience, "the node to notice", func() bool { return !s.Prompt() })
	storetest.Organization(t, s, id, "Contoso")
	woken(t, changed, "its own node, which needs nobody else to tell it")
	e2e.Eventually(t, e2e.Patience, "the node to hear again", s.Prompt)
	woken(t, changed, "the connection: something may have been missed")
	_, _, err := s.EventsAfter(t.Context(), id, 0, 10)
	ok(t, err)
	same(t, storetest.Value[int](t, s, "SELECT count(*) "+listener), 1)
	_, err = s.Events(t.Context(), id, event.Filter{})
	ok(t, err)
}
