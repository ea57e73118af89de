package faulttest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

const lastName = "The last of all"

type streamedEvent struct {
	Sequence     int64 `json:"sequence"`
	Organization *struct {
		Name string `json:"name"`
	} `json:"organization"`
}

// follower follows an account's events from the first on, and goes on at whichever server it is told when its own is gone.
type follower struct {
	t      *testing.T
	token  string
	server atomic.Pointer[e2e.Server]
	seen   []int64
	opened int
	done   chan struct{}
}

// followAll begins to follow. It ends when the organization of the last name is made.
func followAll(t *testing.T, token string, server *e2e.Server) *follower {
	t.Helper()
	f := &follower{t: t, token: token, done: make(chan struct{})}
	f.server.Store(server)
	ctx, cancel := context.WithTimeout(t.Context(), 2*e2e.Patience)
	t.Cleanup(func() {
		cancel()
		<-f.done
	})
	go func() {
		defer close(f.done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for last := "0"; ctx.Err() == nil; <-ticker.C {
			var over bool
			if last, over = f.follow(last); over { //nolint:contextcheck // a stream is the test's, as its client is
				return
			}
		}
	}()
	return f
}

// follow follows until the stream breaks or all was seen, and returns the id that came last.
func (f *follower) follow(last string) (id string, over bool) {
	stream, err := f.server.Load().Client(f.token).TryFollow("/events/stream", last)
	if err != nil {
		return last, false
	}
	defer stream.Close()
	f.opened++
	for {
		var e streamedEvent
		if _, err := stream.NextData(&e); err != nil {
			return stream.LastID, false
		}
		f.seen = append(f.seen, e.Sequence)
		if e.Organization != nil && e.Organization.Name == lastName {
			return stream.LastID, true
		}
	}
}

// TestF3EventsAreStreamedOnceThroughKillsAndOnOtherNodes kills the node that a client follows, three times, while organizations are added,
// where there can be two nodes on the other one, and a sync maps. The client goes on with the id that came last.
func TestF3EventsAreStreamedOnceThroughKillsAndOnOtherNodes(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		const customers, kills = 30, 3
		s.Fill(customers)
		token := s.NewAccount()
		victim := s.Serve()
		victim.Client(token).Fill(customers)
		f := followAll(t, token, victim)
		initial := victim.Client(token).Connect().ID
		for round := range kills {
			writer, survivor := victim, s.Surviving()
			if survivor != nil {
				writer = survivor
			}
			for i := range 5 {
				writer.Client(token).AddOrganization(fmt.Sprintf("Added %d.%d", round, i), fmt.Sprintf("a%d-%d.example.com", round, i))
			}
			victim.Kill()
			if survivor == nil {
				survivor = s.Serve()
			}
			f.server.Store(survivor)
			victim = survivor
		}
		c := victim.Client(token)
		c.Ended(initial)
		c.AddOrganization(lastName, "last.example.com")
		<-f.done

		events := e2e.All[streamedEvent](c, "/events")
		want := make([]int64, len(events))
		for i, e := range events {
			want[i] = e.Sequence
		}
		slices.Reverse(want)
		if !slices.Equal(f.seen, want) || !slices.IsSortedFunc(want, cmp.Compare) || len(want) < customers+kills*5 {
			t.Errorf("streamed %v, want %v", f.seen, want)
		}
		faulttest.Figuref(t, "events streamed through kills / missed or doubled", "%d / %d", len(want), len(want)-len(f.seen))
		if f.opened < kills {
			t.Errorf("followed %d times", f.opened)
		}
		e2e.Terminated(t, victim)
	})
}

// TestF3SIGTERMEndsStreamsInOrder ends a process that many follow, some of them a sync that does not come to its end.
func TestF3SIGTERMEndsStreamsInOrder(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s.Add("Alpine Dental")
		server := s.Serve()
		c := server.Client(s.NewAccount())
		s.Slow(1, time.Minute)
		initial := c.Connect().ID
		e2e.Eventually(t, e2e.Patience, "the sync to run", func() bool { return c.Sync(initial).Status == "running" })
		streams := make([]*e2e.Stream, 40)
		for i := range streams {
			streams[i] = c.Follow([]string{"/events/stream", "/syncs/" + initial + "/events"}[i%2], "")
		}
		server.Signal(syscall.SIGTERM)
		for i, stream := range streams {
			for {
				if _, err := stream.Next(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("stream %d was cut off: %v", i, err)
					break
				}
			}
		}
		if code := server.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if strings.Contains(server.Out.String(), "cut off what did not end in time") {
			t.Error("the process waited for its streams")
		}
		faulttest.Figuref(t, "SIGTERM with streams: open / ended in order", "%d / %d", len(streams), len(streams))

		s.Fast()
		next := s.Serve()
		again := next.Client(c.Token).Follow("/syncs/"+initial+"/events", streams[1].LastID)
		for last := ""; last != "ended"; {
			m, err := again.Next()
			if err != nil {
				t.Fatal(err)
			}
			last = m.Event
		}
		e2e.Terminated(t, next)
	})
}
