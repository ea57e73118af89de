package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func TestHelpShowsExamplesFlagsAndTheirVariables(t *testing.T) {
	t.Parallel()
	got := runCommand(t, nil, "help", "keys", "rotate").stdout
	for _, want := range []string{
		"\n\nReplace the keyset's key, ", "\n\nServers go on running", "\nExamples:\n  orgbridge keys rotate\n", "\nFlags:\n",
		"--database-url URL ", "(default sqlite://orgbridge.db)", "[$ORGBRIDGE_DATABASE_URL]", "--json ", "--add-only ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestExamplesAreUnderstood(t *testing.T) {
	t.Parallel()
	root := program{stdout: io.Discard, stderr: io.Discard}.root()
	for _, name := range leaves(root) {
		c, _, err := root.Find(strings.Fields(name))
		if err != nil {
			t.Fatal(err)
		}
		if c.Example == "" && !strings.HasPrefix(name, "completion ") {
			t.Errorf("%s has no example", name)
		}
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(strings.ReplaceAll(line, `"My company"`, "NAME"))
			called, rest, err := root.Find(words[1:])
			if err != nil || called != c || words[0] != "orgbridge" {
				t.Fatalf("%s: %q is for another command: %v", name, line, err)
			}
			if err := c.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if err := c.ValidateArgs(c.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

func TestMistypedCommandIsSuggested(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, want string }{
		{"migrat", `orgbridge: there is no command "migrat"; did you mean migrate?`},
		{"token craete", `orgbridge token: there is no command "craete"; did you mean create?`},
		{"frobnicate", `orgbridge: there is no command "frobnicate"`},
	} {
		got := runCommand(t, nil, strings.Fields(c.typed)...)
		if line, _, _ := strings.Cut(got.stderr, "\n"); line != c.want || got.code != exitUsage {
			t.Errorf("%s: %+v", c.typed, got)
		}
	}
}

func TestFlagsStandBeforeBetweenAndBehind(t *testing.T) {
	t.Parallel()
	flag := []string{"--database-url", sqliteEnv(t)["ORGBRIDGE_DATABASE_URL"]}
	for i := range 4 {
		words := []string{"account", "create", "token"}
		args := slices.Concat(words[:i], flag, words[i:])
		if got := runCommand(t, nil, args...); got.code != exitOK {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := runCommand(t, nil, slices.Concat(flag, []string{"account", "create", "--", "--name"})...); got.code != exitOK {
		t.Errorf("%+v", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	const files, nothing = ":0", ":4"
	for _, c := range []struct {
		typed []string
		want  []string
	}{
		{[]string{"tok"}, []string{"token", nothing}},
		{[]string{"keys", ""}, []string{"create", "discard", "rotate", nothing}},
		{[]string{"token", "create", "--role", ""}, []string{"viewer", "admin", "operator", nothing}},
		{[]string{"token", "create", "--role="}, []string{"viewer", "admin", "operator", nothing}},
		{[]string{"serve", "--log-level", ""}, []string{"debug", "info", "warn", "error", nothing}},
		{[]string{"migrate", "--log-format", ""}, []string{"text", "json", nothing}},
		{[]string{"token", "create", "--name", ""}, []string{nothing}},
		{[]string{"account", "create", ""}, []string{nothing}},
		{[]string{"keys", "create", "--out", ""}, []string{files}},
		{[]string{"serve", "--keyset", ""}, []string{files}},
	} {
		got := runCommand(t, nil, append([]string{"__complete"}, c.typed...)...)
		var offered []string
		for line := range strings.Lines(got.stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			offered = append(offered, word)
		}
		if diff := cmp.Diff(c.want, offered); diff != "" || got.code != exitOK {
			t.Errorf("%q: %s\n%+v", c.typed, diff, got)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runCommand(t, nil, "completion", shell); got.code != exitOK || !strings.Contains(got.stdout, "orgbridge") {
			t.Errorf("%s: %+v", shell, got)
		}
	}
}

// TestBashCompletes plays the Tab key. What bash-completion does with the typed words is done here in one line.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skipf("this test needs bash: %v", err)
	}
	script := exec.CommandContext(t.Context(), "bash", "-c", `
		_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
		source <(orgbridge completion bash)
		complete -p orgbridge
		COMP_WORDS=(orgbridge token create --role "") COMP_CWORD=4 COMP_TYPE=9 COMP_LINE='orgbridge token create --role '
		__start_orgbridge
		printf '%s\n' "${COMPREPLY[@]}"`)
	directory := filepath.Dir(e2e.Program(t, e2e.Build{}, "orgbridge"))
	script.Env = append(os.Environ(), "PATH="+directory+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := script.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 4 || !strings.Contains(lines[0], "-F __start_orgbridge orgbridge") {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff([]string{"viewer", "admin", "operator"}, lines[1:]); diff != "" {
		t.Error(diff)
	}
}

// answered demands one JSON object on one line, with T's fields and no others.
func answered[T any](t *testing.T, got result) (answer T) {
	t.Helper()
	if got.code != exitOK || strings.Count(got.stdout, "\n") != 1 {
		t.Fatalf("%+v", got)
	}
	decoder := json.NewDecoder(strings.NewReader(got.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&answer); err != nil {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	return answer
}

func TestJSON(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	if n := answered[struct{ Applied int }](t, runCommand(t, env, "migrate", "--json")).Applied; n < 11 {
		t.Errorf("%d migrations of a new database", n)
	}
	if n := answered[struct{ Applied int }](t, runCommand(t, env, "migrate", "--json")).Applied; n != 0 {
		t.Errorf("%d migrations of one that is up to date", n)
	}

	account := answered[struct {
		ID, Name  string
		CreatedAt time.Time
	}](t, runCommand(t, env, "account", "create", "<My> company", "--json"))
	if account.Name != "<My> company" || account.CreatedAt.IsZero() {
		t.Errorf("%+v", account)
	}
	type token struct {
		ID        string
		AccountID *string
		Role      string
		Name      string
		Secret    string
		CreatedAt time.Time
		ExpiresAt *time.Time
	}
	admin := answered[token](t, runCommand(t, env,
		"token", "create", "--json", "--account", account.ID, "--role", "admin", "--name", "n", "--expires", "1h"))
	if admin.AccountID == nil || *admin.AccountID != account.ID || admin.ExpiresAt.Sub(admin.CreatedAt).Round(time.Hour) != time.Hour ||
		admin.Role != "admin" || admin.Name != "n" || !strings.HasPrefix(admin.Secret, "orgb_") {
		t.Errorf("%+v", admin)
	}
	operator := answered[token](t, runCommand(t, env, "token", "create", "--role", "operator", "--name", "o", "--json"))
	if operator.AccountID != nil || operator.ExpiresAt != nil {
		t.Errorf("%+v", operator)
	}
	if got := runCommand(t, env, "token", "revoke", "--account", account.ID, admin.ID); got.code != exitOK {
		t.Errorf("%+v", got)
	}

	file := filepath.Join(t.TempDir(), "keys.json")
	if made := answered[struct{ File string }](t, runCommand(t, nil, "keys", "create", "--json", "--out", file)); made.File != file {
		t.Errorf("%+v", made)
	}
	v := answered[struct{ Version, Go, OS, Arch string }](t, runCommand(t, nil, "version", "--json"))
	if v.Version != versionName() || v.Go != runtime.Version() || v.OS != runtime.GOOS || v.Arch != runtime.GOARCH {
		t.Errorf("%+v", v)
	}
}

func TestFailureWithJSONPrintsNone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"account", "create", " "}, {"keys", "rotate"}, {"keys", "create", "--out", t.TempDir()}} {
		got := runCommand(t, sqliteEnv(t), append(args, "--json")...)
		if got.code != exitFailed || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// connect stores a number of sealed IT Glue keys in the database, which it makes.
func connect(t *testing.T, env map[string]string, keys int) {
	t.Helper()
	if got := runCommand(t, env, "migrate"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	url := env["ORGBRIDGE_DATABASE_URL"]
	keyset, err := seal.Load(strings.TrimPrefix(url, "sqlite://") + ".keyset.json")
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range keys {
		in := integration.Integration{
			AccountID: storetest.Account(t, db), ID: storetest.ID(t), Region: itglue.RegionUS, ConnectedAt: storetest.Now(),
			AutoMap: integration.Off, APIKeyHint: "wxyz",
		}
		in.SealedKey, err = keyset.Seal("ITG.key", faulttest.KeyOwner(in.AccountID, in.ID))
		if err == nil {
			err = db.Connect(t.Context(), in.AccountID, in, integration.InitialSync{ID: storetest.ID(t)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeysRotateAndDiscardAnswerJSON(t *testing.T) {
	t.Parallel()
	env := sqliteEnv(t)
	connect(t, env, 3)
	if done := answered[rotated](t, runCommand(t, env, "keys", "rotate", "--json", "--add-only")); done != (rotated{Added: true}) {
		t.Errorf("%+v", done)
	}
	if done := answered[rotated](t, runCommand(t, env, "keys", "rotate", "--json")); done != (rotated{Sealed: 3, Removed: 1}) {
		t.Errorf("%+v", done)
	}
	type discarded struct {
		Discarded bool
		Accounts  []string
	}
	if got := runCommand(t, env, "keys", "discard", "--json"); got.stdout != `{"discarded":false,"accounts":[]}`+"\n" {
		t.Errorf("%+v", got)
	}
	other := filepath.Join(t.TempDir(), "other.json")
	runCommand(t, nil, "keys", "create", "--out", other)
	env["ORGBRIDGE_KEYSET"] = other
	got := runCommand(t, env, "keys", "rotate", "--json")
	if got.code != exitFailed || got.stdout != "" || !strings.Contains(got.stderr, "3 stored IT Glue keys cannot be opened") {
		t.Errorf("%+v", got)
	}
	for _, confirm := range []bool{false, true} {
		args := []string{"keys", "discard", "--json"}
		if confirm {
			args = append(args, "--confirm")
		}
		if done := answered[discarded](t, runCommand(t, env, args...)); done.Discarded != confirm || len(done.Accounts) != 3 {
			t.Errorf("%+v", done)
		}
	}
}
