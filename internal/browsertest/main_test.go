package browsertest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// patience bounds every wait; a browser that starts on a busy machine is slow.
const patience = 4 * time.Minute

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// browser is a tab of a Chromium of its own, which ends with the test.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is how the library names a tab

	mu     sync.Mutex
	errors []string // of the console
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.WindowSize(1280, 1024), chromedp.WSURLReadTimeout(patience),
		chromedp.UserDataDir(t.TempDir()),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	// It lives as long as the first context that runs something in it, so the test's limit is not on that one.
	ctx, cancel := chromedp.NewContext(context.WithoutCancel(t.Context()),
		chromedp.WithAllocatorOptions(options...), chromedp.WithListener(b.hear))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes it, so that its files can be removed
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	b.ctx = ctx
	return b
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("ORGBRIDGE_TEST_CHROMIUM") == "require" {
		t.Fatal("there is no Chromium")
	}
	t.Skip("NO CHROMIUM, so this test did not run: install Chromium")
	return ""
}

// hear notes what a developer would see in red.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			for _, arg := range e.Args {
				b.errors = append(b.errors, string(arg.Value)+arg.Description)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.errors = append(b.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// heard is what hear has noted.
func (b *browser) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.errors)
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for i, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			b.t.Fatalf("step %d: %v; console: %q", i, err, b.heard())
		}
	}
}

// run is what an action returns.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%v; console: %q", err, b.heard())
	}
	return value
}

// keep keeps a picture of the page for whoever reads the output of CI.
func (b *browser) keep(name string) {
	b.t.Helper()
	dir := os.Getenv("ORGBRIDGE_TEST_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "orgbridge-artifacts")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, run(b, chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("kept %s", path)
}
