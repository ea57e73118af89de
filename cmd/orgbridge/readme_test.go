package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

const firstFiveMinutesDocument = "../../docs/first-five-minutes.md"

// TestReadmeFirstFiveMinutes pastes the commands of the README into the demo, one after the other, puts the ids of the answers in where the
// README says so, and compares what was answered with docs/first-five-minutes.md.
// `go test ./cmd/orgbridge -run TestReadmeFirstFiveMinutes -update` writes that document.
func TestReadmeFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("this test needs curl: %v", err)
	}
	section := readmeSection(t, "## The first five minutes")
	blocks := consolePattern.FindAllStringIndex(section, -1)
	if len(blocks) != 6 {
		t.Fatalf("%d blocks of commands in the README", len(blocks))
	}
	w := startWalk(t)
	last := 0
	for _, block := range blocks {
		w.told.WriteString(section[last:block[0]])
		last = block[1]
		for command := range strings.SplitSeq(consolePattern.FindStringSubmatch(section[block[0]:block[1]])[1], "\ncurl ") {
			w.step("curl " + strings.TrimPrefix(command, "curl "))
		}
	}
	if name := w.Row(w.known["ORGANIZATION_ID"]).Organization.Name; name != "Northwind Traders" {
		t.Errorf("in the end the organization is called %q", name)
	}
	if code := w.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, w.out)
	}
	sameDocument(t, firstFiveMinutesDocument, strings.TrimSpace(w.told.String())+"\n")
}

// sameDocument compares a document with what a test has made, or writes it when the test is asked to.
func sameDocument(t *testing.T, file, want string) {
	t.Helper()
	written, err := os.ReadFile(file)
	switch {
	case err == nil && string(written) == want:
	case *update:
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		got, expected := firstDifference(string(written), want)
		t.Errorf("%s is not what was made:\n%s\ninstead of\n%s\nrun: go test ./cmd/orgbridge -run %s -update", file, got, expected, t.Name())
	}
}

// walk is the first walk through the demo of somebody who pastes what the README says.
type walk struct {
	e2e.Client

	out   *e2e.Output // of the demo
	stop  func() int
	known map[string]string // the ids that commands name
	shell *strings.Replacer // what the shell does to a command
	made  steady
	told  strings.Builder
}

func startWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{known: map[string]string{}, made: steady{ids: map[string]string{}, counts: map[int]int{}}}
	w.out, w.stop = startRun(t, nil, "demo", "--addr", "127.0.0.1:0")
	e2e.Eventually(t, e2e.Patience, "the printed commands", func() bool { return strings.Count(w.out.String(), "\n  curl ") == 3 })
	lines := strings.Split(w.out.String(), "\n")
	address, token := strings.TrimPrefix(lines[0], "Address: "), strings.TrimPrefix(lines[1], "Token:   ")
	w.Client = e2e.Client{T: t, Base: address + "/api/v1", Token: token}
	w.shell = strings.NewReplacer("$ADDRESS", address, "$TOKEN", token)
	printed := strings.NewReplacer(address, "http://127.0.0.1:8080", token, "orgb_c5jr4kq2v7n3x6m5b2w7t4y3z6a5d2f7g4h3jq5a").Replace(w.out.String())
	printed = simulatorPattern.ReplaceAllString(printed, "http://127.0.0.1:40404/_sim")
	w.told.WriteString("# The first five minutes\n\nThe walk of the [README](../README.md#the-first-five-minutes) with all that the program says on it.\n" +
		"A test pastes each command and compares the answers with these; ids, times and the token are made up.\n\n" +
		"```console\ngo run ./cmd/orgbridge demo\n```\n\n```text\n" + strings.TrimSpace(printed) + "\n```\n\n")
	return w
}

// step pastes a command and tells it with its answer.
func (w *walk) step(command string) {
	w.T.Helper()
	w.made.moments = append(w.made.moments, moment{at: now(), step: len(w.made.moments)})
	meant := command
	for name, value := range w.known {
		meant = strings.ReplaceAll(meant, name, value)
	}
	answer := paste(w.T, w.shell.Replace(strings.ReplaceAll(meant, "\\\n", "")))
	learn(w.T, w.known, command, answer)
	e2e.Eventually(w.T, e2e.Patience, "the end of the sync", func() bool {
		return e2e.Call[e2e.IntegrationView](w.Client, "GET", "/integrations/itglue", nil, http.StatusOK).ActiveSync == nil
	})
	shown := pretty(w.made.text(example{}, notBegun(strings.TrimSpace(answer))))
	w.told.WriteString("```console\n" + w.made.text(example{}, meant) + "\n```\n\n```json\n" + shown + "\n```\n\n")
}

// notBegun shows a sync under way as it is before a worker has it, which is soon.
func notBegun(answer string) string {
	if !strings.Contains(answer, `"finishedAt":null`) {
		return answer
	}
	answer = strings.Replace(answer, `"status":"running"`, `"status":"queued"`, 1)
	answer = progressPattern.ReplaceAllString(answer, `"progress":{"phase":null,"done":0,"total":0}`)
	answer = listedPattern.ReplaceAllString(answer, `"listed":0`)
	return startedPattern.ReplaceAllString(answer, `"startedAt":null`)
}

var (
	progressPattern = regexp.MustCompile(`"progress":\{[^}]*\}`)
	listedPattern   = regexp.MustCompile(`"listed":\d+`)
	startedPattern  = regexp.MustCompile(`"startedAt":"[^"]*"`)

	consolePattern   = regexp.MustCompile("(?s)```console\n(.*?)\n```\n*")
	simulatorPattern = regexp.MustCompile(`http://127\.0\.0\.1:\d+/_sim`)
)

// readmeSection is what stands under a heading of the README.
func readmeSection(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return strings.TrimSpace(section)
}

// learn takes from an answer the ids that later commands name.
func learn(tb testing.TB, known map[string]string, command, answer string) {
	tb.Helper()
	var view struct {
		ID    string `json:"id"`
		Items []struct {
			ID           string `json:"id"`
			Organization struct {
				ID string `json:"id"`
			} `json:"organization"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(answer), &view); err != nil {
		tb.Fatalf("%s: %v: %s", command, err, answer)
	}
	switch {
	case strings.Contains(command, "search=") && len(view.Items) != 1:
		tb.Errorf("%s: %d found, want one: %s", command, len(view.Items), answer)
	case strings.Contains(command, "/mappings?state=unmapped"):
		known["ORGANIZATION_ID"] = view.Items[0].Organization.ID
	case strings.Contains(command, "/itglue/organizations?"):
		known["ITGLUE_ID"] = view.Items[0].ID
	case strings.Contains(command, `"kind":"manual"`):
		known["SYNC_ID"] = view.ID
	}
}
