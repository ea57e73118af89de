package itglue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

type watched struct{ attempts []itglue.Attempt }

type mark struct{}

func (w *watched) watch(ctx context.Context, _ string) (attempt context.Context, ended func(itglue.Attempt)) {
	return context.WithValue(ctx, mark{}, true), func(a itglue.Attempt) { w.attempts = append(w.attempts, a) }
}

func TestEveryAttemptIsWatched(t *testing.T) {
	t.Parallel()

	server := itgluetest.StartTB(t)
	server.AddKey("ITG.key")

	var w watched

	limiter, refused := itglue.NewLimiter(100), errors.New("refused")
	refuse := false
	client, err := itglue.New(itglue.Config{
		BaseURL: server.URL, APIKey: "ITG.key", Watch: w.watch, Limiter: limiter, RetryBase: time.Millisecond,
		Before: func(ctx context.Context) error {
			if ctx.Value(mark{}) == nil {
				t.Error("the attempt is not made with the context of Watch")
			}
			if refuse {
				return refused
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	limiter.Backoff(500 * time.Millisecond)
	if _, err := client.CountOrganizations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.attempts[0]; len(w.attempts) != 1 || !got.Sent || got.Waited < 10*time.Millisecond || got.Took <= 0 || got.Err != nil {
		t.Errorf("held back and answered: %+v", w.attempts)
	}

	refuse, w.attempts = true, nil
	_, _ = client.CountOrganizations(t.Context())
	if len(w.attempts) != 1 || w.attempts[0].Sent || !errors.Is(w.attempts[0].Err, refused) {
		t.Errorf("refused before it was sent: %+v", w.attempts)
	}

	refuse, w.attempts = false, nil
	limiter.Backoff(time.Minute)
	_, _ = client.CountOrganizations(t.Context())
	if len(w.attempts) != 1 || w.attempts[0].Sent || itglue.KindOf(w.attempts[0].Err) != itglue.KindRateLimited {
		t.Errorf("held back for too long: %+v", w.attempts)
	}
}
