package metrics_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/orgbridge/orgbridge/internal/metrics"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const operations = "../../docs/operations"

// series are the names of metrics, with the values of their labels.
type series map[string]map[string][]string

var (
	sample    = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	label     = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	selector  = regexp.MustCompile(`\b((?:orgbridge|go|process)_\w+|up)\b(?:\{([^}]*)\})?`)
	listed    = regexp.MustCompile(`^[\w-]+(\|[\w-]+)*$`)
	suffix    = regexp.MustCompile(`_(bucket|sum|count)$`)
	mentioned = regexp.MustCompile("(?m)^\\| `(orgbridge_\\w+)` \\|")
)

// served are the metrics of a program that everything has happened to.
func served(t *testing.T) series {
	t.Helper()
	m := metrics.New("test", slog.New(slog.DiscardHandler))
	for _, status := range []int{200, 404, 500} {
		m.Request("GET", "/api/v1/mappings", status, 0)
	}
	m.Run(orgsync.Ran{Kind: orgsync.Daily, Outcome: orgsync.RunSucceeded})
	m.ITGlue("list organizations", itglue.Attempt{Sent: true})
	for _, kind := range []itglue.Kind{
		itglue.KindRejectedKey, itglue.KindNotFound, itglue.KindRateLimited, itglue.KindTimeout, itglue.KindUnavailable, itglue.KindMalformed,
	} {
		m.ITGlue("list organizations", itglue.Attempt{Sent: true, Err: &itglue.Error{Kind: kind}})
	}
	m.WatchConnections(func() store.Connections { return store.Connections{} })
	m.WatchStreams(func() int { return 1 })
	m.WatchLevels(func(context.Context) (orgsync.Levels, error) {
		return orgsync.Levels{Integrations: map[string]int{"none": 1, "credentials-rejected": 1, "different-itglue-account": 0}}, nil
	}, slog.New(slog.DiscardHandler))
	out := series{"up": {}}
	for _, found := range sample.FindAllStringSubmatch(scrape(t, m), -1) {
		if out[found[1]] == nil {
			out[found[1]] = map[string][]string{}
		}
		for _, l := range label.FindAllStringSubmatch(found[2], -1) {
			out[found[1]][l[1]] = append(out[found[1]][l[1]], l[3])
		}
	}
	return out
}

// lacks tells what an expression asks for that is not served.
func (s series) lacks(expression string) (faults []string) {
	for _, found := range selector.FindAllStringSubmatch(expression, -1) {
		labels, ok := s[found[1]]
		if !ok {
			faults = append(faults, "there is no metric "+found[1])
			continue
		}
		for _, l := range label.FindAllStringSubmatch(found[2], -1) {
			values, ok := labels[l[1]]
			switch {
			case l[1] == "job" || l[1] == "instance":
			case !ok:
				faults = append(faults, found[1]+" has no label "+l[1])
			case listed.MatchString(l[3]) && !strings.HasPrefix(l[2], "!"):
				for value := range strings.SplitSeq(l[3], "|") {
					if !slices.Contains(values, value) {
						faults = append(faults, found[1]+" has no "+l[1]+" "+value)
					}
				}
			}
		}
	}
	return faults
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type alertRules struct {
	Groups []struct {
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			Annotations map[string]string `json:"annotations"`
			Labels      map[string]string `json:"labels"`
		} `json:"rules"`
	} `json:"groups"`
}

func TestAlertsAskForWhatIsServedAndSayWhatToDo(t *testing.T) {
	t.Parallel()
	all, manual := served(t), string(read(t, operations+".md"))
	var file alertRules
	if err := yaml.Unmarshal(read(t, operations+"/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, rule := range file.Groups[0].Rules {
		faults := all.lacks(rule.Expr)
		if !strings.Contains(manual, "\n### "+rule.Alert+"\n") || rule.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(rule.Alert) {
			faults = append(faults, "nothing says what to do")
		}
		if rule.Annotations["summary"] == "" || !slices.Contains([]string{"info", "warning", "critical"}, rule.Labels["severity"]) {
			faults = append(faults, "no summary or severity")
		}
		for _, fault := range faults {
			t.Errorf("%s: %s", rule.Alert, fault)
		}
	}
	if explained := strings.Count(manual, "\n### Orgbridge"); explained != len(file.Groups[0].Rules) || explained < 10 {
		t.Errorf("%d alerts are explained, %d are there", explained, len(file.Groups[0].Rules))
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return // its grammar was checked where it was written
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", operations+"/alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
}

func TestDashboardAsksForWhatIsServed(t *testing.T) {
	t.Parallel()
	all := served(t)
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(read(t, operations+"/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			asked++
			for _, fault := range all.lacks(target.Expr) {
				t.Errorf("%s: %s", panel.Title, fault)
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d questions", asked)
	}
}

func TestWhatIsNotServedIsNoticed(t *testing.T) {
	t.Parallel()
	all := served(t)
	for _, expression := range []string{
		"orgbridge_no_such_total", `orgbridge_sync_runs_total{kindly="daily"}`, `orgbridge_sync_runs_total{outcome=~"failed|exploded"}`,
		`sum(rate(orgbridge_http_requests_total{status="500"}[5m]))`,
	} {
		if len(all.lacks(expression)) == 0 {
			t.Errorf("%s is not noticed", expression)
		}
	}
}

func TestEveryMetricIsExplained(t *testing.T) {
	t.Parallel()
	found := mentioned.FindAllStringSubmatch(string(read(t, operations+".md")), -1)
	explained, there := make([]string, len(found)), []string{}
	for i, match := range found {
		explained[i] = match[1]
	}
	for name := range served(t) {
		if strings.HasPrefix(name, "orgbridge_") {
			there = append(there, suffix.ReplaceAllString(name, ""))
		}
	}
	slices.Sort(explained)
	slices.Sort(there)
	if there = slices.Compact(there); !slices.Equal(explained, there) {
		t.Errorf("explained: %q\nthere: %q", explained, there)
	}
}
