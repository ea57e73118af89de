package store_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// with adds a setting to the URL of a PostgreSQL database.
func with(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	ok(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// create stores an organization with a domain of its own and returns its id.
func create(ctx context.Context, t *testing.T, s *store.Store, accountID string) (id string, err error) {
	t.Helper()
	id = storetest.ID(t)
	return id, s.CreateOrganization(ctx, accountID, organization.Organization{
		ID: id, Name: "Contoso", Domain: id + ".example.com", EmailPlatform: organization.Microsoft365,
		CreatedAt: storetest.Now(), UpdatedAt: storetest.Now(),
	}, event.Actor{})
}

// wantUnavailable demands the answer that asks to come again.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	wantCode(t, err, errs.Unavailable)
	if e, _ := errors.AsType[*errs.Error](err); e.RetryAfter <= 0 {
		t.Fatal("no word on when to try again")
	}
}

// block holds the locks of a statement in a transaction that stays idle, until the returned function is called.
func block(t *testing.T, databaseURL, statement string, args ...any) (free func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), storetest.PastTheFence(databaseURL))
	ok(t, err)
	tx, err := conn.Begin(t.Context())
	ok(t, err)
	_, err = tx.Exec(t.Context(), statement, args...)
	ok(t, err)
	free = sync.OnceFunc(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	t.Cleanup(free)
	return free
}

// failing has inserts into organizations fail with a code, the first n times. What it counts is not undone with a transaction.
func failing(t *testing.T, s *store.Store, code, n string) {
	t.Helper()
	storetest.Exec(t, s, "CREATE SEQUENCE failures")
	storetest.Exec(t, s, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('failures') <= `+n+` THEN RAISE EXCEPTION 'injected' USING ERRCODE = '`+code+`'; END IF; RETURN NEW; END $$`)
	storetest.Exec(t, s, "CREATE TRIGGER fail BEFORE INSERT ON organizations FOR EACH ROW EXECUTE FUNCTION fail()")
}

func TestF12LostRacesAreRunAgainThreeTimesAndThenUnavailable(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"Deadlock": "40P01", "SerializationFailure": "40001"} {
		t.Run("postgres/"+name, func(t *testing.T) {
			t.Parallel()
			s := storetest.Postgres(t)
			id := storetest.Account(t, s)
			failing(t, s, code, "2")
			_, err := create(t.Context(), t, s, id)
			ok(t, err)
			storetest.Exec(t, s, "ALTER SEQUENCE failures RESTART MINVALUE -100 START -100")
			_, err = create(t.Context(), t, s, id)
			wantUnavailable(t, err)
			same(t, storetest.Value[int](t, s, "SELECT last_value FROM failures"), -98)
			same(t, storetest.Value[int](t, s, "SELECT count(*) FROM organizations"), 1)
			same(t, storetest.Value[int](t, s, "SELECT count(*) FROM events"), 1)
		})
	}
}

func TestF12DeadlockOfTwoIsSolved(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		databaseURL := storetest.PostgresURL(t)
		s := storetest.Open(t, databaseURL, store.Options{})
		id := storetest.Account(t, s)
		storetest.Connect(t, s, id)
		organizationID := storetest.Organization(t, s, id, "Contoso")
		other, err := pgx.Connect(t.Context(), storetest.PastTheFence(databaseURL))
		ok(t, err)
		defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
		tx, err := other.Begin(t.Context())
		ok(t, err)
		_, err = tx.Exec(t.Context(), "SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE", organizationID)
		ok(t, err)
		updated := make(chan error, 1)
		go func() {
			_, err := s.UpdateOrganization(t.Context(), id, organizationID, organization.Change{Name: new("Fabrikam")}, event.Actor{})
			updated <- err
		}()
		// The store holds the integration and waits for the organization; the other way round is the deadlock, of which one is the victim.
		awaitLocks(t, s, 1)
		_, blocked := tx.Exec(t.Context(), "SELECT 1 FROM integrations WHERE account_id = $1 FOR UPDATE", id)
		_ = tx.Rollback(t.Context())
		ok(t, <-updated)
		t.Logf("the other one: %v", blocked)
	})
}

// awaitLocks waits until so many backends of the store's database wait for a lock.
func awaitLocks(t *testing.T, s *store.Store, n int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for storetest.Value[int](t, s, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`) < n {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a lock")
		}
	}
}

func TestF12ReadersAreServedWhileWritersAreBlocked(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		databaseURL := storetest.PostgresURL(t)
		s := storetest.Open(t, with(t, with(t, databaseURL, "pool_max_conns", "8"), "lock_timeout", "2s"), store.Options{})
		id := storetest.Account(t, s)
		storetest.Connect(t, s, id)
		free := block(t, databaseURL, "SELECT 1 FROM integrations WHERE account_id = $1 FOR UPDATE", id)

		const writers = 12 // more than there are connections
		written := make(chan error, writers)
		for range writers {
			go func() {
				_, err := create(t.Context(), t, s, id)
				written <- err
			}()
		}
		awaitLocks(t, s, 5)
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := s.MappingSummary(ctx, id)
			cancel()
			ok(t, err)
		}
		for range 5 { // the first to wait for the lock
			wantUnavailable(t, <-written)
		}
		free()
		for range writers - 5 {
			if err := <-written; err != nil {
				wantUnavailable(t, err)
			}
		}
		_, err := create(t.Context(), t, s, id)
		ok(t, err)
		same(t, storetest.Value[int](t, s, "SELECT count(*) FROM organizations"), storetest.Value[int](t, s, "SELECT count(*) FROM events WHERE type = 'organization.created'"))
	})
}

func TestF12ExhaustedPoolIsWaitedForAndThenUnavailable(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := storetest.Open(t, with(t, storetest.PostgresURL(t), "pool_max_conns", "4"), store.Options{})
		id := storetest.Account(t, s)
		taken := s.PostgresPool()
		for range 4 {
			conn, err := taken.Acquire(t.Context())
			ok(t, err)
			t.Cleanup(conn.Release)
		}
		began := time.Now()
		_, err := s.Account(t.Context(), id)
		wantUnavailable(t, err)
		wantUnavailable(t, s.Ready(t.Context()))
		if took := time.Since(began); took > 30*time.Second {
			t.Fatalf("waited for %s", took)
		}
	})
}

func TestF10LostConnectionsFailNobodyOnceTheServerIsBack(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := storetest.NewServer(t)
		s := storetest.Open(t, server.URL, store.Options{})
		id := storetest.Account(t, s)
		warm := func() {
			var all sync.WaitGroup
			for range 12 {
				all.Go(func() { _, _ = s.Account(t.Context(), id) })
			}
			all.Wait()
		}
		for range faulttest.Rounds(2, 10) {
			warm()
			server.Stop()
			_, err := s.Account(t.Context(), id)
			wantUnavailable(t, err)
			wantUnavailable(t, s.Ready(t.Context()))
			server.Start()
			for range 20 {
				_, err := create(t.Context(), t, s, id)
				ok(t, err)
			}
			ok(t, s.Ready(t.Context()))
		}
	})
}

func TestF9KilledBackendFailsOnlyWithUnavailable(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := storetest.NewServer(t)
		s := storetest.Open(t, server.URL, store.Options{})
		id := storetest.Account(t, s)
		var acknowledged, away atomic.Int64
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for range 6 {
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					switch _, err := create(t.Context(), t, s, id); {
					case err == nil:
						acknowledged.Add(1)
					case errs.Is(err, errs.Unavailable):
						away.Add(1)
					default:
						t.Errorf("a writer got %v", err)
						return
					}
				}
			})
		}
		for range faulttest.Rounds(2, 20) {
			before := acknowledged.Load()
			awaitTrue(t, func() bool { return acknowledged.Load() > before+50 })
			server.KillBackend(server.Backends()[0])
			before = acknowledged.Load()
			awaitTrue(t, func() bool { return acknowledged.Load() > before+50 })
		}
		close(stop)
		writers.Wait()
		awaitTrue(t, func() bool { return s.Ready(t.Context()) == nil }) // it may have acknowledged all that before it noticed
		stored := storetest.Value[int64](t, s, "SELECT count(*) FROM organizations")
		if stored < acknowledged.Load() || stored > acknowledged.Load()+away.Load() {
			t.Fatalf("%d stored, %d acknowledged, %d unknown", stored, acknowledged.Load(), away.Load())
		}
		same(t, storetest.Value[int64](t, s, "SELECT count(*) FROM events"), stored)
		t.Logf("%d acknowledged, %d unavailable", acknowledged.Load(), away.Load())
	})
}

func awaitTrue(t *testing.T, yes func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); !yes(); <-ticker.C {
		if t.Failed() || time.Now().After(deadline) {
			t.Fatal("it did not come true")
		}
	}
}

func TestF11CommitThatIsNotAnsweredIsDoneOnce(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		cutter, proxied := faulttest.NewCommitCutter(t, storetest.PostgresURL(t))
		s := storetest.Open(t, proxied, store.Options{})
		id := storetest.Account(t, s)
		cutter.CutEvery(3)
		created := map[string]bool{}
		rounds := faulttest.Rounds(40, 1000)
		for range rounds {
			made, err := create(t.Context(), t, s, id)
			ok(t, err)
			created[made] = true
		}
		cutter.Restore()
		if cuts := cutter.Cuts.Load(); cuts < int64(rounds/3) {
			t.Fatalf("%d commits were cut", cuts)
		}
		same(t, storetest.Value[int](t, s, "SELECT count(*) FROM organizations"), len(created))
		same(t, storetest.Value[int](t, s, "SELECT count(*) FROM events"), len(created))
		same(t, storetest.Value[int](t, s, "SELECT last_event FROM accounts"), len(created))
	})
}

func TestF11CommitThatNobodyCanTellOfIsUnknownAndNotRunAgain(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"Made": 1, "NotMade": 2} { // the first cut swallows the answer, the second comes before
		t.Run("postgres/"+name, func(t *testing.T) {
			t.Parallel()
			cutter, proxied := faulttest.NewCommitCutter(t, storetest.PostgresURL(t))
			s := storetest.Open(t, proxied, store.Options{})
			id := storetest.Account(t, s)
			for cutter.Commits.Load()%2 != int64(first-1) {
				_, err := create(t.Context(), t, s, storetest.Account(t, s))
				ok(t, err)
			}
			cutter.StayDown()
			cutter.CutEvery(1)
			_, err := create(t.Context(), t, s, id)
			wantUnavailable(t, err)
			if !strings.Contains(errs.DetailOf(err), "not known") {
				t.Fatal(err)
			}
			cutter.Restore()
			same(t, storetest.Value[int](t, s, "SELECT count(*) FROM organizations WHERE account_id = $1", id), 2-first)
			same(t, storetest.Value[int](t, s, "SELECT count(*) FROM events WHERE account_id = $1", id), 2-first)
			_, err = s.MappingSummary(t.Context(), id)
			ok(t, err)
		})
	}
}
