package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

func runCommand(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, func(name string) string { return env[name] }, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func sqliteEnv(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"ORGBRIDGE_DATABASE_URL": "sqlite://" + filepath.Join(t.TempDir(), "orgbridge.db"), "ORGBRIDGE_ADDR": "127.0.0.1:0"}
}

// leaves returns the commands that do something, as they are called, without the program's name.
func leaves(c *cobra.Command) (names []string) {
	if !c.HasSubCommands() {
		return []string{strings.TrimPrefix(c.CommandPath(), "orgbridge ")}
	}
	for _, below := range c.Commands() {
		names = append(names, leaves(below)...)
	}
	return names
}

func TestHelp(t *testing.T) {
	t.Parallel()
	all := leaves(program{stdout: io.Discard, stderr: io.Discard}.root())
	for _, word := range []string{"help", "--help", "-h"} {
		got := runCommand(t, nil, word)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("%s: %+v", word, got)
		}
		for _, name := range all {
			if first, _, _ := strings.Cut(name, " "); first == "completion" {
				name = first // whose four shells are for its own help
			}
			if !strings.Contains(got.stdout, "\n  "+name+" ") {
				t.Errorf("%s does not name %q", word, name)
			}
		}
	}
	for _, name := range all {
		got := runCommand(t, nil, append(strings.Fields(name), "--help")...)
		if got.code != exitOK || got.stderr != "" || !strings.HasPrefix(got.stdout, "Usage: orgbridge "+name) {
			t.Errorf("%s --help: %+v", name, got)
		}
	}
}

func TestMisuseShowsUsageAndExits2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"frobnicate"},
		{"account"},
		{"account", "delete"},
		{"completion"},
		{"completion", "basic"},
		{"completion", "bash", "now"},
		{"account", "create"},
		{"account", "create", "a", "b"},
		{"version", "now"},
		{"serve", "--colour"},
		{"serve", "--no-workers", "--workers-only"},
		{"keys", "create"},
		{"token", "create"},
		{"token", "create", "--role", "king", "--name", "n", "--account", "a"},
		{"token", "create", "--role", "admin", "--name", "n"},
		{"token", "create", "--role", "operator", "--name", "n", "--account", "a"},
		{"token", "create", "--role", "operator"},
		{"token", "create", "--role", "operator", "--name", "n", "--expires", "soon"},
		{"token", "create", "--role", "operator", "--name", "n", "--expires", "-1h"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			got := runCommand(t, sqliteEnv(t), args...)
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, "orgbridge") || strings.Count(got.stderr, "\n") < 3 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestFailureIsOneLineAndExits1(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		says string
	}{
		"malformed variable": {map[string]string{"ORGBRIDGE_LOG_LEVEL": "loud"}, []string{"migrate"}, "ORGBRIDGE_LOG_LEVEL"},
		"malformed flag":     {nil, []string{"serve", "--addr", "nowhere"}, "--addr (ORGBRIDGE_ADDR)"},
		"blank account name": {nil, []string{"account", "create", " "}, "name"},
		"unknown account": {
			nil, []string{"token", "create", "--account", uuid.NewString(), "--role", "admin", "--name", "n"}, "ccount",
		},
		"database out of reach": {
			map[string]string{"ORGBRIDGE_DATABASE_URL": "postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=2"}, []string{"migrate"}, "database",
		},
		"server without keyset": {
			map[string]string{"ORGBRIDGE_DATABASE_URL": "postgres://u:hunter2@127.0.0.1:1/x"}, []string{"serve"},
			"ORGBRIDGE_KEYSET is required with PostgreSQL; make one with: orgbridge keys create --out FILE",
		},
		"keyset of another kind": {map[string]string{"ORGBRIDGE_KEYSET": "env:hunter2"}, []string{"serve"}, "ORGBRIDGE_KEYSET"},
		"nobody there":           {nil, []string{"healthcheck", "--addr", "127.0.0.1:1"}, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := sqliteEnv(t)
			maps.Copy(env, test.env)
			got := runCommand(t, env, test.args...)
			if got.code != exitFailed || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, test.says) {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.stderr, "hunter2") {
				t.Errorf("a secret is shown: %s", got.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := runCommand(t, nil, "version"); got.code != exitOK || !strings.HasPrefix(got.stdout, "orgbridge ") {
		t.Errorf("%+v", got)
	}
}

func TestKeysCreateRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	if got := runCommand(t, nil, "keys", "create", "--out", file); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if got := runCommand(t, nil, "keys", "create", "--out", file); got.code != exitFailed {
		t.Errorf("%+v", got)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the keyset was overwritten")
	}
}

func TestAccountAndTokenPrintNothingElse(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	if got := runCommand(t, env, "migrate"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	created := runCommand(t, env, "account", "create", "My company")
	id := strings.TrimSuffix(created.stdout, "\n")
	if parsed, err := uuid.Parse(id); err != nil || parsed.Version() != 7 {
		t.Fatalf("%+v is not the id alone: %v", created, err)
	}
	for _, args := range [][]string{
		{"--account", id, "--role", "admin", "--name", "first"},
		{"--account", id, "--role", "viewer", "--name", "dashboard", "--expires", "720h"},
		{"--role", "operator", "--name", "provisioning"},
	} {
		got := runCommand(t, env, append([]string{"token", "create"}, args...)...)
		if got.code != exitOK || !strings.HasPrefix(got.stdout, "orgb_") || strings.ContainsAny(strings.TrimSuffix(got.stdout, "\n"), " \n") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestTokenRevokeRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	if got := runCommand(t, env, "migrate"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	account := strings.TrimSpace(runCommand(t, env, "account", "create", "My company").stdout)
	runCommand(t, env, "token", "create", "--account", account, "--role", "admin", "--name", "first")
	runCommand(t, env, "token", "create", "--role", "operator", "--name", "first")
	path := strings.TrimPrefix(env["ORGBRIDGE_DATABASE_URL"], "sqlite://")
	db, err := store.Open(t.Context(), "sqlite://"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := func(role string) string {
		return storetest.Value[string](t, db, "SELECT id FROM tokens WHERE role = '"+role+"'")
	}
	admin, operator := id("admin"), id("operator")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{admin}, exitFailed}, {[]string{"--account", account, operator}, exitFailed}, {[]string{"x"}, exitFailed}, {nil, exitUsage},
		{[]string{"--account", account, admin}, exitOK}, {[]string{"--account", account, admin}, exitFailed},
		{[]string{operator}, exitOK}, {[]string{operator}, exitFailed},
	} {
		if got := runCommand(t, env, append([]string{"token", "revoke"}, c.args...)...); got.code != c.code {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
}

func TestLostKeysetIsNotReplaced(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	if got := runCommand(t, env, "migrate"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	keyset := strings.TrimPrefix(env["ORGBRIDGE_DATABASE_URL"], "sqlite://") + ".keyset.json"
	info, err := os.Stat(keyset)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if err := os.Remove(keyset); err != nil {
		t.Fatal(err)
	}
	got := runCommand(t, env, "serve")
	if got.code != exitFailed || !strings.Contains(got.stderr, "orgbridge keys create --out "+keyset) {
		t.Errorf("%+v", got)
	}
}

func TestTakenAddress(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), config.Addr, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, name := range []string{"serve", "demo"} {
		got := runCommand(t, sqliteEnv(t), name, "--addr", listener.Addr().String())
		if got.code != exitFailed || !strings.Contains(got.stderr, "ORGBRIDGE_ADDR") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got := runCommand(t, sqliteEnv(t), "serve", "--addr", "127.0.0.1:0", "--metrics-addr", listener.Addr().String())
	if got.code != exitFailed || !strings.Contains(got.stderr, "ORGBRIDGE_METRICS_ADDR") {
		t.Errorf("serve: %+v", got)
	}
}

// startRun runs a command in the background. The stop function ends it and returns its exit code.
func startRun(t *testing.T, env map[string]string, args ...string) (out *e2e.Output, stop func() int) {
	t.Helper()
	out = &e2e.Output{}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, func(name string) string { return env[name] }, out, out) }()
	return out, func() int {
		cancel()
		return <-code
	}
}

// TestDemoCommandsWorkWhenPasted runs the printed commands in a shell.
func TestDemoCommandsWorkWhenPasted(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this test needs %s: %v", tool, err)
		}
	}
	out, stop := startRun(t, nil, "demo", "--addr", "127.0.0.1:0")
	e2e.Eventually(t, e2e.Patience, "the printed commands", func() bool { return strings.Count(out.String(), "\n  curl ") == 3 })
	lines := strings.Split(out.String(), "\n")
	address, ok := strings.CutPrefix(lines[0], "Address: ")
	token, ok2 := strings.CutPrefix(lines[1], "Token:   ")
	if !ok || !ok2 || !strings.HasPrefix(token, "orgb_") || lines[2] != "Swagger: "+address+"/swagger/" {
		t.Fatalf("printed:\n%s", out.String())
	}

	c := e2e.Client{T: t, Base: address + "/api/v1", Token: token}
	paste(t, lines[4])
	e2e.Eventually(t, e2e.Patience, "the end of the initial sync", func() bool {
		in := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK)
		return in.ActiveSync == nil && in.LastSync != nil && in.LastSync.Status == "succeeded"
	})
	if rows := paste(t, lines[5]); strings.Count(rows, `"active"`) != 6 || !strings.Contains(rows, `"ambiguous"`) {
		t.Errorf("mappings: %s", rows)
	}
	if run := paste(t, lines[6]); !strings.Contains(run, `"kind":"manual"`) {
		t.Errorf("sync: %s", run)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func paste(tb testing.TB, command string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "sh", "-c", command+" --fail-with-body").CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}

// TestRequestInFlightIsFinished ends the server while it waits for the body of a request.
func TestRequestInFlightIsFinished(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	id := strings.TrimSpace(runCommand(t, env, "account", "create", "a").stdout)
	token := strings.TrimSpace(runCommand(t, env, "token", "create", "--account", id, "--role", "admin", "--name", "t").stdout)
	out, stop := startRun(t, env, "serve")
	var address string
	e2e.Eventually(t, e2e.Patience, "the address", func() bool {
		_, rest, _ := strings.Cut(out.String(), "address=http://")
		address, _, _ = strings.Cut(rest, "\n")
		return strings.Contains(rest, "\n")
	})
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"name": "Alpine Dental", "domain": "alpine.example.com", "emailPlatform": "microsoft_365"}`
	write(t, conn, fmt.Sprintf("POST /api/v1/organizations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", token, len(body)))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("the server does not ask for the body: %q, %v", line, err)
	}

	ended := make(chan int, 1)
	go func() { ended <- stop() }()
	e2e.Eventually(t, e2e.Patience, "the server to refuse connections", func() bool {
		other, err := dialer.DialContext(t.Context(), "tcp", address)
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	write(t, conn, body)
	answer, err := io.ReadAll(answers)
	if err != nil || !strings.Contains(string(answer), "HTTP/1.1 201 ") {
		t.Errorf("%q, %v", answer, err)
	}
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}
