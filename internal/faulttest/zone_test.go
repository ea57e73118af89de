package faulttest_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// TestF35ProgramBringsItsOwnZoneData runs the program where there is no file but its own.
func TestF35ProgramBringsItsOwnZoneData(t *testing.T) {
	t.Parallel()
	chroot := []string{"chroot"}
	if os.Getuid() != 0 {
		chroot = []string{"unshare", "--user", "--map-root-user", "chroot"}
	}
	if err := exec.CommandContext(t.Context(), chroot[0], append(chroot[1:], "/", "true")...).Run(); err != nil {
		t.Skipf("cannot change the root directory: %v", err)
	}
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		root := emptyRoot(t, s)
		if s.OnSQLite() {
			s.Database = "sqlite://" + filepath.Join(root, "orgbridge.db")
			s.Env = append(s.Env, "ORGBRIDGE_DATABASE_URL="+s.Database)
		}
		token := s.NewAccount()
		inside := s.With("ORGBRIDGE_KEYSET=env:" + keysetText(t, s))
		if s.OnSQLite() {
			inside = inside.With("ORGBRIDGE_DATABASE_URL=sqlite:///orgbridge.db")
		}
		p := e2e.Start(t, inside.Env, chrootPath(t, chroot[0]), append(chroot[1:], root, "/orgbridge", "serve")...)
		server := &e2e.Server{Process: p, Address: p.Word("msg=listening address=")}
		c := server.Client(token)
		c.Ended(c.Connect().ID)
		in := e2e.Call[e2e.IntegrationView](c, "PATCH", "/integrations/itglue",
			map[string]any{"dailySync": map[string]string{"timeZone": "Asia/Kathmandu", "time": "23:59"}}, http.StatusOK)
		if in.DailySync.NextRunAt == nil || in.DailySync.NextRunAt.UTC().Format(time.TimeOnly) != "18:14:00" {
			t.Errorf("the next run is at %v", in.DailySync.NextRunAt)
		}
		e2e.Call[e2e.ProblemView](c, "PATCH", "/integrations/itglue",
			map[string]any{"dailySync": map[string]string{"timeZone": "Asia/Nowhere"}}, http.StatusUnprocessableEntity)
		e2e.Terminated(t, server)
	})
}

// emptyRoot is a directory with the program alone.
func emptyRoot(t *testing.T, s *e2e.Site) string {
	t.Helper()
	root := t.TempDir()
	binary, err := os.ReadFile(e2e.Program(t, s.Build, "orgbridge"))
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "orgbridge"), binary, 0o700)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(root, "tmp"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// keysetText is the site's keyset as the environment may hold it.
func keysetText(t *testing.T, s *e2e.Site) string {
	t.Helper()
	for _, variable := range s.Env {
		if file, ok := strings.CutPrefix(variable, "ORGBRIDGE_KEYSET="); ok {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return base64.StdEncoding.EncodeToString(text)
		}
	}
	t.Fatal("no keyset")
	return ""
}

func chrootPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
