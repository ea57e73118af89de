package faulttest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

func TestProxyLetsThroughAndCuts(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	t.Cleanup(upstream.Close)
	p, url := faulttest.Before(t, upstream.URL)
	ask := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := e2e.Client{T: t, Base: url}.Try(ctx, "GET", "/", nil)
		return err
	}
	if err := ask(e2e.Patience); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if ask(e2e.Patience) == nil {
		t.Error("a cut connection answers")
	}
	p.Restore()
	p.Restore()
	if err := ask(e2e.Patience); err != nil {
		t.Error(err)
	}
	p.Add(faulttest.Toxic{Name: "dark", Type: "timeout", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"timeout": 0}})
	if ask(300*time.Millisecond) == nil {
		t.Error("an answer came through")
	}
	p.Remove("dark")
	if err := ask(e2e.Patience); err != nil {
		t.Error(err)
	}
}
