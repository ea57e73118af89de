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

// TestReadmeFirstFiveMinutes pastes the commands of the README into the demo, one after the other, and puts the ids of the answers in
// where the README says so.
func TestReadmeFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("this test needs curl: %v", err)
	}
	commands := readmeCommands(t, "## The first five minutes")
	if len(commands) != 9 {
		t.Fatalf("%d commands in the README: %q", len(commands), commands)
	}
	out, stop := startRun(t, nil, "demo", "--addr", "127.0.0.1:0")
	e2e.Eventually(t, e2e.Patience, "the printed commands", func() bool { return strings.Count(out.String(), "\n  curl ") == 3 })
	lines := strings.Split(out.String(), "\n")
	address, token := strings.TrimPrefix(lines[0], "Address: "), strings.TrimPrefix(lines[1], "Token:   ")
	c := e2e.Client{T: t, Base: address + "/api/v1", Token: token}

	shell := strings.NewReplacer("$ADDRESS", address, "$TOKEN", token)
	known := map[string]string{}
	for _, command := range commands {
		for name, value := range known {
			command = strings.ReplaceAll(command, name, value)
		}
		learn(t, known, command, paste(t, shell.Replace(command)))
		e2e.Eventually(t, e2e.Patience, "the end of the sync", func() bool {
			return e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK).ActiveSync == nil
		})
	}
	if name := c.Row(known["ORGANIZATION_ID"]).Organization.Name; name != "Northwind Traders" {
		t.Errorf("in the end the organization is called %q", name)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// readmeCommands returns the console commands of a section.
func readmeCommands(t *testing.T, heading string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)\n```").FindAllStringSubmatch(section, -1) {
		whole := strings.ReplaceAll(block[1], "\\\n", "")
		commands = append(commands, strings.Split(whole, "\n")...)
	}
	return commands
}

// learn takes from an answer the ids that later commands name.
func learn(t *testing.T, known map[string]string, command, answer string) {
	t.Helper()
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
		t.Fatalf("%s: %v: %s", command, err, answer)
	}
	switch {
	case strings.Contains(command, "search=") && len(view.Items) != 1:
		t.Errorf("%s: %d found, want one: %s", command, len(view.Items), answer)
	case strings.Contains(command, "/mappings?state=unmapped"):
		known["ORGANIZATION_ID"] = view.Items[0].Organization.ID
	case strings.Contains(command, "/itglue/organizations?"):
		known["ITGLUE_ID"] = view.Items[0].ID
	case strings.Contains(command, `"kind":"manual"`):
		known["SYNC_ID"] = view.ID
	}
}
