package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the program and returns the URL it prints.
func start(t *testing.T, args ...string) string {
	t.Helper()

	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)

	go func() {
		err := run(ctx, append([]string{"--addr", "127.0.0.1:0", "--api-key", "ITG.test"}, args...), writer, io.Discard)
		_ = writer.CloseWithError(err)
		ended <- err
	}()

	t.Cleanup(func() {
		stop()

		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})

	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	go func() { _, _ = io.Copy(io.Discard, reader) }()

	return strings.TrimSpace(strings.TrimPrefix(line, "url: "))
}

func newClient(t *testing.T, url string) *itglue.Client {
	t.Helper()

	client, err := itglue.New(itglue.Config{BaseURL: url, APIKey: "ITG.test"})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(client.CloseIdleConnections)

	return client
}

func TestServesGeneratedOrganizations(t *testing.T) {
	t.Parallel()

	url := start(t, "--organizations", "42")

	count, err := newClient(t, url).CountOrganizations(t.Context())
	if err != nil || count != 42 {
		t.Errorf("got %d, %v", count, err)
	}
}

func TestServesAFileAndItsControl(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "organizations.json")
	if err := os.WriteFile(file, []byte(`[{"name":"A"},{"name":"B"}]`), 0o600); err != nil {
		t.Fatal(err)
	}

	url := start(t, "--organizations-file", file)
	client := newClient(t, url)

	page, err := client.OrganizationsPage(t.Context(), 1, 10)
	if err != nil || len(page.Organizations) != 2 {
		t.Fatalf("got %+v, %v", page, err)
	}

	id := page.Organizations[0].ID

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		url+"/_sim/organizations/"+id+"/rename", strings.NewReader(`{"name":"Renamed"}`))
	if err != nil {
		t.Fatal(err)
	}

	poster := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	response, err := poster.Do(request)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("got %v, %v", response, err)
	}

	_ = response.Body.Close()

	renamed, err := client.Organization(t.Context(), id)
	if err != nil || renamed.Name != "Renamed" {
		t.Errorf("got %+v, %v", renamed, err)
	}
}

func TestRefusesBadFlags(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{
		"UnknownFlag":   {"--nonsense"},
		"Argument":      {"serve"},
		"EmptyKey":      {"--api-key", ""},
		"NegativeCount": {"--organizations", "-1"},
		"MissingFile":   {"--organizations-file", "missing.json"},
		"BadAddress":    {"--addr", "127.0.0.1:-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
				t.Error("got no error")
			}
		})
	}

	if err := run(t.Context(), []string{"--help"}, io.Discard, io.Discard); err != nil {
		t.Errorf("--help: got %v", err)
	}
}
