package faulttest_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// keysetFile is the file of a site's keyset.
func keysetFile(s *e2e.Site) (path string) {
	for _, variable := range s.Env {
		if value, ok := strings.CutPrefix(variable, "ORGBRIDGE_KEYSET="); ok {
			path = value
		}
	}
	return path
}

// customer is an account that is connected, with one mapped organization.
type customer struct {
	token, organizationID, accountID string
}

func connected(t *testing.T, s *e2e.Site, server *e2e.Server, name string) customer {
	t.Helper()
	itglueID := s.Add(name)
	id := s.CLI("account", "create", name)
	k := customer{accountID: id, token: s.CLI("token", "create", "--account", id, "--role", "admin", "--name", "e2e")}
	c := server.Client(k.token)
	k.organizationID = c.AddOrganization(name+" of "+id, id+".example.com")
	c.Ended(c.Connect().ID)
	e2e.Call[any](c, http.MethodPut, "/mappings/"+k.organizationID, map[string]string{"itglueOrganizationId": itglueID}, http.StatusOK)
	return k
}

// unreadable demands that the account's key cannot be opened: everything else is served, and IT Glue is not asked.
func unreadable(t *testing.T, s *e2e.Site, server *e2e.Server, k customer) {
	t.Helper()
	c := server.Client(k.token)
	s.ForgetCalls()
	answer, err := c.Try(t.Context(), http.MethodPost, "/mappings/"+k.organizationID+"/sync", nil)
	if err != nil || answer.Status != http.StatusServiceUnavailable || !strings.Contains(string(answer.Body), "key cannot be opened") {
		t.Errorf("%d %s %v", answer.Status, answer.Body, err)
	}
	run := e2e.Call[e2e.SyncView](c, http.MethodPost, "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
	e2e.Eventually(t, e2e.Patience, "the reason of the sync", func() bool {
		_, text := c.Do(http.MethodGet, "/syncs/"+run.ID, nil)
		return bytes.Contains(text, []byte("key cannot be opened"))
	})
	e2e.Call[any](c, http.MethodPost, "/syncs/"+run.ID+"/cancel", nil, http.StatusOK, http.StatusAccepted)
	e2e.Call[any](c, http.MethodGet, "/organizations", nil, http.StatusOK)
	e2e.Call[any](c, http.MethodGet, "/mappings", nil, http.StatusOK)
	if calls := s.Calls(); calls.Count != 0 {
		t.Errorf("IT Glue was called %d times", calls.Count)
	}
}

// refusesKeys demands that no key is stored, neither for this account nor for another one.
func refusesKeys(t *testing.T, s *e2e.Site, server *e2e.Server, k customer) {
	t.Helper()
	body := map[string]any{"apiKey": e2e.SimKey, "region": "us", "force": true}
	problem := e2e.Call[e2e.ProblemView](server.Client(k.token), http.MethodPatch, "/integrations/itglue", body, http.StatusServiceUnavailable)
	delete(body, "force")
	other := e2e.Call[e2e.ProblemView](server.Client(s.NewAccount()), http.MethodPost, "/integrations/itglue/connect", body, http.StatusServiceUnavailable)
	if !strings.Contains(problem.Detail, "cannot be sealed") || problem.Detail != other.Detail {
		t.Errorf("%q and %q", problem.Detail, other.Detail)
	}
}

func readable(t *testing.T, server *e2e.Server, k customer) {
	t.Helper()
	e2e.Call[any](server.Client(k.token), http.MethodPost, "/mappings/"+k.organizationID+"/sync", nil, http.StatusOK)
}

func sealedKey(t *testing.T, d *faulttest.Database, accountID string) (sealed []byte) {
	t.Helper()
	return faulttest.Value[[]byte](t, d, "SELECT sealed_key FROM integrations WHERE account_id = $1", accountID)
}

func TestF49WrongKeysetServesAllButITGlueAndMissingOneNothing(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		server := s.Serve()
		k := connected(t, s, server, "Contoso")
		d := faulttest.OpenDatabase(t, s.Database)
		before := sealedKey(t, d, k.accountID)
		e2e.Terminated(t, server)

		right, err := os.ReadFile(keysetFile(s))
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func(path string) error{
			"Missing":   os.Remove,
			"Truncated": func(path string) error { return os.WriteFile(path, right[:len(right)/2], 0o600) },
			"Empty":     func(path string) error { return os.WriteFile(path, nil, 0o600) },
		} {
			if err := spoil(keysetFile(s)); err != nil {
				t.Fatal(err)
			}
			p := s.Start("serve")
			if code, said := p.ExitCode(), p.Out.String(); code != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "ORGBRIDGE_KEYSET") {
				t.Errorf("%s: exit code %d: %s", name, code, said)
			}
			if err := os.WriteFile(keysetFile(s), right, 0o600); err != nil {
				t.Fatal(err)
			}
		}

		other := filepath.Join(t.TempDir(), "other.json")
		s.CLI("keys", "create", "--out", other)
		wrong := s.With("ORGBRIDGE_KEYSET=" + other).Serve()
		if said := wrong.Out.String(); !strings.Contains(said, "stored IT Glue keys cannot be opened") || !strings.Contains(said, "unreadable=1 readable=0") {
			t.Errorf("the start said %s", said)
		}
		unreadable(t, s, wrong, k)
		refusesKeys(t, s, wrong, k)
		e2e.Terminated(t, wrong)
		if !bytes.Equal(before, sealedKey(t, d, k.accountID)) {
			t.Error("the sealed key was overwritten")
		}
		server = s.Serve()
		readable(t, server, k)
		d.CheckSecret(t, e2e.SimKey, server.Out.String(), wrong.Out.String())
	})
}

func TestF50KeysRotateWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		server := s.Serve()
		k := connected(t, s, server, "Contoso")
		for range faulttest.Rounds(3, 30) {
			killed := s.Start("keys", "rotate")
			killed.Word("Added a")
			killed.Kill()
			readable(t, server, k)
			var all sync.WaitGroup
			for range 2 { // at the same time: one does it, or both one after the other
				all.Go(func() { s.Start("keys", "rotate").ExitCode() })
			}
			all.Wait()
			readable(t, server, k)
		}
		s.CLI("keys", "rotate") // finishes what may be unfinished, or rotates once more
		content, err := os.ReadFile(keysetFile(s))
		if err != nil || bytes.Count(content, []byte(`"keyId"`)) != 1 {
			t.Errorf("the old keys are still there: %v", err)
		}
		readable(t, server, k)
		if info, err := os.Stat(keysetFile(s)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the keyset can be read by others: %v", err)
		}
		server.Kill()
		readable(t, s.Serve(), k)
	})
}

func TestF51KeyOfAnotherAccountOrWithAFlippedBitIsNotUsed(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		server := s.Serve()
		a, b := connected(t, s, server, "Contoso"), connected(t, s, server, "Fabrikam")
		d := faulttest.OpenDatabase(t, s.Database)
		own := sealedKey(t, d, b.accountID)
		put := func(sealed []byte) {
			t.Helper()
			_, err := d.ExecContext(context.WithoutCancel(t.Context()), "UPDATE integrations SET sealed_key = $1 WHERE account_id = $2", sealed, b.accountID)
			if err != nil {
				t.Fatal(err)
			}
		}
		stolen := sealedKey(t, d, a.accountID)
		put(stolen)
		unreadable(t, s, server, b)
		for _, i := range []int{0, 3, 10, len(own) - 1} {
			flipped := bytes.Clone(own)
			flipped[i] ^= 1
			put(flipped)
			unreadable(t, s, server, b)
		}
		readable(t, server, a)
		put(own)
		readable(t, server, b)
		server.End(syscall.SIGTERM)
		d.CheckSecret(t, e2e.SimKey, server.Out.String())
	})
}
