package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// script is the script of docs/automation.md in a language.
func script(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/automation.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("no script in %s", language)
	}
	file := filepath.Join(t.TempDir(), "report."+map[string]string{"bash": "sh", "python": "py", "powershell": "ps1"}[language])
	if err := os.WriteFile(file, found[1], 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// reported runs a script and returns what it prints, and its exit code.
func reported(t *testing.T, server *e2e.Server, token string, command ...string) (out, problems string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "ORGBRIDGE_ADDRESS="+server.Address, "ORGBRIDGE_TOKEN="+token)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestAutomationScripts runs the script of each language: after all went well, without a connection, and when removals are held.
func TestAutomationScripts(t *testing.T) {
	t.Parallel()
	for language, interpreter := range map[string]string{"bash": "bash", "python": "python3", "powershell": "pwsh"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(interpreter); err != nil {
				t.Skipf("NO %s, so this script did not run: %v", interpreter, err)
			}
			file := script(t, language)
			s := e2e.NewSite(t, storetest.SQLiteURL(t))
			gone := []string{s.Add("Contoso"), s.Add("Fabrikam")}
			token := s.NewAccount()
			server := s.Serve()
			c := server.Client(token)
			for name, domain := range map[string]string{
				"Contoso": "contoso.com", "Fabrikam": "fabrikam.com", "Tailspin Toys": "tailspin.com", "fabrikam": "fabrikam.net",
			} {
				c.AddOrganization(name, domain)
			}
			const more = 201 // than one page
			c.Fill(more)
			out, problems, code := reported(t, server, token, interpreter, file)
			if code != 1 || out != "" || !strings.Contains(problems, "POST /syncs: ") || !strings.Contains(problems, "not-connected") {
				t.Errorf("without a connection: exit code %d, %q, %q", code, out, problems)
			}
			c.Ended(c.Connect().ID)
			out, problems, code = reported(t, server, token, interpreter, file)
			lines := strings.Count(out, ": no-equal-name\n")
			if code != 0 || problems != "" || lines != 2+more || !strings.Contains(out, "\nTailspin Toys: no-equal-name\n") {
				t.Errorf("exit code %d, %d lines, %q, %q", code, lines, out, problems)
			}
			for _, id := range gone {
				s.Remove(id)
			}
			out, problems, code = reported(t, server, token, interpreter, file)
			if out != "" || code != 3 || !regexp.MustCompile(`^the sync \S+ is held\s*$`).MatchString(problems) {
				t.Errorf("exit code %d, %q, %q", code, out, problems)
			}
		})
	}
}
